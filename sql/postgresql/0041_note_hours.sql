-- Every statement that stores candles notes their hours, whoever sends it and whatever their length, but for those of
-- 1s: one note for all symbols of an exchange that changed in the same run of hours. Live candles share an hour, and are
-- spared the search for runs.
create function note_hours() returns trigger language plpgsql set search_path from current as $$
declare
    first_time timestamptz;
    last_time timestamptz;
begin
    select date_trunc('hour', min(open_time), 'UTC'), date_trunc('hour', max(open_time), 'UTC')
    into first_time, last_time
    from changed
    where interval <> '1s';

    if first_time = last_time then
        insert into rollup_windows (exchange, symbols, first_hour, last_hour)
        select exchange, array_agg(symbol), first_time, last_time
        from (select distinct exchange, symbol from changed where interval <> '1s') as symbols
        group by exchange;
    elsif first_time < last_time then
        insert into rollup_windows (exchange, symbols, first_hour, last_hour)
        select exchange, array_agg(symbol), first_hour, last_hour
        from (
            select exchange, symbol, min(hour) as first_hour, max(hour) as last_hour
            from (
                select
                    exchange, symbol, hour,
                    hour - interval '1 hour' * row_number() over (partition by exchange, symbol order by hour) as run
                from (
                    select distinct exchange, symbol, date_trunc('hour', open_time, 'UTC') as hour
                    from changed
                    where interval <> '1s'
                ) as hours
            ) as numbered
            group by exchange, symbol, run
        ) as runs
        group by exchange, first_hour, last_hour;
    end if;
    return null;
end
$$;

create trigger note_inserted after insert on klines
referencing new table as changed for each statement execute function note_hours();

create trigger note_updated after update on klines
referencing new table as changed for each statement execute function note_hours();
