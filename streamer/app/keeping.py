"""What keeps one exchange's series complete, wired: attention, keeper, sentinel, and the record of breaks."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from streamer.app.beginning import beginnings
from streamer.app.database import Database
from streamer.domain.candle import Candle
from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span, windows
from streamer.domain.instrument import Status
from streamer.domain.interval import from_ms, to_ms
from streamer.domain.series import Series
from streamer.feed.supervisor import Feed
from streamer.history.asking import Asker
from streamer.history.freshness import overdue, reached_ms
from streamer.history.inquiries import Kept
from streamer.history.keeper import Keeper
from streamer.history.page import PageFetcher
from streamer.history.patience import LIVELY_CANDLES, Attention
from streamer.history.sentinel import Sentinel
from streamer.protocol.adapter import ExchangeAdapter
from streamer.store.contract import Break
from streamer.symbols.change import Change
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.retry import Health
from streamer.timing.server_time import ServerTime

_LATE_SHARE = 0.2  # of what we may spend of a pool goes to candles that are merely late
_LATE_ROWS = 10  # candles that such a request usually asks for
_MOST_BREAKS = 10_000  # that wait to be noted
_FRESHNESS_EVERY_S = 5.0


class Keeping:
    """Follows one exchange's feed: hears of candles and breaks, and has what is missing brought."""

    def __init__(
        self,
        adapter: ExchangeAdapter,
        chosen: Mapping[Series, Chosen],
        *,
        database: Database,
        fetcher: PageFetcher,
        backlog: Callable[[], bool],
        share: float,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
    ) -> None:
        self._adapter = adapter
        self._chosen = dict(chosen)  # all that may be asked for: what was delisted too
        self._since: Mapping[Series, datetime] = {}
        self._started_time = server_time.now()
        self._late: dict[Series, datetime] = {}  # those that join as if they had been there when we started
        self._late_came = asyncio.Event()
        self._gone: set[Series] = set()  # delisted, and their books not closed yet
        self._database = database
        self._fetcher = fetcher
        self._backlog = backlog
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._attention: dict[Series, Attention] = {}
        self._attend(chosen)
        self._closing: asyncio.Queue[Chosen] = asyncio.Queue()  # at most one of each series
        self._breaks: asyncio.Queue[Break] = asyncio.Queue(_MOST_BREAKS)
        self._pace = Pace(_spacing_s(fetcher, chosen, share * _LATE_SHARE, server_time.now_ms()), clock)
        self._sentinel: Sentinel | None = None
        self._keeper: Keeper | None = None

    @property
    def is_asking(self) -> bool:
        """Whether what is missing is being asked for now."""
        return self._keeper is not None and self._keeper.is_asking

    def _attend(self, chosen: Mapping[Series, Chosen]) -> None:
        """Take what the list says of ``chosen``; those that do not trade are not asked for until they do."""
        for series, one in chosen.items():
            self._chosen[series] = one
            attention = self._attention.setdefault(series, Attention(self._server_time.now_ms()))
            trades = one.instrument.status is Status.TRADING
            if attention.trades and not trades:
                attention.paused_ms = self._server_time.now_ms()
            attention.trades = trades

    def follow(
        self,
        change: Change,
        since: Mapping[Series, datetime],
        late: Mapping[Series, datetime] = MappingProxyType({}),
    ) -> None:
        """Keep what is followed after ``change``, new series from their ``since``; close the books of what is gone.

        Those that are ``late`` begin after what was stored of them before we started, if anything was, else at that
        time. That is looked up when the database is there.
        """
        for one in change.joined:
            self._attention.pop(one.series, None)  # of a life before
        self._attend(change.followed)
        for one in change.gone:
            self._attention[one.series].trades = False
            self._closing.put_nowait(one)
        gone = {one.series for one in change.gone}
        self._gone = (self._gone | gone) - change.followed.keys()
        left = change.followed.keys() | self._gone
        self._late = {series: at for series, at in {**self._late, **late}.items() if series in left}
        begun = left - self._late.keys()
        self._since = {series: at for series, at in {**self._since, **since}.items() if series in begun}
        self._late_came.set()
        if self._keeper is not None:
            self._keeper.change(self._since, {})

    def closed(self, candle: Candle) -> None:
        """A stream brought a closed candle."""
        attention = self._attention[candle.series]
        attention.heard(traded=candle.volume > 0)
        attention.reached(to_ms(candle.open_time) + candle.series.interval.milliseconds)
        if self._sentinel is not None:
            self._sentinel.delivered(candle.series)

    def settled(self, series: Sequence[Series]) -> None:
        """A connection delivers ``series`` from now on."""
        for one in series:
            self._attention[one].settled(self._server_time.now_ms())

    def broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """A connection ended: note it, and what it carried."""
        for one in series:
            self._attention[one].broken(self._server_time.now_ms())
        if self._sentinel is not None:
            self._sentinel.broken(connection)
        if self._breaks.full():
            self._breaks.get_nowait()  # the database was away for days: the newest tell more
        self._breaks.put_nowait(Break(self._adapter.name, connection, len(series), cause, self._server_time.now()))

    async def run(self, feed: Feed, since: Mapping[Series, datetime]) -> None:
        """Keep the series complete, new ones from ``since``, until cancelled; cancelling loses nothing.

        Changes may be told before; ``since`` is of the series that there were at first.
        """
        self._sentinel = Sentinel(
            feed=feed,
            chosen=self._chosen,
            attention=self._attention,
            fetcher=self._fetcher,
            pace=self._pace,
            clock=self._clock,
            server_time=self._server_time,
            recorder=self._recorder,
        )
        self._since = {**self._since, **since}  # listings may have joined before
        self._keeper = Keeper(
            Kept(exchange=self._adapter.name, chosen=self._chosen, attention=self._attention),
            asker=Asker(fetcher=self._fetcher, server_time=self._server_time),
            ledger=self._database.ledger,
            pace=self._pace,
            backlog=self._backlog,
            shown=self._sentinel.shown,
            clock=self._clock,
            server_time=self._server_time,
            recorder=self._recorder,
        )
        await self._database.ready.wait()
        for series, traded in (await self._database.recently_traded(list(self._chosen), LIVELY_CANDLES)).items():
            self._attention[series].remember(traded)
        for series, wanted_from in since.items():
            self._attention[series].reached(to_ms(wanted_from))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run(self._since))  # which may have changed meanwhile
            tasks.create_task(self._sentinel.run())
            tasks.create_task(self._note_breaks())
            tasks.create_task(self._measure_freshness())
            tasks.create_task(self._close_books(self._keeper))
            tasks.create_task(self._find_beginnings(self._keeper))

    async def _find_beginnings(self, keeper: Keeper) -> None:
        """Keep those that joined late from where they begin."""
        while True:
            await self._late_came.wait()
            self._late_came.clear()
            if not self._late:
                continue
            found = await beginnings(self._database, self._late, self._started_time)
            begun = {series: time for series, time in found.items() if series in self._late}  # still
            self._late = {series: time for series, time in self._late.items() if series not in begun}
            self._since = {**self._since, **begun}
            keeper.change(self._since, {})

    async def _close_books(self, keeper: Keeper) -> None:
        """Find out when each delisted series ended; what is missing before that is asked for like any other."""
        while True:
            chosen = await self._closing.get()
            attention = self._attention[chosen.series]
            end_ms = await self._end_ms(chosen)
            is_same_life = self._attention[chosen.series] is attention
            if is_same_life and chosen.series in self._gone:  # else it is listed again
                self._gone.remove(chosen.series)
                self._since = {series: at for series, at in self._since.items() if series != chosen.series}
                self._late.pop(chosen.series, None)
                keeper.change(self._since, {chosen.series: from_ms(end_ms)})

    async def _end_ms(self, chosen: Chosen) -> int:
        """When the last candle of a delisted series ended: what streams and REST brought tells.

        Where REST refuses and no connection delivered the series to its end, it is now: what may be missing is listed.
        """
        attention, interval = self._attention[chosen.series], chosen.interval
        now_ms = interval.floor_ms(self._server_time.now_ms())
        known_ms = now_ms if attention.closed_ms is None else attention.closed_ms
        window = windows(
            interval,
            Span(min(known_ms, now_ms) - interval.milliseconds, now_ms - interval.milliseconds),
            self._fetcher.page_rows(chosen),
        )
        try:
            fetched = [candle for span in window for candle in (await self._fetcher.fetch(chosen, span)).candles]
        except HistoryError as error:
            self._recorder.history_failed(chosen.series, error)
            fetched = []
        if fetched:  # the last candle known is asked for too: an answer without it says nothing
            return max(known_ms, *(to_ms(candle.open_time) + interval.milliseconds for candle in fetched))
        return known_ms if attention.connected and attention.back_ms <= known_ms else now_ms

    async def _measure_freshness(self) -> None:
        while True:
            reached_s = {interval.value: end_ms / 1_000 for interval, end_ms in reached_ms(self._attention).items()}
            late = overdue(self._attention, self._server_time.now_ms())
            self._recorder.gaps.freshness_measured(self._adapter.name, reached_s, late)
            await self._clock.sleep(_FRESHNESS_EVERY_S)

    async def _note_breaks(self) -> None:
        while True:
            broken = await self._breaks.get()

            async def note(_: Health, broken: Break = broken) -> None:
                await self._database.ledger.note_break(broken)

            await self._database.patiently(note)


def _spacing_s(fetcher: PageFetcher, chosen: Mapping[Series, Chosen], share: float, now_ms: int) -> float:
    """Seconds between two small requests that spend ``share`` of the scarcest pool of these series."""
    spacings = [0.0]
    for one in {(one.instrument.market, one.interval): one for one in chosen.values()}.values():
        last_ms = one.interval.floor_ms(now_ms)
        request = fetcher.requests(one, Span(last_ms - _LATE_ROWS * one.interval.milliseconds, last_ms))[0]
        spacings.append(request.pool.window_s * request.weight / (request.pool.limit * share))
    return max(spacings)
