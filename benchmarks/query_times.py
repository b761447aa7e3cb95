"""How long questions take on a database full of candles: in the database, and as a client sees it.

What is compared takes turns, so that a busy machine is as hard on one as on the other.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from statistics import quantiles

from benchmarks.candle_rows import Name
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.bulk import BulkReader, Cursor, Relation, copied
from streamer.store.pool import Connection
from streamer.timing.clock import SystemClock

_CLOCK = SystemClock()
UNCOUNTED = 500
_ONE = (
    "select open, high, low, close, volume from klines"
    " where exchange = $1 and symbol = $2 and interval = '1m' and open_time = $3"
)
_EDGES = "first(open, open_time) filter (where volume > 0), last(close, open_time) filter (where volume > 0)"
_PLAIN_EDGES = (
    "(array_agg(open order by open_time) filter (where volume > 0))[1],"
    " (array_agg(close order by open_time desc) filter (where volume > 0))[1]"
)
_SIX = "open_time, open, high, low, close, volume"
_KEY = "exchange = 'binance' and symbol = 'BTC-USDT' and interval = '1m'"


def year_of(since: datetime, until: datetime) -> str:
    """The question for a year of one symbol: six columns, in order."""
    return (
        f"select {_SIX} from klines where {_KEY}"  # noqa: S608 (all of it is ours)
        f" and open_time >= '{since:%Y-%m-%dT%H:%MZ}' and open_time < '{until:%Y-%m-%dT%H:%MZ}' order by open_time"
    )


async def bare_year(connection: Connection) -> str:
    """The same rows, chunk by chunk, without what makes them one table: the least that any plan can cost."""
    chunks = await connection.fetch("select show_chunks('klines')::text")
    return " union all ".join(f"(select {_SIX} from {chunk} where {_KEY})" for (chunk,) in chunks)  # noqa: S608


def hours_of(since: datetime, until: datetime, *, timescale: bool) -> list[str]:
    """The hours of a year of one symbol: from the rollup, by grouping to the same prices, and to highs alone."""
    span = f"open_time >= '{since:%Y-%m-%dT%H:%MZ}' and open_time < '{until:%Y-%m-%dT%H:%MZ}'"
    edges = _EDGES if timescale else _PLAIN_EDGES
    rolled = f"select {_SIX} from klines_1h where exchange = 'binance' and symbol = 'BTC-USDT' and {span}"  # noqa: S608
    grouped = f"from klines where {_KEY} and {span} group by hour order by hour"
    bucket = "select date_bin('1 hour', open_time, 'epoch') as hour"
    highs = "max(high) filter (where volume > 0), min(low) filter (where volume > 0), sum(volume)"
    return [f"{rolled} order by open_time", f"{bucket}, {edges}, {highs} {grouped}", f"{bucket}, max(high) {grouped}"]


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of a question, round by round.

    ``clock`` is of running its plan to the end, ``processor`` what the server's processor spent on it. ``explained`` is
    what EXPLAIN ANALYZE says, which counts every row at every node.
    """

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    explained: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The least of both: a cursor never has its rows made by several processes."""
        return min(*self.clock, *self.explained)


async def executions(connection: Connection, questions: Sequence[str], rounds: int) -> list[Times]:
    """How long the execution of each question takes, without its planning; one round before does not count.

    It is a cursor that is moved behind the last row: the server makes every row and sends none. Declaring it, which
    sets the plan up, is not counted: half a millisecond for a year of weeks. Of EXPLAIN ANALYZE neither the times of
    nodes nor their buffers are kept, and still it adds a tenth to a scan of many rows.
    """
    process = await connection.fetchval("select pg_backend_pid()")
    found = [Times() for _ in questions]
    for _ in range(rounds + 1):
        for question, times in zip(questions, found, strict=True):
            async with connection.transaction():
                await connection.execute("set local cursor_tuple_fraction = 1")  # the plan for all rows
                await connection.execute(f"declare whole no scroll cursor for {question}")
                began_at, began_ms = _CLOCK.monotonic(), processor_ms(process)
                await connection.execute("move all in whole")
                times.clock.append((_CLOCK.monotonic() - began_at) * 1e3)
                times.processor.append(processor_ms(process) - began_ms)
            [(plan,)] = await connection.fetch(f"explain (analyze, timing off, buffers off, format json) {question}")
            times.explained.append(float(json.loads(plan)[0]["Execution Time"]))
    return [Times(times.clock[1:], times.processor[1:], times.explained[1:]) for times in found]


def processor_ms(process: int) -> float:
    """How long a process of this machine has had a processor. Linux only."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e6


async def by_key(
    connection: Connection, names: Sequence[Name], open_times: Sequence[datetime], count: int
) -> list[float]:
    """Milliseconds that a client waits for one candle, for ``count`` keys that a seed picks.

    Some hundred before do not count: a session reads the catalog once for each chunk that it meets.
    """
    random = Random(7)  # noqa: S311 - keys, not secrets
    statement = await connection.prepare(_ONE)
    times = []
    for number in range(count + UNCOUNTED):
        name, open_time = random.choice(names), random.choice(open_times)
        began_at = _CLOCK.monotonic()
        row = await statement.fetchrow(*name, open_time)
        if number >= UNCOUNTED:
            times.append((_CLOCK.monotonic() - began_at) * 1e3)
        if row is None:
            raise RuntimeError(f"{name} has no candle at {open_time}")
    return times


async def copies(
    connection: Connection, reader: BulkReader, since: datetime, until: datetime, rounds: int
) -> tuple[list[float], list[float], int]:
    """Milliseconds of a bare COPY of the year that throws the bytes away, and of columns in Python; and the rows."""
    series = Series("binance", "BTC-USDT", Interval.M1)
    rows = 0

    async def bare() -> None:
        await connection.copy_from_query(
            copied("read_prices"), *series, since, until, None, output=_nowhere, format="binary"
        )

    async def decoded() -> None:
        nonlocal rows
        rows = 0
        cursor = Cursor(series, Relation.KLINES, since, until)
        while True:
            columns = await reader.page(cursor, frozenset({"close"}))
            size = len(columns["open_time"])
            rows += size
            if not size:
                return
            cursor = cursor.after(columns["open_time"][-1])

    bare_ms, decoded_ms = await turns([bare, decoded], rounds)
    return bare_ms, decoded_ms, rows


async def turns(asked: Sequence[Callable[[], Awaitable[object]]], rounds: int) -> list[list[float]]:
    """Milliseconds of each, in turns; the first round does not count."""
    found: list[list[float]] = [[] for _ in asked]
    for _ in range(rounds + 1):
        for question, times in zip(asked, found, strict=True):
            began_at = _CLOCK.monotonic()
            await question()
            times.append((_CLOCK.monotonic() - began_at) * 1e3)
    return [times[1:] for times in found]


def percentile(times: Sequence[float], percent: int) -> float:
    """The time that so many percent do not exceed."""
    return quantiles(times, n=100, method="inclusive")[percent - 1]


async def _nowhere(_: bytes) -> None:
    """Take bytes and forget them."""
