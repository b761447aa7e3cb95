-- What others built on the relations of a rollup, in the server's words: views and functions, by way of its columns or
-- of the type of its rows.
with ours as (
    select c.oid, c.reltype, t.typarray
    from pg_class c
    join pg_type t on t.oid = c.reltype
    where c.relnamespace = current_schema()::regnamespace
        and c.relname in ('klines_' || $1::text, 'klines_' || $1::text || '_by_base')
),
dependents as (
    select distinct
        coalesce(w.ev_class, d.objid) as oid,
        case when w.oid is null then d.classid else 'pg_class'::regclass end as class
    from pg_depend d
    left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    where d.deptype = 'n'
        and (
            (d.refclassid = 'pg_class'::regclass and d.refobjid in (select oid from ours))
            or (d.refclassid = 'pg_type'::regclass and d.refobjid in (select unnest(array[reltype, typarray]) from ours))
        )
)
select pg_describe_object(class, oid, 0) as described
from dependents
where not (class = 'pg_class'::regclass and oid in (select oid from ours))
order by 1;
