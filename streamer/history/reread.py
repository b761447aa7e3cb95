"""Reads old candles again in the background, because exchanges restate them: OKX has changed volumes days later.

Once a day yesterday, once a week the calendar week before, when all of it is at least five days old. Only what differs
goes to the store, where it makes revisions; what is missing is not this one's to bring. It spends at most a twentieth
of a pool and a tenth of our own share of it, one request at a time, and none while repair is under way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.errors import Geoblocked, HistoryError, StoreUnavailable
from streamer.domain.gaps import Span, windows
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.history.comparing import compare
from streamer.history.page import PageFetcher
from streamer.protocol.adapter import ExchangeAdapter
from streamer.protocol.ports import Deliver
from streamer.store.contract import CandleReader
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime

_DAY = timedelta(days=1)
_OF_POOL = 0.05
_OF_SHARE = 0.1
_WEEKLY_ON = 5  # Saturday, by datetime.weekday(): the week before ended on Sunday, over five days ago
_STEPS_ASIDE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RereadOptions:
    """``share`` of the limits that all of our REST may spend.

    A round begins ``after`` midnight by the exchange's time and up to ``jitter`` later, so that not all exchanges of a
    process, and not all processes of the world, begin together. ``store_away_s`` passes before a look at a database
    that was away.
    """

    share: float = 0.5
    after: timedelta = timedelta(hours=1)
    jitter: timedelta = timedelta(hours=3)
    store_away_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Round:
    """The days [since, until) of every series."""

    name: str
    since: datetime
    until: datetime


class Reread:
    """The background check of one exchange's series at 1m and longer.

    ``fetcher`` must deliver to nobody; ``deliver`` takes candles that differ. ``repairing`` says whether what is
    missing is being asked for: that comes first.
    """

    def __init__(
        self,
        *,
        adapter: ExchangeAdapter,
        fetcher: PageFetcher,
        reader: CandleReader,
        deliver: Deliver,
        repairing: Callable[[], bool],
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        random: Random,
        options: RereadOptions | None = None,
    ) -> None:
        self._adapter = adapter
        self._fetcher = fetcher
        self._reader = reader
        self._deliver = deliver
        self._repairing = repairing
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._random = random
        self._options = options or RereadOptions()
        self._paces: dict[str, Pace] = {}

    async def run(self, followed: Callable[[], Iterable[Chosen]]) -> None:
        """Read again for ever. Cancelling loses nothing but the rest of the round, which is not made up for."""
        into_day = self._options.after + self._options.jitter * self._random.random()
        begin_time = _midnight(self._server_time.now()) + into_day
        while True:
            while begin_time < self._server_time.now():
                begin_time += _DAY
            await self._clock.sleep((begin_time - self._server_time.now()).total_seconds())
            chosen = [one for one in followed() if one.interval.seconds >= Interval.M1.seconds]
            for turn in _rounds(begin_time):
                await self._read_all(chosen, turn)
            begin_time += _DAY

    async def _read_all(self, chosen: Sequence[Chosen], turn: _Round) -> None:
        differing = failed = 0
        for one in chosen:
            step = one.interval.milliseconds
            span = Span(to_ms(turn.since), to_ms(turn.until) - step)
            try:
                for window in windows(one.interval, span, self._fetcher.page_rows(one)):
                    differing += await self._read(one, window)
            except Geoblocked as error:
                self._recorder.history_failed(one.series, error)
                return
            except HistoryError as error:
                self._recorder.history_failed(one.series, error)
                failed += 1
        self._recorder.noted(
            f"{self._adapter.name}: {turn.name} was read again, {len(chosen)} series: "
            f"{differing} candles differ, {failed} series failed"
        )

    async def _read(self, chosen: Chosen, window: Span) -> int:
        """Deliver what REST says differently about the stored candles of ``window``; how many those are."""
        if not await self._stored(chosen, window):
            return 0
        await self._turn(chosen, window)
        fetched = await self._fetcher.fetch(chosen, window)
        comparison = compare(await self._stored(chosen, window), fetched.candles, fetched.newest_ms)
        received_time = self._server_time.now()
        differing = (*comparison.changed, *comparison.filled)
        if differing:
            await self._deliver([Delivery(candle, Source.REST, received_time) for candle in differing])
        return len(comparison.changed)

    async def _turn(self, chosen: Chosen, window: Span) -> None:
        """Wait until this request is within our part of its pool, and nothing is being repaired."""
        request = self._fetcher.requests(chosen, window)[0]
        pool = request.pool
        if pool.name not in self._paces:
            weight_per_s = pool.limit / pool.window_s * min(_OF_POOL, _OF_SHARE * self._options.share)
            self._paces[pool.name] = Pace(1 / weight_per_s, self._clock)
        for _ in range(request.weight):
            await self._paces[pool.name].wait()
        while self._repairing():
            await self._clock.sleep(_STEPS_ASIDE_S)

    async def _stored(self, chosen: Chosen, window: Span) -> list[Candle]:
        """What is stored of ``window``; waits for the database."""
        until = from_ms(window.last_ms) + chosen.interval.duration
        while True:
            try:
                return await self._reader.candles(
                    chosen.series, from_ms(window.first_ms), until, window.candles(chosen.interval)
                )
            except StoreUnavailable as error:
                self._recorder.gaps.ledger_unreachable(error)
                await self._clock.sleep(self._options.store_away_s)


def _rounds(begin_time: datetime) -> Iterator[_Round]:
    """What is due on the day of ``begin_time``."""
    today = _midnight(begin_time)
    yield _Round("yesterday", today - _DAY, today)
    if begin_time.weekday() == _WEEKLY_ON:
        monday = today - _WEEKLY_ON * _DAY
        yield _Round("the week before", monday - 7 * _DAY, monday)


def _midnight(instant: datetime) -> datetime:
    return Interval.D1.floor(instant)
