"""Sends the subscribed series' frames when they are due: one task for all series, a heap, no task per frame."""

import asyncio
from heapq import heappop, heappush
from itertools import count

from streamer.domain.interval import Interval
from streamer.simulator.conversation import Subscribe
from streamer.simulator.faults import FaultKind
from streamer.simulator.ledger import Ledger
from streamer.simulator.listing import Listing, Row
from streamer.simulator.market import silent
from streamer.simulator.peer import Peer
from streamer.simulator.schedule import Due, forming_at, next_due
from streamer.simulator.stage import Stage
from streamer.simulator.tape import Tape

_LATE_S = 20.0
_TICK_S = 0.004  # of real time: frames due within one tick leave together
_GARBAGE: tuple[str | bytes, ...] = ("", "nonsense", '{"a":', "[]", "null", '{"k":{"x":true}}', b"\x00\xff\x1f\x8b")
_BURST = 500  # frames sent before others on the loop have a turn


class _Channel:
    """A series that somebody subscribed to."""

    def __init__(self, listing: Listing, interval: Interval) -> None:
        self.listing = listing
        self.interval = interval
        self.topics: dict[Peer, Subscribe] = {}
        self.held: Row | None = None


class Publisher:
    """The streaming side of the invented market."""

    def __init__(self, tape: Tape, ledger: Ledger, stage: Stage) -> None:
        self._tape = tape
        self._ledger = ledger
        self._plan = stage.plan
        self._options = stage.options
        self._clock = stage.clock
        self._now_ms = stage.now_ms
        self._channels: dict[tuple[Listing, Interval], _Channel] = {}
        self._topics: dict[tuple[Peer, str], _Channel] = {}
        self._heap: list[tuple[int, int, _Channel, Due, bool]] = []
        self._numbers = count()
        self._woken = asyncio.Event()

    def subscribe(self, peer: Peer, wanted: Subscribe) -> None:
        """Send the series to ``peer`` from now on."""
        key = (wanted.listing, wanted.interval)
        channel = self._channels.get(key)
        now_ms = self._now_ms()
        if channel is None:
            channel = self._channels[key] = _Channel(*key)
            self._push(channel, next_due(wanted.listing, wanted.interval, now_ms, self._period_ms()))
            self._woken.set()
        channel.topics[peer] = wanted
        self._topics[peer, wanted.topic] = channel
        if wanted.at_once:
            self._publish_forming(channel, forming_at(wanted.listing, wanted.interval, now_ms), [peer])

    def unsubscribe(self, peer: Peer, topic: str) -> None:
        """Stop sending ``topic`` to ``peer``."""
        channel = self._topics.pop((peer, topic), None)
        if channel is not None:
            channel.topics.pop(peer, None)

    def forget(self, peer: Peer) -> None:
        """The peer is gone."""
        for key in [key for key in self._topics if key[0] is peer]:
            self.unsubscribe(*key)

    async def run(self) -> None:
        """Send for ever; cancelling loses what is not sent yet."""
        tick_s = _TICK_S / self._clock.real_seconds(1.0)
        while True:
            self._woken.clear()
            sent = 0
            while self._heap and self._heap[0][0] <= self._now_ms() and sent < _BURST:
                _, _, channel, due, postponed = heappop(self._heap)
                self._send(channel, due, postponed=postponed)
                sent += 1
            if sent == _BURST:
                await self._clock.sleep(0)
            elif self._heap:
                delay_s = (self._heap[0][0] - self._now_ms()) / 1_000
                await self._wait(max(tick_s, delay_s))
            else:
                await self._woken.wait()

    async def _wait(self, delay_s: float) -> None:
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + delay_s):
                await self._woken.wait()
        except TimeoutError:
            return

    def _send(self, channel: _Channel, due: Due, *, postponed: bool) -> None:
        listing, interval = channel.listing, channel.interval
        if not channel.topics:
            if self._channels.get((listing, interval)) is channel:
                del self._channels[listing, interval]
            return
        if not postponed:
            self._follow(channel, due)
        if not due.closing:
            self._publish_forming(channel, due.open_ms, list(channel.topics))
            return
        late = self._plan.active(FaultKind.LATE, listing.exchange, listing.market, listing.native)
        if late and not postponed:
            seconds = _LATE_S if late.seconds is None else late.seconds
            self._push(channel, due._replace(due_ms=due.due_ms + int(seconds * 1_000)), postponed=True)
        else:
            self._publish_closed(channel, due.open_ms)

    def _publish_forming(self, channel: _Channel, open_ms: int, peers: list[Peer]) -> None:
        listing, interval = channel.listing, channel.interval
        now_ms = min(self._now_ms(), open_ms + interval.milliseconds - 1)
        if listing.quiet:
            final = self._tape.final(listing, interval, open_ms)
            if final is None or silent(listing, final):
                return
        row = self._tape.forming(listing, interval, now_ms)
        if row is None:
            return
        self._deliver(channel, row, peers, closed=False)
        self._deliver_held(channel)

    def _deliver_held(self, channel: _Channel) -> None:
        """Send the closing frame that ``reordered`` held back until now, if there is one."""
        held, channel.held = channel.held, None
        if held is not None:
            self._deliver(channel, held, list(channel.topics), closed=True)

    def _publish_closed(self, channel: _Channel, open_ms: int) -> None:
        listing, interval = channel.listing, channel.interval
        row = self._tape.final(listing, interval, open_ms)
        if row is None or silent(listing, row):
            return
        if (
            self._plan.active(FaultKind.REORDERED, listing.exchange, listing.market, listing.native)
            and not channel.held
        ):
            channel.held = row
            return
        self._deliver(channel, row, list(channel.topics), closed=True)
        self._deliver_held(channel)
        if self._plan.active(FaultKind.DUPLICATE, listing.exchange, listing.market, listing.native):
            self._deliver(channel, row, list(channel.topics), closed=True)

    def _deliver(self, channel: _Channel, row: Row, peers: list[Peer], *, closed: bool) -> None:
        listing = channel.listing
        place = (listing.exchange, listing.market, listing.native)
        if self._plan.active(FaultKind.SILENCE, *place):
            return
        garbage = self._plan.active(FaultKind.GARBAGE, *place)
        truncated = self._plan.active(FaultKind.TRUNCATED, *place)
        now_ms = self._now_ms()
        reached = False
        for peer in peers:
            wanted = channel.topics[peer]
            text = peer.conversation.frame(wanted, row, closed=closed, now_ms=now_ms)
            if garbage:
                peer.send(_GARBAGE[now_ms % len(_GARBAGE)])
            reached |= peer.send(text[: len(text) // 2] if truncated else text)
        if closed and reached and not truncated:
            self._ledger.sent(listing, channel.interval, row.open_ms)

    def _follow(self, channel: _Channel, due: Due) -> None:
        """Put the next frame on the heap; forming frames that are overdue are left out, closing ones never."""
        following = next_due(channel.listing, channel.interval, due.due_ms, self._period_ms())
        now_ms = self._now_ms()
        while not following.closing and following.due_ms < now_ms:
            following = next_due(channel.listing, channel.interval, following.due_ms, self._period_ms())
        self._push(channel, following)

    def _push(self, channel: _Channel, due: Due, *, postponed: bool = False) -> None:
        heappush(self._heap, (due.due_ms, next(self._numbers), channel, due, postponed))

    def _period_ms(self) -> int | None:
        if self._options.frames_per_s is not None:
            return max(1, int(1_000 * len(self._channels) / self._options.frames_per_s))
        return int(self._options.forming_every_s * 1_000) or None
