"""Real recorded sessions, played to the real process: the rows are the recording's closed candles and nothing else.

The frames are read here once more, by plain ``json`` and the exchanges' documents, so that a misreading shows.
"""

import json
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from tests.end_to_end.process import service, until
from tests.end_to_end.world import rows, simulating, write_settings
from tests.integration.servers import TestDatabase
from tests.paths import recordings

RATE = 20.0
SESSIONS = (
    "binance_coinm_2021-07-22",
    "binance_spot_2021-08-14",
    "binance_tr_spot_2023-04-10",
    "binance_us_spot_2021-10-12",
    "binance_usdm_2021-07-22",
    "okcoin_v5_spot_2023-05-27",
)
_SPELLED = "select exchange, symbol, native_symbol from instruments"


class Spoken(NamedTuple):
    """A candle as the recording has it; ``figures`` are in the order of the columns of ``klines``."""

    native: str
    open_ms: int
    closed: bool
    figures: tuple[float | None, ...]


def session_of(name: str) -> tuple[list[Spoken], float]:
    """The candles of a recording, and the Unix seconds of its last frame."""
    folder = recordings()
    if folder is None:
        pytest.skip("the folder of recordings is absent; STREAMER_TEST_DATA may name it")
    path = folder / "frames" / "sessions" / f"{name}.jsonl"
    read = spoken_okx if name.startswith("okcoin") else spoken_binance
    candles = [candle for line in path.read_text().splitlines() for candle in read(json.loads(line))]
    return candles, float(path.with_suffix(".recv").read_text().split()[-1])


def spoken_binance(frame: dict[str, object]) -> list[Spoken]:
    """Spot and USD-margined: base volume, then quote. COIN-M: contracts, then base; its recording has none closed."""
    data = frame.get("data")
    if not isinstance(data, dict) or data.get("e") != "kline":
        return []
    k = data["k"]
    figures = (*(float(k[key]) for key in "ohlcvq"), k["n"], float(k["V"]), float(k["Q"]))
    return [Spoken(k["s"], k["t"], k["x"], figures)]


def spoken_okx(frame: dict[str, object]) -> list[Spoken]:
    """Spot: base volume sixth, quote volume eighth, the closing flag ninth."""
    argument = frame.get("arg")
    if not isinstance(argument, dict) or argument["channel"] != "candle1m":
        return []
    data = frame.get("data", [])
    assert isinstance(data, list)
    return [
        Spoken(
            argument["instId"],
            int(row[0]),
            row[8] == "1",
            (*map(float, row[1:6]), float(row[7]), None, None, None),
        )
        for row in data
    ]


@pytest.mark.parametrize("name", SESSIONS)
async def test_the_closed_candles_of_a_recording_become_rows(
    name: str, plain_database: TestDatabase, tmp_path: Path
) -> None:
    """Every closed one, figure for figure; a forming one never."""
    spoken, last_s = session_of(name)
    exchange = "okx" if name.startswith("okcoin") else "binance"
    market = {"binance_coinm": "inverse", "binance_usdm": "linear"}.get("_".join(name.split("_")[:2]), "spot")
    closed = {(one.native, one.open_ms): one.figures for one in spoken if one.closed}
    assert len(closed) == sum(one.closed for one in spoken)
    symbols = sorted({f"{market}:{one.native}" for one in spoken})
    assert any(not one.closed for one in spoken)
    path = (recordings() or Path()) / "frames" / "sessions" / f"{name}.jsonl"
    async with simulating(rate=RATE, replay=path) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, {exchange: symbols}, database_url=plain_database.url, rate=RATE
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            assert await running.metric("streamer_series_followed", exchange=exchange) == len(symbols)
            await until(lambda: simulator.now_ms() > 1_000 * (last_s + 5.0), "the recording is played to its end")
            assert await running.stopped() == 0
        assert running.log("connection_failed") == []
    connection = await asyncpg.connect(plain_database.url)
    native = {(record[0], record[1]): record[2] for record in await connection.fetch(_SPELLED)}
    await connection.close()
    stored = await rows(plain_database.url)
    assert {(native[row.exchange, row.symbol], row.open_ms): row.figures for row in stored} == closed
    assert {row.interval for row in stored} <= {"1m"}
