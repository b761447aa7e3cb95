-- What of the exchanges' REST limits each process behind one address may spend.
create table rest_leases (
    egress text not null,
    pool text not null,
    holder uuid not null,
    units integer not null check (units >= 0),
    wish integer not null,
    ends_at timestamptz not null,
    forgotten_at timestamptz not null,
    primary key (egress, pool, holder)
);

comment on table rest_leases is 'What of the exchanges'' REST limits each process behind one address may spend';
comment on column rest_leases.units is 'the most weight of one window that the process may have spent';
comment on column rest_leases.ends_at is 'from then on half counts, for the process may be alive and unable to say so';
