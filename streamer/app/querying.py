"""The whole of a query: which stored series are meant, and their candles, page after page.

Everything comes from the database: no exchange is asked. Series come by exchange and symbol, candles by open time
within each. What is held in memory is a page, however long the range.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamer.app.database import database_of
from streamer.app.listing import quiet_recorder
from streamer.app.meaning import Meant, Names, meant_series
from streamer.domain.interval import Interval
from streamer.domain.rollup import Length
from streamer.domain.series import Series
from streamer.settings.model import ADAPTERS, Settings
from streamer.store.bulk import PAGE, Bars, BulkReader, Cursor, first_open_us, from_us, layout_of, to_us
from streamer.store.columns import CANDLES, ROLLUP, SOURCED, Columns
from streamer.store.flats import FILLED, Flats, known_empty
from streamer.store.instruments import Instruments
from streamer.store.known import known_series, require_schema
from streamer.timing.clock import SystemClock

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
KINDS = {column.name: column.kind for column in (*SOURCED, *ROLLUP, FILLED)}
_KEY = Series._fields
DEFAULT_COLUMNS = (*_KEY, *(column.name for column in CANDLES))
COLUMNS = (*_KEY, *KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """Candles that open in [since, until), or the newest ``latest`` of each series before ``until``.

    Without symbols every series that is or was followed. ``columns`` are those of the relations that will be shown;
    ``page`` is how many candles are read at once, and held.
    """

    symbols: Sequence[str] = ()
    exchanges: Sequence[str] = ()
    interval: Length = Interval.M1
    since: datetime | None = None
    until: datetime | None = None
    latest: int | None = None
    limit: int | None = None
    columns: frozenset[str] = frozenset()
    fill: bool = False
    page: int = PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """Some candles of one series, by open time; columns that its relation does not have are not there."""

    series: Series | Bars
    columns: Columns

    def __len__(self) -> int:
        return len(self.columns["open_time"])

    def first(self, most: int) -> "Page":
        """The page, cut to ``most`` candles."""
        return Page(self.series, {name: values[:most] for name, values in self.columns.items()})


@dataclass(frozen=True, slots=True)
class Query:
    """A query whose series are found: its pages can be read."""

    series: Sequence[Meant]
    pages: AsyncIterator[Page]


@asynccontextmanager
async def querying(settings: Settings, request: QueryRequest) -> AsyncIterator[Query]:
    """The query, its database open for the block.

    Raises:
        ConfigurationError: nothing is stored of a name, or no candles of this interval.
        StoreError, StartError: the database cannot be used.
    """
    async with database_of(settings, SystemClock(), quiet_recorder()) as database:
        await database.open_beside(create=False)
        await require_schema(database.pool)
        exchanges = request.exchanges or tuple(ADAPTERS)
        names = Names(
            exchanges,
            sorted(
                {(one.exchange, one.symbol) for one in await known_series(database.pool) if one.exchange in exchanges}
            ),
            [one for one in await Instruments(database.pool).stored() if one.exchange in exchanges],
        )
        reader = BulkReader(database.pool)
        meant = await meant_series(reader, names, request.symbols, request.interval)
        yield Query(meant, _pages(reader, meant, request))


async def _pages(reader: BulkReader, meant: Sequence[Meant], request: QueryRequest) -> AsyncIterator[Page]:
    left = request.limit
    for series, relation in meant:
        if left == 0:
            return
        since_us = first_open_us(series.interval, to_us(request.since or _EARLIEST))
        cursor = Cursor(series, relation, from_us(min(since_us, to_us(_LATEST))), request.until or _LATEST)
        if request.latest is not None:
            first = await reader.newest_since(cursor, request.latest)
            if first is None:
                continue
            cursor = Cursor(series, relation, first, cursor.until)
        read = _filled(reader, cursor, request) if request.fill else _stored(reader, cursor, request, left)
        async for columns in read:
            page = Page(series, columns) if left is None else Page(series, columns).first(left)
            if len(page):
                yield page
            if left is not None:
                left -= len(page)
                if left == 0:
                    break


async def _stored(
    reader: BulkReader, cursor: Cursor, request: QueryRequest, most: int | None
) -> AsyncIterator[Columns]:
    size = request.page if most is None else min(request.page, most)
    while True:
        columns = await reader.page(cursor, request.columns, size)
        times = columns["open_time"]
        yield columns
        if len(times) < size:
            return
        cursor = cursor.after(times[-1])


async def _filled(reader: BulkReader, cursor: Cursor, request: QueryRequest) -> AsyncIterator[Columns]:
    """The stored candles with flat ones between. The mark is read first: what is before it is stored by then.

    A rollup may lack an hour whose minutes are stored since a moment: that is looked for, and stays a hole.
    """
    series = cursor.series
    source = series if isinstance(series, Series) else Series(series.exchange, series.symbol, Interval.M1)
    before = await reader.newest_since(replace(cursor, until=cursor.since), 1)
    known = await reader.known(source, before or cursor.since, cursor.until)
    flats = Flats(
        layout_of(cursor.relation, request.columns),
        series.interval,
        known_empty(known, source.interval, series.interval),
        (to_us(cursor.since), to_us(cursor.until)),
    )
    if before is not None:
        flats.begin(await reader.page(replace(cursor, since=before, until=cursor.since), request.columns, 1))
    async for columns in _stored(reader, cursor, request, None):
        if source != series:
            flats.doubt(await reader.stored_within(source, flats.holes(columns)))
        for piece in flats.page(columns):
            yield piece
    if source != series:
        flats.doubt(await reader.stored_within(source, flats.last_hole()))
    for piece in flats.rest():
        yield piece
