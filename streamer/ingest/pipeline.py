"""What happens to the news of one exchange's feed: candles go to the buffer, doubts about its clock to the poller.

Whoever keeps the series complete hears of every candle, break and new beginning.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.series import Series
from streamer.ingest.buffer import Buffer
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


class Follower(Protocol):
    """Hears what a feed brings and when it does not. No method may block."""

    def closed(self, candle: Candle) -> None:
        """A stream brought a closed candle."""
        ...

    def settled(self, series: Sequence[Series]) -> None:
        """A connection delivers ``series`` from now on."""
        ...

    def broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """A connection ended, and nothing took its place."""
        ...


class Pipeline:
    """The listener of one exchange's feed."""

    def __init__(
        self,
        buffer: Buffer,
        follower: Follower,
        *,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        clock_doubted: Callable[[], None],
    ) -> None:
        self._buffer = buffer
        self._follower = follower
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._clock_doubted = clock_doubted

    def candle_closed(self, candle: Candle, sent_ms: int | None) -> None:
        """Stamp the candle with the exchange's time and offer it to the buffer."""
        received_time = self._server_time.now()
        self._recorder.candle_received(candle, received_time)
        self._buffer.offer(Delivery(candle, Source.WS, received_time, self._clock.monotonic()))
        self._follower.closed(candle)
        if sent_ms is not None and self._server_time.doubted_by(sent_ms):
            self._clock_doubted()

    def clock_doubted(self) -> None:
        """Pass the doubt on; the candle itself is asked for again, as missing."""
        self._clock_doubted()

    def connection_settled(self, series: Sequence[Series]) -> None:
        """Pass on which series are live from now on."""
        self._follower.settled(series)

    def connection_broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """Pass on which series may miss something from now on."""
        self._follower.broken(connection, series, cause)
