"""A database that an administrator migrated: then ``streamer`` does everything, and ``streamer_read`` only reads."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.process import command, service, until
from tests.end_to_end.world import rows, simulating, write_settings
from tests.integration.roles import as_role, set_passwords
from tests.integration.servers import PLAIN, TIMESCALE, TestDatabase
from tests.paths import ROOT

SYMBOLS = {"binance": ["BTC-USDT", "BTC-USDT-PERP"], "okx": ["BTC-USDT"]}
RELATIONS = """
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p') order by 1
"""
STRANGERS = """
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace and pg_get_userbyid(c.relowner) <> 'streamer_owner'
"""
TAKE_AWAY = """
with gone as (delete from klines where (exchange, symbol, open_time) = ($1, $2, $3) returning *)
insert into gaps (exchange, symbol, interval, first_open_time, last_open_time, cause, status, expected, found, attempts,
                  next_attempt_at, detected_at)
select exchange, symbol, interval, open_time, open_time, 'break', 'open', 1, 0, 1, now(), now() from gone
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection for the block."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("database", [PLAIN, TIMESCALE], indirect=True)
async def test_everything_is_done_as_streamer(database: TestDatabase, tmp_path: Path) -> None:
    """Live candles, leases, history, repairs, corrections of compressed chunks: all by a role that is no superuser."""
    made = await command("migrate", "--database-url", database.url, folder=tmp_path)
    assert made.code == 0, made.errors
    async with connected(database.url) as admin, simulating() as simulator:
        await set_passwords(admin)
        url = as_role(database, "streamer")
        config = write_settings(tmp_path, simulator.urls, SYMBOLS, database_url=url, rest={"egress": "here"})
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()

            async def live() -> bool:
                return {row.exchange for row in await rows(url) if row.source == "ws"} == set(SYMBOLS)

            await until(live, "candles of both exchanges came over their streams")
            assert await running.stopped() == 0
            assert not [line for line in running.errors if "denied" in line or '"level":"error"' in line]

        since = datetime.fromtimestamp(simulator.now_ms() / 1_000, UTC) - timedelta(hours=3)
        begin = ("--config", config)
        span = ("--since", since.isoformat())
        filled = await command("backfill", *begin, *span, "--json", "--allow-simulated", folder=tmp_path)
        assert filled.code == 0, filled.errors

        if database.timescale:
            await admin.execute("select compress_chunk(c, true) from show_chunks('klines') c")
        [first, second] = await admin.fetch(
            "select exchange, symbol, open_time from klines where exchange = 'okx' order by open_time limit 2"
        )
        await admin.execute(TAKE_AWAY, *first)
        change = "update klines set volume = volume + 1 where (exchange, symbol, open_time) = ($1, $2, $3)"
        await admin.execute(change, *second)

        listed = await command("gaps", "list", *begin, "--json", folder=tmp_path)
        assert len(json.loads(listed.output)) >= 1, listed.errors
        repaired = await command("gaps", "repair", *begin, folder=tmp_path)
        assert repaired.code == 0, repaired.errors + repaired.output
        compared = await command("verify", *begin, *span, "--repair", "--json", folder=tmp_path)
        assert compared.code == 0, compared.errors + compared.output
        different = [one for series in json.loads(compared.output)["series"] for one in series["differences"]]
        assert [(one["column"], one["repaired"]) for one in different if one["problem"] == "value"] == [
            ("volume", True)
        ]

        again = await command("migrate", *begin, folder=tmp_path)
        assert "up to date" in again.output
        asked = await command("sql", *begin, "select current_user", folder=tmp_path)
        assert (asked.code, asked.output.split()[1:]) == (0, ["streamer"])
        looked = await command("doctor", *begin, "--json", folder=tmp_path)
        assert looked.code == 0, looked.output
        assert await admin.fetchval("select count(*) from kline_revisions") == 1
        assert await admin.fetchval("select count(*) from klines_1h") > 0
        assert await admin.fetch(STRANGERS) == []


async def test_streamer_read_reads_what_grafana_shows_and_changes_nothing(
    database: TestDatabase, tmp_path: Path
) -> None:
    """Every relation and every panel; no insert, update, delete, truncate, no table of its own, no way to the owner."""
    made = await command("migrate", "--database-url", database.url, folder=tmp_path)
    assert made.code == 0, made.errors
    async with connected(database.url) as admin:
        await set_passwords(admin)
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/streamer.json").read_text(encoding="utf-8"))
    panels = [t["rawSql"] for p in dashboard["panels"] for t in p.get("targets", []) if "rawSql" in t]
    assert panels
    async with connected(as_role(database, "streamer_read")) as reader:
        names = [row[0] for row in await reader.fetch(RELATIONS)]
        assert {"klines", "klines_1h", "klines_1d", "gaps", "completeness", "followed"} <= set(names)
        for statement in [*panels, *(f"select * from {name}" for name in names)]:  # noqa: S608 - names of ours
            await reader.fetch(statement)
        changes = [
            *(f"delete from {name}" for name in names if name != "completeness" and "klines_" not in name),  # noqa: S608
            "insert into breaks values ('okx', 1, 1, 'x', now())",
            "update gaps set status = 'repaired'",
            "truncate klines",
            "create table mine (a int)",
            "drop table gaps",
            "set role streamer_owner",
            "set role streamer",
            "alter role streamer_read superuser",
        ]
        for change in changes:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(change)


@pytest.mark.parametrize("database", [PLAIN, TIMESCALE], indirect=True)
async def test_verbs_that_only_look_work_as_streamer_read(database: TestDatabase, tmp_path: Path) -> None:
    """And one that would change something fails in one sentence."""
    await command("migrate", "--database-url", database.url, folder=tmp_path)
    async with connected(database.url) as admin:
        await set_passwords(admin)
    address = {"DATABASE_URL": as_role(database, "streamer_read")}
    for verb in (("sql", "select count(*) from klines"), ("gaps", "list"), ("doctor",), ("migrate",)):
        ended = await command(*verb, folder=tmp_path, environment=address)
        assert (ended.code, ended.errors) == (0, ""), verb
    async with connected(database.url) as admin:
        await admin.execute("delete from schema_migrations where number = 2")
    refused = await command("migrate", folder=tmp_path, environment=address)
    assert refused.code == 1
    assert "permission denied" in refused.sentence
