"""A database as the first release left it: made by its own statements, which lie frozen in the fixtures."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg

from streamer.store.statements import Migration
from tests.integration.servers import TestDatabase
from tests.paths import FIXTURES

FOLDER = FIXTURES / "first_release"
MOMENT = datetime(2026, 1, 25, 12, 0, tzinfo=UTC)  # when its life ends
COLUMNAR_BEFORE = datetime(2026, 1, 15, tzinfo=UTC)
RELATIONS = (
    "klines", "klines_1h", "klines_1d", "kline_revisions", "gaps", "followed", "breaks", "instruments", "completeness",
)  # fmt: skip
_STRUCTURE = {
    "columns": """select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                      col_description(c.oid, a.attnum)
                  from pg_attribute a join pg_class c on c.oid = a.attrelid
                  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0
                      and not a.attisdropped
                  order by c.relname, a.attnum""",
    "constraints": """select conrelid::regclass::text, pg_get_constraintdef(oid)
                      from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
                      order by 1, 2""",
    "indexes": "select indexdef from pg_indexes where schemaname = 'public' order by 1",
    "owners": """select relname, relkind::text, relowner::regrole::text, relacl::text, obj_description(oid, 'pg_class')
                 from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
                 order by 1""",
    "completeness": "select pg_get_viewdef('completeness')",
}
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Answers = dict[str, list[tuple[Any, ...]]]
Columns = dict[str, list[str]]


def frozen(name: str) -> str:
    """The text of a file of the first release."""
    return (FOLDER / name).read_text(encoding="utf-8")


def frozen_migrations(kind: str) -> Iterator[Migration]:
    """The first release's migrations of one kind of database, in order."""
    for path in sorted((*FOLDER.glob("migrations/*.sql"), *FOLDER.glob(f"{kind}/*.sql")), key=lambda path: path.name):
        words, *marks = path.name.removesuffix(".sql").split(".")
        number, _, name = words.partition("_")
        yield Migration(int(number), name, path.parent.name, not marks, path.read_text(encoding="utf-8"))


async def make_first_release(database: TestDatabase, extension: str | None = None) -> None:
    """Bring an empty database to what the first release made of it, with twenty days of candles.

    ``extension`` is the version of TimescaleDB that it began with, where that is not the installation's own.
    """
    kind = "timescaledb" if database.timescale else "postgresql"
    connection = await connect(database)
    try:
        if database.timescale:
            version = "" if extension is None else f" version '{extension}'"
            await connection.execute(f"create extension timescaledb{version}")
        for step in ("create_roles", "grant_database", "become_owner", "default_privileges", "bookkeeping"):
            await connection.execute(frozen(f"queries/{step}.sql"))
        await connection.execute(frozen("queries/set_mark.sql"), "kind", kind)
        await connection.execute(frozen("queries/set_mark.sql"), "owner", "streamer_owner")
        await connection.execute("set streamer.chunk_interval = '604800 seconds'")
        await connection.execute("set streamer.compress_after = '3153600000 seconds'")  # a test compresses by itself
        steps = list(frozen_migrations(kind))
        policies_last = [step for step in steps if step.name == "refresh_policies"]  # their jobs start at once
        await _apply(connection, [step for step in steps if step not in policies_last])
        await connection.execute(frozen("data.sql"))
        await _build_bars(connection, timescale=database.timescale)
        await _apply(connection, policies_last)
    finally:
        await connection.close()


async def _apply(connection: Connection, steps: Sequence[Migration]) -> None:
    for step in steps:
        await connection.execute(step.text)
        await connection.execute(frozen("queries/record_migration.sql"), step.number, step.name, step.checksum)


async def _build_bars(connection: Connection, *, timescale: bool) -> None:
    """Make the bars right, and old chunks columnar."""
    if timescale:
        for view in ("klines_1h", "klines_1d"):
            await connection.execute(f"call refresh_continuous_aggregate('{view}', null, '2026-02-01')")
        compress = "select compress_chunk(c) from show_chunks('klines', older_than => $1::timestamptz) c"
        assert len(await connection.fetch(compress, COLUMNAR_BEFORE)) > 1
        return
    series = await connection.fetch("select exchange, symbol from klines where interval = '1m' group by 1, 2")
    columns = [list(column) for column in zip(*series, strict=True)]
    bounds = [[datetime(2026, 1, 1, tzinfo=UTC)] * len(series), [datetime(2026, 2, 1, tzinfo=UTC)] * len(series)]
    for interval in ("1h", "1d"):
        await connection.execute(frozen(f"queries/rebuild_klines_{interval}.sql"), *columns, *bounds)


async def connect(database: TestDatabase) -> Connection:
    """A superuser's connection, which reads ``completeness`` as of the end of that life."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("select set_config('streamer.moment', $1, false)", MOMENT.isoformat())
    await connection.execute("set timezone = 'UTC'")
    return connection


async def structure(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What a schema is made of, in a form that two databases share."""
    return {name: [tuple(row) for row in await connection.fetch(text)] for name, text in _STRUCTURE.items()}


async def policies(connection: Connection) -> list[tuple[Any, ...]]:
    """What TimescaleDB does by itself: procedure, relation, period, and what it was told."""
    statement = """select proc_name, hypertable_name, schedule_interval, config - 'hypertable_id' - 'mat_hypertable_id'
                   from timescaledb_information.jobs where hypertable_schema = 'public' order by 1, 2"""
    return [tuple(row) for row in await connection.fetch(statement)]


async def columns_of(connection: Connection) -> Columns:
    """The columns of the relations that users read."""
    statement = """select attname from pg_attribute
                   where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum"""
    return {name: [row["attname"] for row in await connection.fetch(statement, name)] for name in RELATIONS}


async def answers(connection: Connection, columns: Columns) -> Answers:
    """Every row of every relation, in these columns and sorted."""
    found: Answers = {}
    for name, wanted in columns.items():
        listed = ", ".join(wanted)
        rows = await connection.fetch(f"select {listed} from {name} order by {listed}")  # noqa: S608 - relations of ours
        found[name] = [tuple(row) for row in rows]
    return found
