-- What the owner makes from now on is readable. Run as the owner.
do $$
begin
    execute format('alter default privileges in schema %I grant select on tables to streamer_read', current_schema());
end $$;
