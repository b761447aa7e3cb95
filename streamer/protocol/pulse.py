"""The pulse of one connection: when to send a heartbeat, and when its silence means death. Pure.

Anything that arrives is a sign of life. The session writes ``received_at`` and clears ``probe_until_at`` itself: that
happens once per frame.
"""

from collections.abc import Callable

from streamer.domain.errors import ConnectionIdle
from streamer.protocol.adapter import Heartbeat, Ping


class Pulse:
    """Heartbeats, the idle limit and the one probe after it; instants are monotonic seconds."""

    __slots__ = ("_heartbeat", "_number", "_sent_at", "probe_until_at", "received_at")

    def __init__(self, heartbeat: Heartbeat, number: Callable[[], int], now_at: float) -> None:
        self._heartbeat = heartbeat
        self._number = number
        self._sent_at = now_at
        self.received_at = now_at
        self.probe_until_at: float | None = None

    def to_send(self, now_at: float) -> list[str | Ping]:
        """The heartbeat or probe that is due: one at most."""
        due = self._heartbeat_due_at() <= now_at
        if self.probe_until_at is None and self._idle_at() <= now_at:
            self.probe_until_at = now_at + self._heartbeat.probe_s
            due = True
        if not due:
            return []
        self._sent_at = now_at
        make = self._heartbeat.make
        return [Ping.CONTROL if make is None else make(self._number())]

    def due_at(self) -> float:
        """The next moment for ``to_send`` or ``wake``."""
        silence_at = self._idle_at() if self.probe_until_at is None else self.probe_until_at
        return min(self._heartbeat_due_at(), silence_at)

    def wake(self, now_at: float) -> None:
        """Judge the silence.

        Raises:
            ConnectionIdle: nothing came after the probe.
        """
        if self.probe_until_at is not None and self.probe_until_at <= now_at:
            raise ConnectionIdle(f"nothing was received for {now_at - self.received_at:.0f} s, and no answer to a ping")

    def _idle_at(self) -> float:
        return self.received_at + self._heartbeat.idle_limit_s

    def _heartbeat_due_at(self) -> float:
        last_at = max(self.received_at, self._sent_at) if self._heartbeat.when_idle else self._sent_at
        return last_at + self._heartbeat.every_s
