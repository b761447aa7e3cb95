-- Write gaps; those without an id are new.
insert into gaps
select coalesce(g.id, nextval(pg_get_serial_sequence('gaps', 'id'))), $1, $2, $3, g.first, g.last, g.cause, g.status,
    g.expected, g.found, g.attempts, g.attempted_at, g.next_attempt_at, g.claimed_until, g.last_error, g.detected_at,
    g.resolved_at
from unnest(
    $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
    $11::integer[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::timestamptz[],
    $17::timestamptz[]
) as g (
    id, first, last, cause, status, expected, found, attempts, attempted_at, next_attempt_at, claimed_until, last_error,
    detected_at, resolved_at
);
