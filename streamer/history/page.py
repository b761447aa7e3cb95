"""Fetches the candles of one window and keeps those that may be stored: asked for, closed and settled."""

from typing import NamedTuple

from streamer.domain.candle import Delivery, Source
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.protocol.adapter import ExchangeAdapter, HistoryPage
from streamer.protocol.ports import Deliver
from streamer.rest.client import RestClient
from streamer.rest.server_time import measure_server_time
from streamer.telemetry.recorder import Recorder
from streamer.timing.server_time import ServerTime

SETTLE_MS = 60_000  # exchanges correct a candle within seconds of its end; design of the store: over a minute is final


class Wanted(NamedTuple):
    """A series and the instrument that its requests are made for."""

    instrument: Instrument
    interval: Interval

    @property
    def series(self) -> Series:
        """The key of its candles."""
        return Series(self.instrument.exchange, self.instrument.symbol, self.interval)


def settled_ms(server_time: ServerTime) -> int:
    """The end of the newest candles that are settled now, on the exchange's clock at its latest possible reading."""
    return server_time.now_ms() - int(server_time.error_s * 1_000) - SETTLE_MS


class PageFetcher:
    """Brings windows of one exchange's history to the store's door."""

    def __init__(
        self,
        *,
        client: RestClient,
        adapter: ExchangeAdapter,
        server_time: ServerTime,
        deliver: Deliver,
        recorder: Recorder,
    ) -> None:
        self._client = client
        self._adapter = adapter
        self._server_time = server_time
        self._deliver = deliver
        self._recorder = recorder

    def page_rows(self, wanted: Wanted) -> int:
        """The most candles that one request may ask for."""
        return self._adapter.markets[wanted.instrument.market].rest.page_rows(wanted.interval)

    async def ensure_time(self, wanted: Wanted) -> None:
        """Measure the exchange's time unless it is known: without it nothing can be called settled.

        Raises:
            HistoryError: it could not be read.
        """
        if not self._server_time.known:
            await measure_server_time(self._client, self._adapter, wanted.instrument.market, self._server_time)

    async def fetch(self, wanted: Wanted, window: Span) -> int:
        """How many candles of ``window`` were delivered; what is not closed and settled is left out.

        Raises:
            HistoryError: the exchange did not give this window.

        Cancelling loses the window or a part of it; fetch it again.
        """
        instrument, series = wanted.instrument, wanted.series
        rest = self._adapter.markets[instrument.market].rest
        until_ms = settled_ms(self._server_time)  # before the request leaves: the answer may only be fresher
        request = rest.candles(instrument, wanted.interval, window.first_ms, window.last_ms, self._server_time.now_ms())

        def decode(body: bytes) -> HistoryPage:
            return rest.decode_candles(body, series, instrument)

        page = (await self._client.ask(instrument.market, request, decode)).value
        for reason, count in page.refused.items():
            self._recorder.candle_rejected(series, reason, count)
        received_time = self._server_time.now()
        deliveries = []
        for candle, closed in ((row.candle, row.closed) for row in page.rows):
            open_ms = to_ms(candle.open_time)
            asked_for = window.first_ms <= open_ms <= window.last_ms
            if asked_for and closed is not False and open_ms + wanted.interval.milliseconds <= until_ms:
                deliveries.append(Delivery(candle, Source.REST, received_time))
        if deliveries:
            await self._deliver(deliveries)
        self._recorder.history_fetched(series, len(deliveries))
        return len(deliveries)
