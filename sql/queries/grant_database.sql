-- Let the owner create in this database's schema, and the reader look into it.
do $$
begin
    execute format('grant usage, create on schema %I to streamer_owner', current_schema());
    execute format('grant usage on schema %I to streamer_read', current_schema());
    execute format('grant connect, temporary on database %I to streamer_owner, streamer', current_database());
    execute format('grant connect on database %I to streamer_read', current_database());
end $$;
