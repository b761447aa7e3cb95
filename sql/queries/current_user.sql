-- Who we are, and whether we may create roles.
select current_user, (select rolsuper or rolcreaterole from pg_roles where rolname = current_user);
