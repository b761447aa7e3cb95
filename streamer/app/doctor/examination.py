"""The whole of ``streamer doctor``: reads what there is to read, then lets every judge speak. It changes nothing."""

from streamer.app.database import database_of
from streamer.app.doctor.access import judge_owner, judge_reader, judge_user
from streamer.app.doctor.books import judge_gaps, judge_migrations, judge_rollups, judge_series
from streamer.app.doctor.finding import Finding, fail, ok
from streamer.app.doctor.machine import database_free_bytes, free_bytes, memory_bytes
from streamer.app.doctor.network import examine_exchanges
from streamer.app.doctor.server import (
    judge_clock,
    judge_connections,
    judge_jit,
    judge_locks,
    judge_pooler,
    judge_vacuum,
    judge_version,
)
from streamer.app.doctor.space import judge_disk, judge_memory, judge_spool_disk
from streamer.app.doctor.timescale import judge_chunks, judge_kind, judge_policies, judge_restoring
from streamer.app.listing import quiet_recorder
from streamer.domain.errors import StartError, StoreMisconfigured, StoreUnavailable
from streamer.settings.model import Settings
from streamer.store.examine import examine
from streamer.store.kinds import Kind
from streamer.store.statements import migrations
from streamer.store.vitals import Schema, Vitals
from streamer.timing.clock import SystemClock

_REACHABLE = "database"
_MIB = 1 << 20


async def examination(settings: Settings, *, network: bool) -> list[Finding]:
    """Every finding, the database's first; with ``network`` the exchanges are asked for their time.

    Raises:
        ConfigurationError: no database is configured and none can be had.
    """
    findings = await _examine_database(settings)
    spool_bytes = settings.spool.megabytes * _MIB
    findings.append(judge_spool_disk(free_bytes(settings.data_dir.absolute()), spool_bytes))
    return findings + await examine_exchanges(settings, asked=network)


async def _examine_database(settings: Settings) -> list[Finding]:
    clock = SystemClock()
    async with database_of(settings, clock, quiet_recorder()) as database:
        try:
            await database.open_beside(create=False)
            vitals = await examine(database.pool, clock)
        except StartError as error:
            return [fail(_REACHABLE, str(error), "give --database-url, or --data-dir")]
        except StoreMisconfigured as error:
            return [
                fail(_REACHABLE, str(error), "see to user, password, name and pg_hba.conf: it answers, and refuses")
            ]
        except StoreUnavailable as error:
            cure = "see whether the server runs, and whether address, port and firewall are right"
            return [fail(_REACHABLE, str(error), cure)]
        return [ok(_REACHABLE, f"{database.pool.where} answers"), *judge(vitals, settings)]


def judge(vitals: Vitals, settings: Settings) -> list[Finding]:
    """What every judge of the database says."""
    server, schema, storage, books = vitals.server, vitals.schema, vitals.storage, vitals.books
    kind = schema.kind if isinstance(schema, Schema) and schema.kind is not None else Kind.POSTGRESQL.value
    is_chunked = vitals.policies is not None
    return [
        judge_version(server),
        judge_kind(vitals.extension, schema),
        judge_migrations(schema, migrations(kind), applied_by_run=settings.migrate),
        judge_pooler(vitals.pooled),
        judge_owner(schema, vitals.rights),
        judge_user(vitals.rights, embedded=settings.database_url is None),
        judge_reader(schema, vitals.rights),
        *([judge_restoring(server), judge_chunks(storage)] if is_chunked else []),
        *(judge_policies(vitals.policies, vitals.building) if vitals.policies is not None else []),
        judge_series(schema, storage, books),
        judge_rollups(vitals.building),
        judge_gaps(books),
        judge_memory(server, storage, memory_bytes(server)),
        judge_disk(server, storage, books, database_free_bytes(server)),
        judge_connections(server),
        judge_locks(server, storage),
        judge_vacuum(server),
        judge_jit(server),
        judge_clock(server),
    ]
