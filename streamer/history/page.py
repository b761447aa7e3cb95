"""Fetches the candles of one window and keeps those that may be stored: asked for, closed and settled."""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from math import ceil
from sys import maxsize
from typing import NamedTuple, Self

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.gaps import Span, windows
from streamer.domain.interval import Interval, to_ms
from streamer.history.plan import SURE_ROWS
from streamer.protocol.adapter import ExchangeAdapter, HistoryPage, Request
from streamer.protocol.ports import Deliver
from streamer.rest.client import RestClient
from streamer.rest.server_time import measure_server_time
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime

Settled = Callable[[], Awaitable[None]]  # returns when all that was delivered before is stored

_SETTLE_MS = 60_000  # exchanges still correct a candle in the seconds after its end; over a minute after, it stays


def settled_ms(server_time: ServerTime) -> int:
    """Candles that ended by this Unix millisecond are settled now, however far the exchange's time is misjudged."""
    return server_time.now_ms() - ceil(server_time.error_s * 1_000) - _SETTLE_MS - 1


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one window brought: the candles delivered, and the oldest and newest open time that the answer holds at all.

    ``unclosed_ms`` are the open times in the window that it holds and does not call closed, ``refused_ms`` those of
    candles that cannot be. ``unplaced`` counts those of the latter of which nobody knows when they opened. ``rows`` is
    how many candles it holds, all of those included. ``pool`` names the limit that it was asked for out of.
    """

    candles: tuple[Candle, ...]
    oldest_ms: int | None
    newest_ms: int | None
    unclosed_ms: tuple[int, ...] = ()
    refused_ms: tuple[int, ...] = ()
    unplaced: int = 0
    rows: int = 0
    pool: str = ""


class First(NamedTuple):
    """Where the first candle is looked for, and from where on an answer that holds it shows nothing before it."""

    open_ms: int
    witnessed_ms: int


class PageFetcher:
    """Brings windows of one exchange's history to the store's door."""

    def __init__(
        self,
        *,
        client: RestClient,
        adapter: ExchangeAdapter,
        clock: Clock,
        server_time: ServerTime,
        deliver: Deliver,
        recorder: Recorder,
    ) -> None:
        self._clock = clock
        self._client = client
        self._adapter = adapter
        self._server_time = server_time
        self._deliver = deliver
        self._recorder = recorder

    def with_patience(self, seconds: float) -> Self:
        """This fetcher for callers who would rather hear ``Barred`` than wait longer for a ban or a pause to end."""
        view = copy(self)
        view._client = self._client.with_patience(seconds)  # noqa: SLF001 - its own class
        return view

    def page_rows(self, chosen: Chosen) -> int:
        """The most candles that one request may ask for."""
        return self._adapter.markets[chosen.instrument.market].rest.page_rows(chosen.interval)

    def requests(self, chosen: Chosen, window: Span) -> list[Request]:
        """The ways to ask for the window now, each out of another pool, the usual one first."""
        rest = self._adapter.markets[chosen.instrument.market].rest
        asked = (chosen.instrument, chosen.interval, *window, self._server_time.now_ms())
        also = None if rest.also is None else rest.also(*asked)
        ways = (rest.candles(*asked), *(() if also is None else (also,)))
        return [replace(way, pool=self._client.known(way.pool)) for way in ways]

    def has_one_way(self, chosen: Chosen) -> bool:
        """Whether every candle of the market comes out of one pool."""
        return self._adapter.markets[chosen.instrument.market].rest.also is None

    async def ensure_time(self, chosen: Chosen) -> None:
        """Measure the exchange's time unless it is known: without it nothing can be called settled.

        Raises:
            HistoryError: it could not be read.
        """
        if not self._server_time.known:
            await measure_server_time(self._client, self._adapter, chosen.instrument.market, self._server_time)

    async def wait_settled(self, end_ms: int) -> None:
        """Return when candles that end at ``end_ms`` are settled; cancelling loses nothing."""
        while (early_ms := end_ms - settled_ms(self._server_time)) > 0:
            await self._clock.sleep(early_ms / 1_000)

    async def first_day(self, chosen: Chosen, span: Span, by: Interval = Interval.D1) -> First | None:
        """The day of the first candle in ``span``, found with daily candles; None when there is none at all.

        It saves the thousands of empty windows before the listing of an instrument whose listing time is not published.
        With another length ``by`` it is the candle of that length that holds the first one. An empty answer is asked
        for once more, and proves nothing even so: only what is missing in the answer with the first candle is absent.

        Raises:
            HistoryError: the exchange did not say.
        """
        instrument = chosen.instrument
        facts = self._adapter.markets[instrument.market]
        if by not in facts.intervals or chosen.interval.seconds >= by.seconds:
            return First(span.first_ms, span.first_ms)
        longer = Span(by.floor_ms(span.first_ms), by.floor_ms(span.last_ms))
        for window in windows(by, longer, facts.rest.page_rows(by)):
            page = await self._ask(Chosen(instrument, by), window)
            if not page.rows and not page.refused:
                page = await self._ask(Chosen(instrument, by), window)
            if page.refused:
                return First(span.first_ms, span.first_ms)
            if page.rows:
                first = await self._back_from(Chosen(instrument, by), window, to_ms(page.rows[0].candle.open_time))
                if first is None:
                    return First(span.first_ms, span.first_ms)
                return First(max(span.first_ms, first.open_ms), max(span.first_ms, first.witnessed_ms))
        return None

    async def _back_from(self, chosen: Chosen, window: Span, open_ms: int) -> First | None:
        """The first candle of ``window``, when none came that is older than ``open_ms``: the answer may be cut short.

        So it is asked for what is before, in answers that any exchange gives whole, until one brings nothing older.
        None when it then refuses, or has not what it had.
        """
        first = First(open_ms, window.first_ms)
        is_sure = window.candles(chosen.interval) <= SURE_ROWS
        while not is_sure and first.open_ms > window.first_ms:
            since_ms = max(window.first_ms, first.open_ms - (SURE_ROWS - 1) * chosen.interval.milliseconds)
            page = await self._ask(chosen, Span(since_ms, first.open_ms))
            if page.refused or not page.rows:
                return None
            oldest_ms = to_ms(page.rows[0].candle.open_time)
            is_sure = oldest_ms >= first.open_ms
            first = First(oldest_ms, since_ms)
        return first

    async def fetch(
        self,
        chosen: Chosen,
        window: Span,
        beyond: int = 0,
        before: int = 0,
        *,
        only: Sequence[Span] | None = None,
        route: int = 0,
    ) -> Fetched:
        """Deliver what ``window`` holds, once all of it is settled; what is not closed is left out.

        ``beyond`` more candles are asked for, not delivered: one of them in the same answer is a witness that what the
        window lacks does not exist. So are ``before`` more that precede it. With ``only`` nothing but what opens in
        these sorted spans is delivered. ``route`` is a place in :meth:`requests`; the first is taken where that way has
        closed.

        Raises:
            HistoryError: the exchange did not give this window.

        Cancelling loses the window or a part of it; fetch it again.
        """
        step = chosen.interval.milliseconds
        await self.wait_settled(window.last_ms + step)
        request = self._way(chosen, Span(window.first_ms - before * step, window.last_ms + beyond * step), route)
        page = await self._answer(chosen, request)
        for reason, count in page.refused.items():
            self._recorder.candle_rejected(chosen.series, reason, count)
        received_time = self._server_time.now()
        opens = [to_ms(row.candle.open_time) for row in page.rows]
        asked_for = [
            (open_ms, row)
            for open_ms, row in zip(opens, page.rows, strict=True)
            if window.first_ms <= open_ms <= window.last_ms and (only is None or _holds(only, open_ms))
        ]
        deliveries = [
            Delivery(row.candle, Source.REST, received_time) for _, row in asked_for if row.closed is not False
        ]
        if deliveries:
            await self._deliver(deliveries)
        self._recorder.history_fetched(chosen.series, len(deliveries))
        return Fetched(
            tuple(delivery.candle for delivery in deliveries),
            min(opens, default=None),
            max(opens, default=None),
            tuple(open_ms for open_ms, row in asked_for if row.closed is False),
            _touched(chosen.interval, page.refused_ms, window),
            sum(page.refused.values()) - len(page.refused_ms),
            len(page.rows) + sum(page.refused.values()),
            request.pool.name,
        )

    async def look(self, chosen: Chosen, window: Span) -> bool:
        """Whether REST shows a trade in ``window``; nothing is delivered, so nothing need be settled.

        Raises:
            HistoryError: the exchange did not say.
        """
        page = await self._ask(chosen, window)
        return any(row.candle.volume > 0 for row in page.rows)

    async def _ask(self, chosen: Chosen, window: Span) -> HistoryPage:
        return await self._answer(chosen, self._way(chosen, window))

    def _way(self, chosen: Chosen, window: Span, route: int = 0) -> Request:
        requests = self.requests(chosen, window)
        return requests[route] if route < len(requests) else requests[0]

    async def _answer(self, chosen: Chosen, request: Request) -> HistoryPage:
        instrument, series = chosen.instrument, chosen.series
        rest = self._adapter.markets[instrument.market].rest

        def decode(body: bytes) -> HistoryPage:
            return rest.decode_candles(body, series, instrument)

        return (await self._client.ask(instrument.market, request, decode)).value


def _touched(interval: Interval, opens_ms: Iterable[int], window: Span) -> tuple[int, ...]:
    """The open times of ``window`` that these are, or lie next to where they are off the boundary."""
    step = interval.milliseconds
    near = {near_ms for open_ms in opens_ms for near_ms in (interval.floor_ms(open_ms), -(-open_ms // step) * step)}
    return tuple(sorted(open_ms for open_ms in near if window.first_ms <= open_ms <= window.last_ms))


def _holds(spans: Sequence[Span], open_ms: int) -> bool:
    place = bisect_right(spans, Span(open_ms, maxsize))
    return place > 0 and open_ms <= spans[place - 1].last_ms
