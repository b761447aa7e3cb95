"""``streamer query`` gives out what is stored, in every format, and refuses what it cannot do in one sentence."""

import asyncio
import csv
import io
import json
import os
import pty
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streamer.domain.candle import Source
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.migrate import MigrationOptions, migrate
from tests.end_to_end.process import Finished, clean_environment, command, left_in
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import HOUR, MINUTE, START, OpenStore, delivery, open_store, run_of

SERIES = Series("binance", "BTC-USDT", Interval.M1)
UNTIL = "2026-01-05T02:00"


@pytest.fixture
async def store(plain_database: TestDatabase) -> AsyncIterator[OpenStore]:
    """Two hours of BTC-USDT without some minutes, of which one is unknown; a minute of ETH-USDT, and 5m of it."""
    async with open_store(plain_database) as store:
        missing = {10, 11, 12, 20, 30, 31}
        whole = run_of("BTC-USDT", START, START + 2 * HOUR, quote_volume=1.5, trades=3)
        await store.writer.write([one for minute, one in enumerate(whole) if minute not in missing])
        await store.writer.write([delivery("ETH-USDT"), delivery("ETH-USDT", interval=Interval.M5)])
        ledger = DatabaseLedger(store.pool)
        await ledger.follow("binance", {SERIES: START, SERIES._replace(symbol="ETH-USDT"): START}, START)
        await ledger.advance({SERIES: START + 2 * HOUR + 3 * MINUTE})
        for first, last, status in ((10, 12, GapStatus.ABSENT), (20, 20, GapStatus.OPEN), (30, 31, GapStatus.ABSENT)):
            run = Run(SERIES, START + first * MINUTE, START + last * MINUTE)
            await ledger.record(run, [Finding(run, status, GapCause.BREAK)], START + 3 * HOUR)
        while (await store.rollups.refresh_due(START + timedelta(days=2))).waiting:
            pass
        yield store


class Asking:
    """Runs the verb on one database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self._environment = {"DATABASE_URL": url}

    async def __call__(self, *arguments: str) -> Finished:
        """How ``streamer query`` with these arguments ended."""
        return await command("query", *arguments, folder=self.folder, environment=self._environment)

    async def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """The rows that it gave."""
        ended = await self(*arguments, "--format", "jsonl")
        assert (ended.code, ended.errors) == (0, ""), ended
        return [json.loads(line) for line in ended.output.splitlines()]


@pytest.fixture
def ask(store: OpenStore, plain_database: TestDatabase, tmp_path: Path) -> Asking:
    """The verb on the database with candles."""
    assert store.connection.is_closed() is False
    return Asking(plain_database.url, tmp_path)


async def test_candles_come_by_series_and_time(ask: Asking) -> None:
    """Ranges, the newest, a limit and patterns each give their part; a rollup stands in where there is no own hour."""
    everything = await ask.objects()
    assert [one["symbol"] for one in everything] == ["BTC-USDT"] * 114 + ["ETH-USDT"]
    assert [one["open_time"] for one in everything[:2]] == ["2026-01-05T00:00:00Z", "2026-01-05T00:01:00Z"]
    newest = await ask.objects(
        "*-USDT", "--latest", "2", "--until", "2026-01-05T00:14:00", "--columns", "symbol,open_time"
    )
    assert [(one["symbol"], one["open_time"][11:16]) for one in newest] == [
        ("BTC-USDT", "00:09"), ("BTC-USDT", "00:13"), ("ETH-USDT", "00:00"),
    ]  # fmt: skip
    assert len(await ask.objects("--symbols", "BTC-USDT,ETH-USDT", "--limit", "7", "--since", "2026-01-05")) == 7
    hours = await ask.objects("btc-usdt", "--interval", "1h", "--columns", "interval,candles,complete,source")
    assert hours == [
        {"interval": "1h", "candles": 54, "complete": False, "source": None},
        {"interval": "1h", "candles": 60, "complete": True, "source": None},
    ]
    assert len(await ask.objects("*", "--interval", "5m")) == 1
    assert await ask.objects("BTC-USDT", "--since", "2027-01-01") == []


async def test_what_is_known_to_be_empty_is_filled(ask: Asking) -> None:
    """Flat candles are marked; the open gap stays a hole; the mark reaches past the last candle; nothing is stored."""
    rows = await ask.objects(
        "BTC-USDT", "--fill", "--columns", "open_time,open,close,volume,quote_volume,trades,source"
    )
    times = [one["open_time"][11:16] for one in rows]
    assert len(rows) == 114 + 5 + 3
    assert "00:20" not in times
    assert times[-3:] == ["02:00", "02:01", "02:02"]
    assert [one["filled"] for one in rows[9:14]] == [False, True, True, True, False]
    assert rows[10] | {"open_time": ""} == {
        "open_time": "", "open": 1.5, "close": 1.5, "volume": 0.0, "quote_volume": 0.0, "trades": 0, "source": None,
        "filled": True,
    }  # fmt: skip
    part = await ask.objects("BTC-USDT", "--fill", "--since", "2026-01-05T00:11", "--until", "2026-01-05T00:14")
    assert [(one["open_time"][11:16], one["filled"]) for one in part] == [
        ("00:11", True), ("00:12", True), ("00:13", False),
    ]  # fmt: skip
    assert len(await ask.objects("BTC-USDT")) == 114


async def test_an_hour_is_filled_when_all_of_it_is_known_to_be_empty(ask: Asking, store: OpenStore) -> None:
    """Not while its minutes are stored and only the rollup is behind."""
    await store.writer.write([delivery(open_time=START + 5 * HOUR)])
    while (await store.rollups.refresh_due(START + timedelta(days=2))).waiting:
        pass
    await DatabaseLedger(store.pool).advance({SERIES: START + 7 * HOUR})
    columns = ("--columns", "open_time,close,candles,complete")
    rows = await ask.objects("BTC-USDT", "--interval", "1h", "--fill", *columns)
    assert [(one["open_time"][11:13], one["candles"], one["filled"]) for one in rows] == [
        ("00", 54, False), ("01", 60, False), ("02", 0, True), ("03", 0, True), ("04", 0, True), ("05", 1, False),
        ("06", 0, True),
    ]  # fmt: skip
    assert rows[2] | {"open_time": ""} == {
        "open_time": "",
        "close": 1.5,
        "candles": 0,
        "complete": False,
        "filled": True,
    }
    await store.writer.write([delivery(open_time=START + 3 * HOUR, source=Source.REST)])
    behind = await ask.objects("BTC-USDT", "--interval", "1h", "--fill", *columns)
    assert [one["open_time"][11:13] for one in behind] == ["00", "01", "05", "06"]


async def test_each_format_holds_the_same(ask: Asking) -> None:
    """On standard output and in a file whose name says which; a file's rows are counted on standard error."""
    arguments = ("BTC-USDT", "--until", UNTIL, "--columns", "open_time,close")
    table, text, written = (
        await ask(*arguments),
        await ask(*arguments, "--format", "csv"),
        await ask(*arguments, "-o", "a.csv"),
    )
    assert (table.code, text.code, written.code) == (0, 0, 0)
    assert len(table.output.splitlines()) == 115
    assert len(list(csv.DictReader(io.StringIO(text.output)))) == 114
    assert (written.output, written.sentence) == ("", "114 candles written to a.csv")
    assert (ask.folder / "a.csv").read_text() == text.output
    assert left_in(ask.folder) == ["a.csv"]
    cut = await ask("BTC-USDT", "--limit", "3")
    assert (len(cut.output.splitlines()), "first 3 rows" in cut.sentence) == (4, True)
    for since in ("2030-01-01", "9999-12-31T23:59:59"):
        assert (await ask("BTC-USDT", "--since", since)).sentence == "no candles in this range"


async def test_ranges_at_the_end_of_time_are_empty(ask: Asking) -> None:
    """No calendar goes on behind it, where the next candle would open."""
    for arguments in (
        ("--since", "9999-12-31T23:59:59.5"),
        ("--since", "9999-12-31T23:59:59.5", "--fill"),
        ("--since", "9999-12-31T12:00:00", "--interval", "1h"),
        ("--since", "9999-12-31T12:00:00", "--interval", "1d", "--fill"),
        ("--since", "9999-12-30", "--until", "9999-12-31T23:59:59.999999", "--interval", "1d", "--fill"),
    ):
        ended = await ask("BTC-USDT", *arguments)
        assert (ended.code, ended.sentence) == (0, "no candles in this range"), arguments
    until = await ask.objects("BTC-USDT", "--until", "9999-12-31T23:59:59.999999", "--fill", "--interval", "1h")
    assert len(until) == 2


async def test_parquet_and_arrow_hold_the_same(ask: Asking) -> None:
    """As files, where pyarrow is installed."""
    pyarrow, parquet, asking = _with_arrow(ask)
    for name in ("a.parquet", "a.arrow"):
        ended = await asking("BTC-USDT", "--output", name)
        assert (ended.code, ended.sentence) == (0, f"114 candles written to {name}")
    stored = parquet.read_table(ask.folder / "a.parquet")
    assert stored.equals(pyarrow.ipc.open_file(str(ask.folder / "a.arrow")).read_all())
    assert stored["open_time"].cast("int64")[0].as_py() == int(START.timestamp()) * 1_000_000


async def test_weeks_come_in_each_format(ask: Asking, store: OpenStore) -> None:
    """As soon as a rollup of them is kept; they begin on Monday."""
    refused = await ask("--interval", "1w")
    assert (refused.code, "no 1w candles are stored" in refused.sentence) == (2, True)
    await migrate(store.pool, MigrationOptions(rollups=[Rollup.W1]))
    arguments = ("BTC-USDT", "--interval", "1w", "--fill", "--columns", "interval,open_time,candles")
    [week] = await ask.objects(*arguments)
    assert week == {"interval": "1w", "open_time": "2026-01-05T00:00:00Z", "candles": 114, "filled": False}
    [row] = csv.DictReader(io.StringIO((await ask(*arguments, "--format", "csv")).output))
    assert row == {"interval": "1w", "open_time": "2026-01-05T00:00:00Z", "candles": "114", "filled": "false"}
    assert (await ask(*arguments)).output.splitlines()[1].split()[:2] == ["1w", "2026-01-05"]
    pyarrow, parquet, asking = _with_arrow(ask)
    for name in ("a.parquet", "a.arrow"):
        assert (await asking(*arguments, "--output", name)).sentence == f"1 candles written to {name}"
    stored = parquet.read_table(ask.folder / "a.parquet")
    assert stored.equals(pyarrow.ipc.open_file(str(ask.folder / "a.arrow")).read_all())
    assert (stored["interval"][0].as_py(), stored["candles"][0].as_py()) == ("1w", 114)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["BTC-USTD"], "no 1m candles are stored of 'BTC-USTD'; the nearest is BTC-USDT"),
        (["BTC-USDT", "--interval", "4h"], "no 4h candles are stored of 'BTC-USDT'"),
        (["--columns", "open,clos"], "there is no column 'clos'; the nearest is close"),
        (["--columns", "open,open"], "asked for twice"),
        (["--columns", "filled"], "goes with --fill"),
        (["--latest", "5", "--since", "2026-01-01"], "--latest"),
        (["--since", "yesterday"], "no ISO date"),
        (["--output", "a.xlsx"], "give --format, or an --output that ends in .arrow, .csv"),
        (["--output", "no/a.csv"], "no/a.csv cannot be written"),
    ],
)
async def test_a_mistake_is_told_in_a_sentence(ask: Asking, arguments: list[str], said: str) -> None:
    """With exit code 2, and nothing on standard output."""
    ended = await ask(*arguments)
    assert (ended.code, ended.output) == (2, "")
    assert said in ended.sentence
    assert left_in(ask.folder) == []


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "99999999999999999999"])
async def test_a_wrong_number_is_refused(ask: Asking, number: str) -> None:
    """Before anything is asked, also one that the database could not count to."""
    ended = await ask("BTC-USDT", "--latest", number)
    assert (ended.code, ended.output) == (2, "")
    assert f"Invalid value for '--latest': {number} is not in the range" in ended.errors


async def test_a_full_disk_is_told_in_a_sentence(ask: Asking) -> None:
    """With exit code 1, in a file and on standard output."""
    ended = await ask("BTC-USDT", "--format", "csv", "--output", "/dev/full")
    assert (ended.code, ended.sentence) == (1, "streamer: /dev/full cannot be written: No space left on device")
    full = os.open("/dev/full", os.O_WRONLY)
    assert await _ended(ask, full) == (1, b"streamer: standard output cannot be written: No space left on device\n")


async def test_a_reader_that_has_enough_ends_it(ask: Asking) -> None:
    """Silently, as for the other verbs."""
    read, write = os.pipe()
    os.close(read)
    assert await _ended(ask, write) == (1, b"")


async def _ended(ask: Asking, output: int) -> tuple[int | None, bytes]:
    """Exit code and standard error of the verb whose standard output is this, which is closed then."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamer", "query", "BTC-USDT", "--format", "csv",
        cwd=ask.folder, env=clean_environment(ask._environment), stdout=output, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(output)
    _, errors = await process.communicate()
    return process.returncode, errors


def _with_arrow(ask: Asking) -> tuple[Any, Any, Asking]:
    """The package, its parquet, and the verb with it at hand; skips where it is not installed."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow (the extra arrow) is not installed")
    path = os.pathsep.join(filter(None, [clean_environment()["PYTHONPATH"], str(Path(pyarrow.__file__).parents[1])]))
    asking = Asking(ask._environment["DATABASE_URL"], ask.folder)
    asking._environment["PYTHONPATH"] = path
    return pyarrow, pytest.importorskip("pyarrow.parquet"), asking


async def test_without_pyarrow_the_cure_is_said(ask: Asking) -> None:
    """Exit code 2; the module is hidden by one that cannot be found."""
    hidden = ask.folder / "hidden"
    hidden.mkdir()
    (hidden / "pyarrow.py").write_text("raise ModuleNotFoundError(name='pyarrow')\n")
    asking = Asking(ask._environment["DATABASE_URL"], ask.folder)
    asking._environment["PYTHONPATH"] = os.pathsep.join([str(hidden), clean_environment()["PYTHONPATH"]])
    ended = await asking("BTC-USDT", "--format", "parquet", "--output", "a.parquet")
    assert (ended.code, ended.sentence) == (
        2, "streamer: parquet and arrow need pyarrow: pip install 'streamer[arrow]', or choose csv or jsonl",
    )  # fmt: skip


def test_bytes_are_not_for_a_terminal() -> None:
    """A terminal is refused before anything is asked."""
    read, write = pty.openpty()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "streamer", "query", "--format", "arrow"],
        clean_environment(),
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)],
    )
    os.close(write)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert b"arrow is not for a terminal: give --output" in os.read(read, 10_000)
    os.close(read)
