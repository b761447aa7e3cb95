"""Measures an exchange's time, at start, every ten minutes, and at once when frames disagree with it."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from streamer.domain.errors import HistoryError
from streamer.domain.instrument import Market
from streamer.protocol.adapter import ExchangeAdapter
from streamer.rest.client import PATIENCE_S, RestClient
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime

_READS = 2  # the first may have paid for DNS and TLS, which blurs it; the shorter round trip counts


async def measure_server_time(
    client: RestClient, adapter: ExchangeAdapter, market: Market, server_time: ServerTime
) -> None:
    """Read the exchange's time twice and keep the sharper reading in ``server_time``. A ban is not waited for.

    Raises:
        HistoryError: it could not be read; ``server_time`` stays as it was. Cancelling loses nothing.
    """
    rest, client = adapter.markets[market].rest, client.with_patience(PATIENCE_S)
    reads = [await client.ask(market, rest.server_time, rest.decode_server_time) for _ in range(_READS)]
    best = min(reads, key=lambda read: read.received_at - read.sent_at)
    server_time.measured(best.sent_at, best.received_at, best.value / 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOptions:
    """Seconds between measurements, after a failed one, and at least when frames cast doubt."""

    every_s: float = 600.0
    failed_s: float = 30.0
    doubted_s: float = 10.0


class ServerTimePoll:
    """Keeps one exchange's time right. Whoever sees a frame that disagrees sets ``doubted``."""

    def __init__(
        self,
        *,
        client: RestClient,
        adapter: ExchangeAdapter,
        markets: Sequence[Market],
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        options: PollOptions | None = None,
    ) -> None:
        self.doubted = asyncio.Event()
        self._client = client
        self._adapter = adapter
        self._markets = list(markets)  # the one that answered last is first
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._options = options or PollOptions()

    async def measure(self, among: Collection[Market] | None = None) -> None:
        """Measure once, over the first of the markets that answers, or of those ``among`` them.

        Raises:
            HistoryError: of the last market, when none answers. Cancelling loses nothing.
        """
        markets = [market for market in self._markets if among is None or market in among]
        for market in markets:
            try:
                await measure_server_time(self._client, self._adapter, market, self._server_time)
            except HistoryError:
                if market is markets[-1]:
                    raise
            else:
                self._markets.sort(key=lambda one: one is not market)
                break
        self._recorder.clock_measured(self._client.exchange, self._server_time.offset_s, self._server_time.error_s)

    async def run(self) -> None:
        """Measure now and again for ever; a failure is waited out. Cancelling loses nothing."""
        while True:
            self.doubted.clear()
            try:
                await self.measure()
                wait_s = self._options.every_s
            except HistoryError as cause:
                if not self._server_time.known:
                    self._recorder.exchange_unreachable(self._client.exchange, cause)
                wait_s = self._options.failed_s
            await self._clock.sleep(self._options.doubted_s)
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + wait_s - self._options.doubted_s):
                    await self.doubted.wait()
            except TimeoutError:
                continue
