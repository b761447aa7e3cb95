"""Compares what a backfill stored with what the simulator published: every row, every hour, every day."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from benchmarks.bars import DAY_MS, HOUR_MS, Bar, bars
from benchmarks.processes import Child
from streamer.domain.interval import from_ms
from streamer.symbols.resolve import Chosen

_FIGURES = (
    "(extract(epoch from open_time) * 1000)::bigint, open, high, low, close, volume, quote_volume, trades,"
    " taker_buy_volume, taker_buy_quote_volume"
)
_ROWS = f"select {_FIGURES} from klines where exchange = $1 and symbol = $2 and interval = '1m' order by open_time"  # noqa: S608
_BARS = {
    length_ms: f"select {_FIGURES}, candles, complete from {view} where exchange = $1 and symbol = $2"  # noqa: S608
    for view, length_ms in (("klines_1h", HOUR_MS), ("klines_1d", DAY_MS))
}
_EXTRA = (
    "select (select count(*) from klines where exchange = $1) - $2 + (select count(*) from gaps where exchange = $1)"
)
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Compared:
    """How many rows and bars are stored, and how many of these or of the right ones are not the same."""

    candles: int
    bars: int
    wrong: int
    wrong_bars: int


async def compare(chosen: Sequence[Chosen], simulator: Child, url: str, most: int, since: datetime | None) -> Compared:
    """All series, each with ``most`` candles, from ``since`` on if that is known; gaps and further rows are wrong."""
    connection = await asyncpg.connect(url)
    total = count = wrong = wrong_bars = 0
    try:
        for one in chosen:
            key = (one.series.exchange, one.series.symbol)
            rows = [Bar(*row) for row in await connection.fetch(_ROWS, *key)]
            total += len(rows)
            wrong += abs(most - len(rows)) + (bool(rows) and since is not None and from_ms(rows[0].open_ms) != since)
            question: dict[str, Any] = {
                "exchange": one.series.exchange,
                "market": one.instrument.market.value,
                "native": one.instrument.native_symbol,
                "first_ms": rows[0].open_ms if rows else 0,
                "last_ms": rows[-1].open_ms if rows else 0,
            }
            published = [Bar(*row) for row in json.loads(await simulator.ask(json.dumps(question)))]
            wrong += len(set(rows) ^ set(published))
            right = published
            for length_ms, statement in _BARS.items():
                right = list(bars(length_ms, right))
                stored = [tuple(row) for row in await connection.fetch(statement, *key)]
                whole = length_ms // _MINUTE_MS
                wrong_bars += len(set(stored) ^ {(*bar, bar.candles == whole) for bar in right})
                count += len(stored)
        wrong += await connection.fetchval(_EXTRA, chosen[0].series.exchange, total)
    finally:
        await connection.close()
    return Compared(total, count, wrong, wrong_bars)
