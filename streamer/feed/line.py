"""One planned connection, kept alive for ever: replaced when it breaks, and before the exchange cuts it."""

import asyncio

from streamer.domain.errors import FeedError, SeriesJoined
from streamer.domain.series import Series
from streamer.feed.coverage import Coverage
from streamer.feed.link import Link
from streamer.feed.news import Heard
from streamer.feed.rotation import LIVELY_S, LOOK_S, must_go, overlap
from streamer.feed.surroundings import Surroundings
from streamer.protocol.session import FeedSession
from streamer.protocol.sharding import Shard
from streamer.timing.retry import Health, Wait, keep_trying


class Line:
    """One shard's connection, whichever it is at the moment."""

    def __init__(self, shard: Shard, around: Surroundings) -> None:
        self._shard = shard
        self._around = around
        self._link: Link | None = None
        self._successor: Link | None = None
        self._health = Health()
        self._said_live: Link | None = None
        self._coverage = Coverage()
        self._replacing = False
        self._name = (around.adapter.name, shard.market.value, shard.number)
        around.enter(shard.number, "waiting")

    # ------------------------------------------------------------ asked

    @property
    def live(self) -> bool:
        """Whether a settled connection delivers."""
        return self._link is not None and self._link.settled

    @property
    def rotating(self) -> bool:
        """Whether its connection is being replaced, or will be as soon as it can."""
        return self._replacing or (self._link is not None and self._link.why is not None)

    def heard(self, series: Series) -> Heard:
        """What the present connection has brought of ``series``."""
        session, number = None if self._link is None else self._link.session, self._shard.number
        if session is None or not session.carries(series):
            return Heard(number)
        return Heard(number, session.confirmed_at(series), session.heard_at(series), session.closed_ms(series))

    def resubscribe(self, series: Series) -> bool:
        """Leave ``series`` and ask for it anew; False when it is not live, a rotation does it or the limits forbid."""
        if self._link is None or self.rotating or not self._link.resubscribe(series):
            return False
        self._coverage.drop(series)  # what comes in between is missed
        return True

    def replace(self, why: FeedError) -> bool:
        """Replace the connection: make before break while it brings anything, else at once. False when none is live."""
        link = self._link
        if link is None or not link.settled:
            return False
        self._replacing = True
        if link.heard_since(self._around.clock.monotonic() - LIVELY_S):
            link.let_go(why)
        else:
            link.give_up(why)
        return True

    def carry(self, shard: Shard) -> None:
        """Carry the series of ``shard``, which has the same number, from now on.

        Where some are new, another connection takes the place of this one, make before break. Those that are gone are
        left out of the next one, whenever it is made.
        """
        self._shard = shard
        self._coverage.keep({one.series for one in shard.subscriptions})
        self._see_all_carried()

    # ------------------------------------------------------------ alive

    async def run(self) -> None:
        """Keep a connection alive until cancelled, which closes it and loses nothing that comes before the answer."""
        async with asyncio.TaskGroup() as tasks:

            async def live(health: Health) -> None:
                self._health = health
                await self._live(tasks)

            await keep_trying(
                live,
                retryable=lambda error: isinstance(error, FeedError),
                clock=self._around.clock,
                backoff=self._around.backoff,
                random=self._around.random,
                before_wait=self._failed,
            )

    async def _live(self, tasks: asyncio.TaskGroup) -> None:
        """Connect, and carry on over every rotation, until a connection ends that no other takes over from."""
        link = self._link = self._open(tasks)
        try:
            while True:
                rotation = tasks.create_task(self._rotate(link, tasks))
                await asyncio.wait({link.over})
                rotation.cancel()
                if self._link is link:
                    self._inherit(link)
                link = self._link
        finally:
            self._link = self._successor = None

    def _open(self, tasks: asyncio.TaskGroup) -> Link:
        link = Link(self._shard, self._around, self._moved)
        link.start(tasks)
        return link

    def _moved(self, link: Link) -> None:
        """The state or the conversation of a connection moved on; the present one's is news."""
        if link is not self._link:
            return
        self._around.enter(self._shard.number, link.state)
        if link.settled and link.session is not None and link.session.settled:
            self._announce(link, link.session)
            if link.session.healthy(self._around.clock.monotonic()):
                self._health.report()

    def _announce(self, link: Link, session: FeedSession) -> None:
        """Tell which series are delivered from now on, and were not just before."""
        self._replacing = self._replacing and link.why is not None
        wanted = {one.series for one in self._shard.subscriptions}
        confirmed = [series for series in session.confirmed() if series in wanted]
        if self._said_live is not link:
            self._said_live = link
            self._around.recorder.connection_live(*self._name, len(confirmed))
        if new := self._coverage.extend(confirmed, self._around.clock.monotonic()):
            self._around.listener.connection_settled(new)

    def _failed(self, wait: Wait) -> None:
        reason = wait.cause.reason if isinstance(wait.cause, FeedError) else "error"
        self._around.enter(self._shard.number, "waiting")
        self._around.recorder.connection_failed(*self._name, reason, wait)

    # ------------------------------------------------------------ one after another

    async def _rotate(self, old: Link, tasks: asyncio.TaskGroup) -> None:
        """Wait until ``old`` must go; make another, as often as it takes; hand over."""
        if (why := await must_go(old, self._around)) is None:
            return

        def failed(wait: Wait) -> None:
            self._around.recorder.rotation_failed(*self._name, why.reason, wait)

        successor = await keep_trying(
            lambda _: self._succeed(old, tasks),
            retryable=lambda error: isinstance(error, FeedError),
            clock=self._around.clock,
            backoff=self._around.backoff,
            random=self._around.random,
            before_wait=failed,
        )
        self._hand_over(successor, why)
        old.give_up(why)

    async def _succeed(self, old: Link, tasks: asyncio.TaskGroup) -> Link:
        """Make a connection that may take over from ``old``.

        Raises:
            FeedError: it ended before that.
        """
        async with self._around.turn:
            successor = self._successor = self._open(tasks)
            await successor.ready.wait()
        await overlap(old, successor, self._around)
        if successor.cause is not None:
            self._successor = None
            raise successor.cause
        return successor

    def _inherit(self, link: Link) -> None:
        """Put the successor in the place of a connection that ended by itself; without one, raise why it ended."""
        if (cause := link.cause) is None:
            raise RuntimeError("a connection ended and did not say why")
        successor, now_at = self._successor, self._around.clock.monotonic()
        if successor is not None and successor.settled:
            if now_at < successor.settled_at + LOOK_S:
                self._coverage.keep(())  # no break, but the old one may have been behind
            self._hand_over(successor, link.why or cause)
            return
        if lost := self._coverage.end(now_at):
            self._around.listener.connection_broken(self._shard.number, lost, cause.reason)
        if successor is None or successor.cause is not None:
            raise cause
        self._failed(Wait(1, 0.0, cause))
        self._take_over(successor)

    def _hand_over(self, successor: Link, why: FeedError) -> None:
        self._around.recorder.connection_rotated(*self._name, why.reason, why)
        self._said_live = successor
        self._coverage.keep(successor.confirmed())
        self._take_over(successor)

    def _take_over(self, successor: Link) -> None:
        self._link, self._successor = successor, None
        self._moved(successor)
        self._see_all_carried()  # it was made before others joined

    def _see_all_carried(self) -> None:
        """Have the present connection replaced if it was made without a series that it must carry."""
        link = self._link
        if link is None:
            return
        joined = _meanings(self._shard) - _meanings(link.shard)
        if joined:
            link.let_go(SeriesJoined(f"{len(joined)} more series to follow"))


def _meanings(shard: Shard) -> set[tuple[str, float]]:
    """What a connection asks for, and in which units it takes the answers."""
    return {(one.topic, one.instrument.contract_size) for one in shard.subscriptions}
