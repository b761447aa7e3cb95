"""Reads long runs of candles as columns: page after page by a cursor, with the rights of the reading role.

A page is one statement in a read-only transaction of its own, and no connection is held between pages: a slow reader
keeps nothing in the database waiting. The cursor is the key: the next page begins behind the last open time of this
one, so no candle comes twice or is left out. Pages are not of one moment: a candle that is revised meanwhile comes as
it is when its page is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from streamer.domain.rollup import Length, Rollup
from streamer.domain.series import Series
from streamer.store.columns import CANDLES, PRICES, ROLLUP, SOURCED, Column, Columns, Decoder
from streamer.store.pool import Pool
from streamer.store.statements import query

PAGE = 200_000  # candles: some ten megabytes
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Relation(StrEnum):
    """Where candles of a series are read."""

    KLINES = "klines"
    FIVE_MINUTES = "klines_5m"
    QUARTERS = "klines_15m"
    HOURS = "klines_1h"
    FOUR_HOURS = "klines_4h"
    DAYS = "klines_1d"
    WEEKS = "klines_1w"


ROLLUPS: Mapping[str, Relation] = {rollup.value: Relation(f"klines_{rollup}") for rollup in Rollup}
_CANDLE_LAYOUTS = {"read_prices": PRICES, "read_candles": CANDLES, "read_sourced": SOURCED}  # the shortest first
_BAR_LAYOUTS = {"read_bars": ROLLUP}


class Bars(NamedTuple):
    """What is built of a symbol up to one length, where nothing of that length need be stored: as a series is read."""

    exchange: str
    symbol: str
    interval: Rollup


class Stored(NamedTuple):
    """What there is of a symbol at an interval: candles of its own, and bars built from shorter ones."""

    exchange: str
    symbol: str
    own: bool
    rolled: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next candle of ``series`` in ``relation`` is the first that opens in [since, until)."""

    series: Series | Bars
    relation: Relation
    since: datetime
    until: datetime

    def after(self, open_us: int) -> "Cursor":
        """Go on behind the candle that opened so many microseconds after 1970."""
        return Cursor(self.series, self.relation, from_us(open_us + 1), self.until)


class Known(NamedTuple):
    """What is known of minutes that are not stored: [since, mark) of a series that is followed, and its gaps."""

    followed: tuple[datetime, datetime] | None
    absent: Sequence[tuple[datetime, datetime]]
    open: Sequence[tuple[datetime, datetime]]


class BulkReader:
    """Candles as columns. Every method raises ``StoreUnavailable``; cancelling loses the answer only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._role = query("become_reader")
        self._copies = {
            (relation, name): copied(name, relation) for relation in Relation for name in _layouts(relation)
        }
        self._newest = {
            relation: _over(relation, query("newest_candles" if relation is Relation.KLINES else "newest_bars"))
            for relation in Relation
        }
        self._stored = query("stored_series")
        self._is_whole = query("rollup_is_whole")
        self._rolled = {relation: _over(relation, query("rolled_series")) for relation in ROLLUPS.values()}
        self._known = query("known_runs")
        self._within = query("stored_within")

    async def page(self, cursor: Cursor, wanted: frozenset[str], most: int = PAGE) -> Columns:
        """At most ``most`` candles at ``cursor``, by open time: all of ``wanted`` that the relation has, maybe more.

        Raises:
            StoreUnavailable, StoreError: the database is away, or answers in another form.
        """
        name, layout = _statement(cursor.relation, wanted)
        decoder = Decoder(layout)

        async def take(piece: bytes) -> None:
            decoder.feed(piece)

        span = (cursor.since, cursor.until)
        async with self._pool.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(self._role)
            await connection.copy_from_query(
                self._copies[cursor.relation, name], *cursor.series, *span, most, output=take, format="binary"
            )
        return decoder.finish()

    async def newest_since(self, cursor: Cursor, most: int) -> datetime | None:
        """The open time of the first of the newest ``most`` candles that open before the cursor's end, if any."""
        values = (*cursor.series, cursor.until, most)
        async with self._pool.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(self._role)
            found: datetime | None = await connection.fetchval(self._newest[cursor.relation], *values)
            return found

    async def stored(self, symbols: Sequence[tuple[str, str]], interval: Length) -> list[Stored]:
        """What is stored of each (exchange, symbol), by both."""
        columns = [[pair[part] for pair in symbols] for part in range(2)]
        rolled = set()
        async with self._pool.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(self._role)
            owned = await connection.fetch(self._stored, *columns, interval)
            relation = ROLLUPS.get(interval.value)
            if relation is not None and await connection.fetchval(self._is_whole, interval):
                seconds = interval.duration // timedelta(seconds=1)
                rolled = {tuple(row) for row in await connection.fetch(self._rolled[relation], *columns, seconds)}
        return [Stored(exchange, symbol, own, (exchange, symbol) in rolled) for exchange, symbol, own in owned]

    async def known(self, series: Series, since: datetime, until: datetime) -> Known:
        """What is known of candles of ``series`` between these times that are not stored."""
        async with self._pool.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(self._role)
            rows = await connection.fetch(self._known, *series, since, until)
        spans: dict[str, list[tuple[datetime, datetime]]] = {"mark": [], "absent": [], "open": []}
        for status, first, last in rows:
            spans[status].append((first, last if status == "mark" else last + series.interval.duration))
        return Known(next(iter(spans["mark"]), None), spans["absent"], spans["open"])

    async def stored_within(self, series: Series, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Of these spans, in microseconds since 1970, those in which candles of ``series`` are stored."""
        columns = ([from_us(span[part]) for span in spans] for part in range(2))
        async with self._pool.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(self._role)
            rows = await connection.fetch(self._within, *series, *columns)
        return [(to_us(first), to_us(end)) for first, end in rows]


def copied(name: str, relation: Relation = Relation.HOURS) -> str:
    """A statement as it stands inside a COPY; one that reads hours, over the given rollup."""
    return _over(relation, query(name)).rstrip().removesuffix(";")


def _over(relation: Relation, statement: str) -> str:
    """The statement over another rollup than the hours: all of them have the same columns."""
    return statement.replace(Relation.HOURS, relation)


def _layouts(relation: Relation) -> Mapping[str, tuple[Column, ...]]:
    return _CANDLE_LAYOUTS if relation is Relation.KLINES else _BAR_LAYOUTS


def columns_of(relation: Relation) -> frozenset[str]:
    """Every column that can be read of ``relation``."""
    return frozenset(column.name for layout in _layouts(relation).values() for column in layout)


def from_us(microseconds: int) -> datetime:
    """The aware UTC time so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def first_open_us(length: Length, instant_us: int) -> int:
    """The first open time of candles of this length at ``instant_us`` or after it, in microseconds since 1970."""
    step, boundary = length.duration // _MICROSECOND, to_us(length.floor(_EPOCH))
    return boundary - (boundary - instant_us) // step * step


def layout_of(relation: Relation, wanted: frozenset[str]) -> tuple[Column, ...]:
    """The columns that a page has where these are wanted: all of them that the relation has, maybe more."""
    return _statement(relation, wanted)[1]


def _statement(relation: Relation, wanted: frozenset[str]) -> tuple[str, tuple[Column, ...]]:
    """The statement that reads the fewest columns, and what it reads."""
    layouts = list(_layouts(relation).items())
    have = wanted & columns_of(relation)
    return next(one for one in layouts if have <= {column.name for column in one[1]})
