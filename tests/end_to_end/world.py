"""What surrounds the process in these tests: a simulator, its settings file, the rows, and the truth about them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import yaml

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import FastClock, SystemClock
from tests.end_to_end.process import until

RATE = 30.0  # a minute lasts two seconds
MINUTE_MS = 60_000
_BACK_MS = 3 * 60 * MINUTE_MS  # no test looks further back
_ROWS = """
select exchange, symbol, interval, (extract(epoch from open_time) * 1000)::bigint, open, high, low, close, volume,
       quote_volume, trades, taker_buy_volume, taker_buy_quote_volume, source
from klines
"""


Key = tuple[str, str, str, int]  # exchange, symbol, interval, open time in milliseconds


class Row(NamedTuple):
    """A stored candle; ``figures`` are all its numbers from open to taker_buy_quote_volume."""

    exchange: str
    symbol: str
    interval: str
    open_ms: int
    figures: tuple[float | None, ...]
    source: str

    @property
    def key(self) -> Key:
        """What identifies it."""
        return self.exchange, self.symbol, self.interval, self.open_ms


class Followed(NamedTuple):
    """A series as we spell it and as its exchange does."""

    exchange: str
    symbol: str
    market: Market
    native: str
    interval: Interval = Interval.M1


class Truth(NamedTuple):
    """What the simulator published of one candle."""

    figures: tuple[float | None, ...]
    sent_closed: bool


@asynccontextmanager
async def simulating(*faults: Fault, rate: float = RATE, **options: Any) -> AsyncIterator[Simulator]:
    """A running simulator, ``rate`` times as fast as the world, whose limits are those of the exchanges."""
    try:
        async with Simulator(SimulatorOptions(faults=faults, **options), FastClock(rate)) as simulator:
            yield simulator
    except ExceptionGroup as group:  # what fails in the block is shown as it is
        raise group.exceptions[0] from None


def write_settings(
    folder: Path,
    urls: Mapping[str, Mapping[str, Mapping[str, str]]],
    symbols: Mapping[str, Sequence[str]],
    *,
    database_url: str | None = None,
    rate: float = RATE,
    intervals: Sequence[str] = ("1m",),
    **more: Any,
) -> Path:
    """A settings file for ``run`` against these URLs."""
    exchanges = {
        name: {"urls": dict(urls[name]), "symbols": list(spellings), "intervals": list(intervals)}
        for name, spellings in symbols.items()
    }
    tree: dict[str, Any] = {
        "clock_rate": rate,
        "allow_simulated": True,
        "http": {"port": 0},
        "exchanges": exchanges,
        **({} if database_url is None else {"database_url": database_url}),
        **more,
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


async def rows(url: str) -> list[Row]:
    """Everything in ``klines``; nothing before the first migration."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        found = await connection.fetch(_ROWS)
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()
    return [
        Row(exchange, symbol, interval, open_ms, tuple(figures), source)
        for exchange, symbol, interval, open_ms, *figures, source in map(tuple, found)
    ]


def minute_s(after_s: float) -> float:
    """When to do harm: so many seconds after now at the earliest, and half a minute past a boundary of fast time.

    For a simulator that is started at once: then no closing frame is on its way.
    """
    early_s = SystemClock().time() + after_s
    return after_s + (30.0 - early_s) % 60.0


async def quiet(simulator: Simulator) -> None:
    """Return some time past a boundary of the simulator's time: no closing frame of a minute is on its way."""
    await until(lambda: 15_000 < simulator.now_ms() % MINUTE_MS < 30_000, "no closing frame is on its way")


def truth(simulator: Simulator, followed: Iterable[Followed], span: Span | None = None) -> dict[Key, Truth]:
    """Every candle of these series that the simulator has published in ``span``, else of late."""
    span = span or Span(simulator.now_ms() - _BACK_MS, simulator.now_ms())
    return {
        (one.exchange, one.symbol, one.interval.value, candle.open_ms): Truth(astuple(candle)[1:10], candle.sent_closed)
        for one in followed
        for candle in simulator.published(one.exchange, one.market, one.native, one.interval, span)
    }


def sent(simulator: Simulator, followed: Iterable[Followed]) -> set[Key]:
    """The keys of the candles that went out closed."""
    return {key for key, candle in truth(simulator, followed).items() if candle.sent_closed}


def check_rows(stored: Iterable[Row], published: Mapping[Key, Truth]) -> None:
    """Fail unless every row is a published candle, figure for figure."""
    for row in stored:
        assert row.key in published, f"nobody published {row}"
        assert published[row.key].figures == row.figures, row
