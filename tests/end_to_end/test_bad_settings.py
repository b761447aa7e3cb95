"""What the user wrote wrongly is told in one sentence that names it, before anything is opened."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.process import command, left_in, service
from tests.end_to_end.world import simulating, write_settings
from tests.integration.servers import TestDatabase

BTC = {"binance": ["BTC-USDT"]}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("exchanges: {binnace: {symbols: [BTC-USDT]}}", ("binnace", "exchanges.binance")),
        ("htp: {port: 1}", ("htp", "http")),
        ("exchanges: {okx: {intervals: [2m]}}", ("okx", "'2m'", "3m")),
        ("exchanges: {okx: {urls: {spot: {ws: 'http://x'}}}}", ("okx.urls.spot.ws", "ws://", "http://x")),
        ("exchanges: {okx: {urls: {spot: {rest: 'http://x:99999'}}}}", ("okx.urls.spot.rest", "99999")),
        ("database_url: 'mysql://me:secret@x/y'", ("database_url", "postgresql://")),
        ("database_url: 'postgresql://me:secret@x:y/z'", ("database_url",)),
        ("exchanges: {okx: null}", ("exchanges.okx",)),
        ("exchanges: [", ("settings.yaml", "YAML")),
        ("clock_rate: 10", ("clock_rate",)),
        ("buffer_candles: 1", ("buffer_candles", "1000")),
    ],
)
async def test_a_wrong_file_is_told(tmp_path: Path, file: str, words: tuple[str, ...]) -> None:
    """Exit 2, the key and the nearest right one, no password, and no folder is made."""
    config = tmp_path / "settings.yaml"
    config.write_text(file)
    ended = await command("run", "--config", config, folder=tmp_path)
    assert ended.code == 2
    assert [word for word in words if word not in ended.sentence] == []
    assert "secret" not in ended.errors
    assert left_in(tmp_path) == ["settings.yaml"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STREAMER_HTTP__PROT": "1"}, ("STREAMER_HTTP__PROT", "STREAMER_HTTP__PORT")),
        ({"STREAMER_EXCHANGES__OKXX__SYMBOLS": "BTC-USDT"}, ("OKXX", "STREAMER_EXCHANGES__OKX__SYMBOLS")),
        ({"STREAMER_HTTP__PORT": "many"}, ("http.port", "'many'")),
        ({"DATABASE_URL": "localhost"}, ("database_url", "postgresql://")),
    ],
)
async def test_a_wrong_variable_is_told(tmp_path: Path, environment: Mapping[str, str], words: tuple[str, ...]) -> None:
    """Exit 2, naming it and the nearest right one."""
    ended = await command("run", folder=tmp_path, environment=environment)
    assert ended.code == 2
    assert [word for word in words if word not in ended.sentence] == []
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnu",), ("'rnu'", "'run'")),
        (("run", "--prot", "1"), ("'--prot'", "'--port'")),
        (("run", "--config", "nowhere.yaml"), ("nowhere.yaml",)),
        (("run", "--log-level", "loud"), ("'loud'", "warning")),
        (("run", "extra"), ("extra",)),
    ],
)
async def test_a_wrong_argument_is_told(tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Exit 2 and what was meant, in the last line."""
    ended = await command(*arguments, folder=tmp_path)
    assert ended.code == 2
    assert [word for word in words if word not in ended.errors.splitlines()[-1]] == []
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("symbols", "interval", "words"),
    [
        (["BTC-USDT", "BTC-USTD"], "1m", ("binance", "'BTC-USTD'", "BTC-USDT")),
        (["BTCUSDT"], "1m", ("'BTCUSDT'", "BTC-USDT")),
        (["*-NOTHING"], "1m", ("'*-NOTHING'", "pattern")),
        (["BTC-USDT-PERP"], "1s", ("1s", "BTC-USDT-PERP", "1m")),
    ],
)
async def test_a_wrong_symbol_is_told(
    tmp_path: Path, symbols: list[str], interval: str, words: tuple[str, ...]
) -> None:
    """Once the exchange's list is read: exit 2, naming it and the nearest; no database was made."""
    async with simulating() as simulator:
        config = write_settings(tmp_path, simulator.urls, {"binance": symbols}, intervals=(interval,))
        ended = await command("run", "--config", config, folder=tmp_path)
    assert ended.code == 2
    sentence = ended.errors.splitlines()[-1]
    assert sentence.startswith("streamer: ")
    assert [word for word in words if word not in sentence] == []
    assert "Traceback" not in ended.errors
    assert left_in(tmp_path) == ["settings.yaml"]


async def test_a_taken_port_and_an_unwritable_folder_are_told(tmp_path: Path) -> None:
    """Exit 1, naming the port or the path."""
    (tmp_path / "file").touch()
    async with simulating() as simulator:
        config = write_settings(tmp_path, simulator.urls, BTC)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            busy, unwritable = await asyncio.gather(
                command("run", "--config", config, "--port", str(port), folder=tmp_path),
                command("run", "--config", config, "--data-dir", "file/data", folder=tmp_path),
            )
    assert (busy.code, unwritable.code) == (1, 1)
    assert str(port) in busy.errors.splitlines()[-1]
    assert str(tmp_path / "file" / "data") in unwritable.errors.splitlines()[-1]
    assert "Traceback" not in busy.errors + unwritable.errors
    assert left_in(tmp_path) == ["file", "settings.yaml"]


async def test_nobody_works_with_a_schema_that_is_behind(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Where only ``streamer migrate`` may change the schema, all else says so and ends with 1; nothing is written."""
    async with simulating() as simulator:
        config = write_settings(tmp_path, simulator.urls, BTC, database_url=plain_database.url)
        given = ("--config", config)
        assert (await command("migrate", *given, folder=tmp_path)).code == 0
        await execute(
            plain_database.url,
            "delete from schema_migrations where number = (select max(number) from schema_migrations)",
        )
        for verb in (("run",), ("backfill", "--latest", "5"), ("gaps", "list"), ("query", "BTC-USDT")):
            ended = await command(*verb, *given, folder=tmp_path, environment={"STREAMER_MIGRATE": "false"})
            assert ended.code == 1, verb
            assert "run `streamer migrate`" in ended.errors.splitlines()[-1], verb
    connection = await asyncpg.connect(plain_database.url)
    assert await connection.fetchval("select count(*) from klines") == 0
    await connection.close()


async def test_invented_and_real_candles_never_share_a_table(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A simulator needs a flag; its database is refused to ``run`` without; one with real rows is refused to it."""
    async with simulating() as simulator, simulating(rate=1.0, host=an_address()) as elsewhere:
        config = write_settings(tmp_path, simulator.urls, BTC, database_url=plain_database.url, allow_simulated=False)
        refused = await command("run", "--config", config, folder=tmp_path)
        assert refused.code == 2
        assert "--allow-simulated" in refused.sentence

        as_real = write_settings(
            tmp_path, elsewhere.urls, BTC, database_url=plain_database.url, allow_simulated=False, rate=1.0
        ).rename(tmp_path / "real.yaml")
        as_simulated = write_settings(tmp_path, simulator.urls, BTC, database_url=plain_database.url)

        assert (await command("migrate", "--config", as_simulated, folder=tmp_path)).code == 0
        await execute(plain_database.url, REAL_ROW)
        beside_real = await command("run", "--config", as_simulated, folder=tmp_path)
        assert beside_real.code == 2
        assert "not from a simulator" in beside_real.errors.splitlines()[-1]

        await execute(plain_database.url, "delete from klines")
        async with service("run", "--config", as_simulated, folder=tmp_path) as running:
            await running.ready()
            assert await running.stopped() == 0
        beside_invented = await command("run", "--config", as_real, folder=tmp_path)
        assert beside_invented.code == 2
        assert "invented" in beside_invented.errors.splitlines()[-1]


def an_address() -> str:
    """An address of this machine that is not loopback's, so that a simulator there passes for a real exchange."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        address: str = probe.getsockname()[0]
        return address


REAL_ROW = """
insert into klines (exchange, symbol, interval, open_time, open, high, low, close, volume, source, received_at)
values ('binance', 'BTC-USDT', '1m', '2026-01-01Z', 1, 1, 1, 1, 1, 'ws', '2026-01-01Z')
"""


async def execute(url: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
