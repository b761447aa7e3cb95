"""What happens to the news of one exchange's feed: candles go to the buffer, doubts about its clock to the poller."""

from collections.abc import Callable, Sequence

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.series import Series
from streamer.ingest.buffer import Buffer
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.server_time import ServerTime


class Pipeline:
    """The listener of one exchange's feed."""

    def __init__(
        self,
        buffer: Buffer,
        *,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        clock_doubted: Callable[[], None],
        settled: Callable[[Sequence[Series]], None],
    ) -> None:
        self._buffer = buffer
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._clock_doubted = clock_doubted
        self._settled = settled

    def candle_closed(self, candle: Candle, sent_ms: int | None) -> None:
        """Stamp the candle with the exchange's time and offer it to the buffer."""
        received_time = self._server_time.now()
        self._recorder.candle_received(candle, received_time)
        self._buffer.offer(Delivery(candle, Source.WS, received_time, self._clock.monotonic()))
        if sent_ms is not None and self._server_time.doubted_by(sent_ms):
            self._clock_doubted()

    def connection_settled(self, series: Sequence[Series]) -> None:
        """Pass on which series are live from now on."""
        self._settled(series)
