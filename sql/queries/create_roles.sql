-- The three roles, for the whole server. Two databases may come here at once, hence the exceptions.
-- The owner must be one that can log in, because TimescaleDB runs policies as the owner of the table; with no password
-- and a connection limit of 0 nobody can. Passwords of the other two are the operator's to set.
do $$
begin
    if not exists (select from pg_roles where rolname = 'streamer_owner') then
        create role streamer_owner login connection limit 0;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    if not exists (select from pg_roles where rolname = 'streamer') then
        create role streamer login;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    if not exists (select from pg_roles where rolname = 'streamer_read') then
        create role streamer_read login;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    if not pg_has_role('streamer', 'streamer_owner', 'member') then
        grant streamer_owner to streamer;
    end if;
    if not pg_has_role(current_user, 'streamer_owner', 'member') then
        execute format('grant streamer_owner to %I', current_user);
    end if;
exception when unique_violation then null;
end $$;
