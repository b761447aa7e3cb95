-- Run once by the database's container, as its superuser, after the roles were made. psql reads the environment.
\getenv password DATABASE_PASSWORD
\getenv read_password DATABASE_READ_PASSWORD
alter role streamer password :'password';
alter role streamer_read password :'read_password';
