"""Plays a recorded session to whoever subscribed, at its recorded pace; then connections stay open and silent.

Nobody may miss a frame for having come late: time stands at the first receive stamp until the first subscription, and a
candle frame that nobody has subscribed to yet waits for its first subscriber. Candle frames go to the subscribers of
their topic, all others to every connection of the market. Connect as the recorder did: frames go out as they are.
"""

import asyncio
from collections.abc import Set as AbstractSet

from streamer.domain.interval import Interval
from streamer.simulator.conversation import Subscribe
from streamer.simulator.ledger import Ledger
from streamer.simulator.listing import Listing, Row
from streamer.simulator.peer import Peer
from streamer.simulator.recording import RecordedFrame, Recording
from streamer.timing.clock import Clock


class ReplayTime:
    """The recording's time: it stands at ``start_s`` until :meth:`begin`, then runs with the clock."""

    def __init__(self, start_s: float, clock: Clock) -> None:
        self._start_s = start_s
        self._clock = clock
        self.begun_at: float | None = None
        self.begun = asyncio.Event()

    def begin(self) -> None:
        """Let it run; later calls change nothing."""
        if self.begun_at is None:
            self.begun_at = self._clock.monotonic()
            self.begun.set()

    def time(self) -> float:
        """Unix seconds."""
        return self._start_s + (0.0 if self.begun_at is None else self._clock.monotonic() - self.begun_at)


class RecordedTape:
    """What REST knows: exactly the closed candles of the recording, once they have ended."""

    def __init__(self, recording: Recording) -> None:
        self.catalogue = recording.catalogue
        self._closed = recording.closed

    def rows(self, listing: Listing, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> list[Row]:
        """See :class:`~streamer.simulator.tape.Tape`."""
        last_ms = min(last_ms, now_ms - interval.milliseconds)
        known = self._closed.get((listing, interval), {})
        return [known[open_ms] for open_ms in sorted(known) if first_ms <= open_ms <= last_ms]

    def final(self, listing: Listing, interval: Interval, open_ms: int) -> Row | None:
        """See :class:`~streamer.simulator.tape.Tape`."""
        return self._closed.get((listing, interval), {}).get(open_ms)

    def forming(self, listing: Listing, interval: Interval, now_ms: int) -> Row | None:  # noqa: ARG002 (the contract)
        """None: what was forming is known to the stream alone."""
        return None


class Player:
    """The streaming side of a recording."""

    def __init__(
        self, recording: Recording, time: ReplayTime, ledger: Ledger, peers: AbstractSet[Peer], clock: Clock
    ) -> None:
        self._recording = recording
        self._time = time
        self._ledger = ledger
        self._peers = peers
        self._clock = clock
        self._subscribers: dict[str, set[Peer]] = {}
        self._waiting: dict[str, list[RecordedFrame]] = {}

    def subscribe(self, peer: Peer, wanted: Subscribe) -> None:
        """Send the topic's frames to ``peer``, beginning with those that waited for somebody to come."""
        self._subscribers.setdefault(wanted.topic, set()).add(peer)
        for frame in self._waiting.pop(wanted.topic, ()):
            self._send(frame)
        self._time.begin()

    def unsubscribe(self, peer: Peer, topic: str) -> None:
        """Stop sending ``topic`` to ``peer``."""
        self._subscribers.get(topic, set()).discard(peer)

    def forget(self, peer: Peer) -> None:
        """The peer is gone."""
        for subscribers in self._subscribers.values():
            subscribers.discard(peer)

    async def run(self) -> None:
        """Play everything once; returns at the end of the recording."""
        await self._time.begun.wait()
        begun_at = self._clock.monotonic()
        for frame in self._recording.frames:
            wait_s = begun_at + frame.offset_s - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            if not frame.candles:
                for peer in list(self._peers):
                    if peer.exchange == self._recording.exchange and peer.market in (None, self._recording.market):
                        peer.send(frame.text)
            elif self._subscribers.get(frame.candles[0].topic):
                self._send(frame)
            else:
                self._waiting.setdefault(frame.candles[0].topic, []).append(frame)

    def _send(self, frame: RecordedFrame) -> None:
        reached = [peer for peer in list(self._subscribers[frame.candles[0].topic]) if peer.send(frame.text)]
        for candle in frame.candles if reached else ():
            listing = self._recording.catalogue.by_name.get(
                (self._recording.exchange, self._recording.market, candle.symbol)
            )
            if candle.closed and listing is not None:
                self._ledger.sent(listing, candle.interval, candle.open_ms)
