"""The verbs that look, ask and prepare: what they print, and with what code they end."""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg
import pytest

from streamer import __version__
from streamer.settings.load import load_settings
from tests.end_to_end.process import clean_environment, command, left_in, service, until
from tests.end_to_end.world import simulating, write_settings
from tests.integration.page import blocks
from tests.integration.servers import TestDatabase, data_folder
from tests.paths import ROOT

VERBS = ("run", "demo", "simulate", "migrate", "symbols", "query", "sql", "doctor", "version")
SYMBOLS = {"binance": ["BTC-USDT"], "bybit": ["BTC-USDT"], "okx": ["BTC-USDT"]}


async def test_every_verb_explains_itself(tmp_path: Path) -> None:
    """``--help`` names the verb, exits with 0, and opens nothing; the whole names every verb."""
    whole, number, *helps = await asyncio.gather(
        command("--help", folder=tmp_path),
        command("version", folder=tmp_path),
        *(command(verb, "--help", folder=tmp_path) for verb in VERBS),
    )
    assert (whole.code, whole.errors) == (0, "")
    assert [verb for verb in VERBS if f"\n  {verb} " not in whole.output] == []
    assert (number.code, number.output) == (0, f"{__version__}\n")
    for verb, shown in zip(VERBS, helps, strict=True):
        assert (shown.code, shown.errors) == (0, "")
        assert shown.output.startswith(f"Usage: streamer {verb}")
    assert left_in(tmp_path) == []


async def test_symbols_are_listed_and_filtered(tmp_path: Path) -> None:
    """One line per instrument, or one JSON document; filters leave out what does not fit."""
    async with simulating() as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS)
        table, document, pattern, nothing = await asyncio.gather(
            command("symbols", "--config", config, folder=tmp_path),
            command("symbols", "--config", config, "--json", "--exchange", "okx", "--kind", "dated", folder=tmp_path),
            command("symbols", "--config", config, "--pattern", "*-USD-PERP", "--market", "inverse", folder=tmp_path),
            command("symbols", "--config", config, "--pattern", "NO*", "--json", folder=tmp_path),
        )
    assert {table.code, document.code, pattern.code, nothing.code} == {0}
    lines = [line.split() for line in table.output.splitlines()]
    assert lines[0][:3] == ["exchange", "symbol", "native"]
    assert ["binance", "1000PEPE-USDT-PERP", "linear:1000PEPEUSDT"] in [line[:3] for line in lines]
    found = json.loads(document.output)
    assert {(one["exchange"], one["kind"]) for one in found} == {("okx", "dated")}
    assert all(one["expiry_time"].endswith("Z") for one in found)
    assert all("-USD-PERP" in line for line in pattern.output.splitlines()[1:])
    assert "BTC-USD-PERP" in pattern.output
    assert json.loads(nothing.output) == []


async def test_spellings_are_explained(tmp_path: Path) -> None:
    """Our form, the native one, ccxt's and patterns are resolved; a name that means nothing is exit 1 and a hint."""
    async with simulating() as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS)
        arguments = ("BTC-USDT", "linear:ETHUSDT", "BTC/USDT:USDT", "*-USD-PERP")
        known, unknown, wrong_filter = await asyncio.gather(
            command("symbols", "--config", config, "--exchange", "binance", "--json", *arguments, folder=tmp_path),
            command("symbols", "--config", config, "--exchange", "okx", "BTC-USTD", folder=tmp_path),
            command("symbols", "--config", config, "--exchange", "okxx", folder=tmp_path),
        )
    assert known.code == 0
    read = {one["spelling"]: [row["symbol"] for row in one["rows"]] for one in json.loads(known.output)}
    assert read["BTC-USDT"] == ["BTC-USDT"]
    assert read["linear:ETHUSDT"] == ["ETH-USDT-PERP"]
    assert read["BTC/USDT:USDT"] == ["BTC-USDT-PERP"]
    assert {"BTC-USD-PERP", "ETH-USD-PERP"} <= set(read["*-USD-PERP"])
    assert unknown.code == 1
    assert "'BTC-USTD'" in unknown.output
    assert "BTC-USDT" in unknown.output.replace("BTC-USTD", "")
    assert wrong_filter.code == 2


async def test_an_exchange_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """``symbols`` ends with 1 and one sentence that names the exchange's host."""
    urls = {
        market: {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"} for market in ("spot", "linear", "inverse")
    }
    config = write_settings(tmp_path, {"okx": urls}, {"okx": ["BTC-USDT"]}, rate=20.0)
    ended = await command("symbols", "--config", config, folder=tmp_path)
    assert ended.code == 1
    assert "127.0.0.1:1" in ended.sentence


async def test_a_database_is_migrated_once(database: TestDatabase, tmp_path: Path) -> None:
    """The first run applies everything and names it, the second does nothing; both say what kind it is."""
    address = {"DATABASE_URL": database.url}
    first = await command("migrate", folder=tmp_path, environment=address)
    second = await command("migrate", folder=tmp_path, environment=address)
    assert (first.code, second.code) == (0, 0)
    assert "applied 0001" in first.output
    assert "applied" not in second.output
    kind = "timescaledb" if database.timescale else "postgresql"
    assert second.output.startswith(f"{kind} database, PostgreSQL {database.version}.")
    assert "up to date" in second.output
    assert left_in(tmp_path) == []


async def test_one_statement_is_answered(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A table for people, JSON for scripts, from an argument or standard input; what is cut off is said."""
    address = {"DATABASE_URL": plain_database.url}
    assert (await command("migrate", folder=tmp_path, environment=address)).code == 0
    statement = "select generate_series(1, 3) as number, timestamptz '2026-01-02 03:04Z' as moment, null as nothing"
    table, document, cut, read = await asyncio.gather(
        command("sql", statement, folder=tmp_path, environment=address),
        command("sql", "--json", statement + ";", folder=tmp_path, environment=address),
        command("sql", "--rows", "2", statement, folder=tmp_path, environment=address),
        command("sql", "-", folder=tmp_path, environment=address, said="select 7 as seven\n"),
    )
    assert {table.code, document.code, cut.code, read.code} == {0}
    assert [line.split() for line in table.output.splitlines()] == [
        ["number", "moment", "nothing"],
        *([str(number), "2026-01-02", "03:04:00Z"] for number in (1, 2, 3)),
    ]
    assert json.loads(document.output)[2] == {"number": 3, "moment": "2026-01-02T03:04:00Z", "nothing": None}
    assert len(cut.output.splitlines()) == 3
    assert "first 2 rows" in cut.sentence
    assert [line.strip() for line in read.output.splitlines()] == ["seven", "7"]


async def test_a_statement_may_begin_with_a_comment(plain_database: TestDatabase, tmp_path: Path) -> None:
    """As every example does, with options on either side; the page's command works as printed."""
    address = {"DATABASE_URL": plain_database.url}
    assert (await command("migrate", folder=tmp_path, environment=address)).code == 0
    [printed] = blocks("SQL", "sh", "query.md")
    program = tmp_path / "streamer"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m streamer \"$@\"\n")
    program.chmod(0o755)
    environment = clean_environment(address)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-e", "-c", printed, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment | {"PATH": f"{tmp_path}:{environment['PATH']}"},
    )  # fmt: skip
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert output.split()[:3] == [b"exchange", b"symbol", b"interval"]
    for arguments in (("-- seven\nselect 7 as x", "--json"), ("--rows", "1", "--json", "--seven\nselect 7 as x")):
        ended = await command("sql", *arguments, folder=tmp_path, environment=address)
        assert (ended.code, json.loads(ended.output)) == (0, [{"x": 7}]), ended
    for wrong in ("--rowz", "--rowz=5"):
        ended = await command("sql", wrong, "select 1", folder=tmp_path, environment=address)
        assert (ended.code, "No such option" in ended.errors) == (2, True), ended


async def test_a_statement_only_reads(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Writing, several statements and nonsense end with 1 and one sentence; nothing is changed."""
    address = {"DATABASE_URL": plain_database.url}
    assert (await command("migrate", folder=tmp_path, environment=address)).code == 0
    insert = "insert into klines (exchange) values ('x')"
    statements = {
        insert: "INSERT",
        f"commit; {insert}": "statement",
        "select 1; select 2": "statement",
        "drop table klines": "refused",
        "create table mine (x int)": "CREATE",
        "select from where": "syntax error",
        "select nosuch from klines": "nosuch",
        "": "no statement",
    }
    ended = await asyncio.gather(
        *(command("sql", statement, folder=tmp_path, environment=address) for statement in statements)
    )
    for (statement, word), one in zip(statements.items(), ended, strict=True):
        assert one.code == 1, (statement, one)
        assert word in one.sentence, statement
        assert one.output == ""
    connection = await asyncpg.connect(plain_database.url)
    assert await connection.fetchval("select count(*) from klines") == 0
    await connection.close()


@pytest.mark.parametrize("verb", [("sql", "select 1"), ("gaps", "list"), ("gaps", "repair"), ("verify", "BTC-USDT")])
async def test_looking_makes_no_database(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """A folder that was mistyped is named, and is not made."""
    ended = await command(*verb, "--data-dir", "typo", folder=tmp_path)
    assert ended.code == 1
    assert "there is no database in typo: " in ended.sentence
    assert left_in(tmp_path) == []


async def test_a_statement_that_is_no_text_is_told(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Bytes from the command line or the standard input that are no UTF-8: exit 1 and a sentence."""
    arguments = (sys.executable, "-m", "streamer", "sql")
    environment = clean_environment({"DATABASE_URL": plain_database.url})
    for statement, said in ((b"select '\xff'", b""), (b"-", b"select '\xff'")):
        process = await asyncio.create_subprocess_exec(
            *arguments,
            statement,
            cwd=tmp_path,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate(said)
        assert process.returncode == 1
        assert errors == b"streamer: the statement is not valid UTF-8\n"


@pytest.mark.parametrize("rows", ["0", "-1", "x", "9999999999"])
async def test_a_wrong_number_of_rows_is_refused(tmp_path: Path, rows: str) -> None:
    """Before anything is opened."""
    ended = await command("sql", "--rows", rows, "select 1", folder=tmp_path)
    assert ended.code == 2
    assert "--rows" in ended.errors
    assert left_in(tmp_path) == []


async def test_commands_work_beside_a_service_with_the_embedded_database(tmp_path: Path) -> None:
    """``sql`` and ``migrate`` use the server that the service runs; a second service is refused, naming the folder."""
    async with simulating() as simulator:
        with data_folder() as folder:
            config = write_settings(tmp_path, simulator.urls, SYMBOLS, data_dir=str(folder))
            async with service("run", "--config", config, folder=tmp_path) as running:
                await running.ready()
                await until(lambda: counted(config, tmp_path), "the first candles are there")
                migrated, other = await asyncio.gather(
                    command("migrate", "--config", config, folder=tmp_path),
                    command("run", "--config", config, folder=tmp_path),
                )
                assert migrated.code == 0
                assert other.code == 1
                assert str(folder) in other.errors.splitlines()[-1]
                assert await running.reasons() == []
                assert await running.stopped() == 0
            after = await command("sql", "--config", config, "--json", "select count(*) from klines", folder=tmp_path)
            assert json.loads(after.output)[0]["count"] >= 3


async def counted(config: Path, folder: Path) -> bool:
    """Whether ``sql`` finds a candle of each exchange."""
    ended = await command("sql", "--config", config, "--json", "select distinct exchange from klines", folder=folder)
    return ended.code == 0 and len(json.loads(ended.output)) == 3


async def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """``streamer symbols | head -1`` says nothing on standard error."""
    async with simulating(symbols=400) as simulator:
        config = write_settings(tmp_path, simulator.urls, SYMBOLS)
        process = await asyncio.create_subprocess_shell(
            f"'{sys.executable}' -m streamer symbols --config '{config}' | head -1",
            cwd=tmp_path,
            env=clean_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    assert output.split()[:2] == [b"exchange", b"symbol"]
    assert errors == b""


async def test_a_reader_of_the_demo_may_go_away(tmp_path: Path) -> None:
    """``streamer demo | head -1`` ends without a word."""
    with data_folder() as data:
        process = await asyncio.create_subprocess_shell(
            f"'{sys.executable}' -m streamer demo --port 0 --data-dir '{data}' | head -1",
            cwd=tmp_path,
            env=clean_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    assert output.startswith(b"streamer demo")
    assert errors == b""


async def test_a_simulator_is_run_from_the_command_line(tmp_path: Path) -> None:
    """It writes a settings file that ``symbols`` reads, and ends with 0 when asked to."""
    file = tmp_path / "simulated.yaml"
    arguments = ("--ws-port", "0", "--rest-port", "0", "--clock-rate", "30", "--settings", file)
    async with service("simulate", *arguments, folder=tmp_path) as simulator:
        await until(lambda: simulator.output, "it says where the settings are")
        assert str(file) in simulator.output[0]
        assert load_settings(file).archive_base("binance") is not None
        listed = await command("symbols", "--config", file, "--json", "--exchange", "bybit", folder=tmp_path)
        assert len(json.loads(listed.output)) > 10
        assert await simulator.stopped() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--settings", "nowhere/at/all.yaml"), 1, "nowhere/at/all.yaml"),
        (("--faults", "nowhere.json"), 2, "nowhere.json"),
        (("--replay", "nowhere.jsonl"), 2, "'nowhere.jsonl' does not exist"),
        (("--clock-rate", "0"), 2, "--clock-rate"),
        (("--history-days", "-1"), 2, "--history-days"),
        (("--rest-port", "99999"), 2, "--rest-port"),
        (("--latency-s", "-1"), 2, "--latency-s"),
        (("--latency-s", "nan"), 2, "--latency-s"),
        (("--clock-rate", "nan"), 2, "--clock-rate"),
        (("--clock-rate", "inf"), 2, "--clock-rate"),
        (("--clock-offset-s", "nan"), 2, "--clock-offset-s"),
        (("--clock-offset-s", "1e300"), 2, "--clock-offset-s"),
        (("--frames-per-s", "nan"), 2, "--frames-per-s"),
        (("--symbols", "20001"), 2, "--symbols"),
    ],
)
async def test_a_wrong_argument_of_the_simulator_is_told(
    tmp_path: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    """In one sentence with the argument in it."""
    ended = await command("simulate", "--ws-port", "0", *arguments, folder=tmp_path)
    assert ended.code == code
    assert word in ended.errors
    assert "Traceback" not in ended.errors
