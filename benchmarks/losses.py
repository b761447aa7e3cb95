"""What the simulator sent closed, against what the database holds: row by row, figure by figure."""

import json
from typing import NamedTuple

import asyncpg

from benchmarks.following import Following
from benchmarks.processes import Child
from streamer.domain.interval import from_ms, to_ms

_EXAMPLES = 5
_STORED = """
    SELECT exchange, symbol, open_time, open, high, low, close, volume, quote_volume
      FROM klines
     WHERE interval = '1m' AND source = 'ws' AND open_time BETWEEN $1 AND $2
"""


class Losses(NamedTuple):
    """Closed candles in the window; only rows that came over WebSocket count as stored."""

    sent: int
    stored: int
    missing: int
    different: int
    examples: tuple[str, ...]


async def compare(following: Following, simulator: Child, database_url: str, window: tuple[int, int]) -> Losses:
    """Compare the candles that opened in ``window``, Unix milliseconds, both ends included."""
    question = {"series": following.series(), "first_ms": window[0], "last_ms": window[1]}
    rows = json.loads(await simulator.ask(json.dumps(question)))
    ours = {
        (name, one.instrument.market.value, one.instrument.native_symbol): one.instrument.symbol
        for name, chosen in following.chosen.items()
        for one in chosen
    }
    sent = {(row[0], ours[row[0], row[1], row[2]], row[3]): row[4:] for row in rows}
    connection = await asyncpg.connect(database_url)
    try:
        records = await connection.fetch(_STORED, from_ms(window[0]), from_ms(window[1]))
    finally:
        await connection.close()
    stored = {(row[0], row[1], to_ms(row[2])): list(row[3:]) for row in records}
    missing = [key for key in sent if key not in stored]
    different = [key for key, figures in sent.items() if key in stored and stored[key] != figures]
    examples = tuple(" ".join(map(str, key)) for key in (*missing, *different)[:_EXAMPLES])
    return Losses(len(sent), len(sent) - len(missing), len(missing), len(different), examples)
