"""An exchange's time: the local clock, corrected by what the exchange's server says.

Whether a candle is in the future, overdue or settled is judged by this time, never by the local clock.
"""

from datetime import UTC, datetime

from streamer.timing.clock import Clock

_DOUBT_S = 2.0


class ServerTime:
    """Local time plus the measured offset; until the first measurement the offset is zero and ``known`` is False.

    It is measured by the monotonic clock and runs on it, so that setting the machine's clock moves nothing, not even in
    the middle of a measurement.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor_s = clock.time() - clock.monotonic()  # the exchange's time less the monotonic clock
        self.offset_s = 0.0
        self.error_s = 0.0
        self.known = False

    def measured(self, sent_at: float, received_at: float, server_time: float) -> None:
        """Take one answer of the server: monotonic instants of sending and receiving, and what it said between."""
        self._anchor_s = server_time - (sent_at + received_at) / 2
        self.offset_s = self._anchor_s - (self._clock.time() - self._clock.monotonic())
        self.error_s = (received_at - sent_at) / 2
        self.known = True

    def time(self) -> float:
        """The exchange's time in Unix seconds."""
        return self._clock.monotonic() + self._anchor_s

    def now_ms(self) -> int:
        """The exchange's time in Unix milliseconds."""
        return int(self.time() * 1_000)

    def now(self) -> datetime:
        """The exchange's time, aware UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def doubted_by(self, stamp_ms: int) -> bool:
        """Whether a fresh frame's own time stamp is over two seconds from this time: measure again."""
        return self.known and abs(stamp_ms / 1_000 - self.time()) > _DOUBT_S + self.error_s
