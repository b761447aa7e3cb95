"""When a connection must go, and when another may take its place.

::

    old  ──────────────────────────────────────────────┬─ goodbye, read out
    new        turn, pace, connect, subscribe ─ settled ┴───────────────────────
                                                └ overlap ┘

The turn makes rotations of one exchange connect and subscribe one at a time; the overlap, which costs the exchange
nothing but a socket, is outside it, so that a notice to all connections is obeyed within the minute that it gives.
While both deliver, everything comes twice: the buffer knows. If the new one fails, the old one stays until it dies.
"""

from math import inf

from streamer.domain.errors import ConnectionExpired, ConnectionIdle, FeedError
from streamer.feed.link import Link
from streamer.feed.surroundings import Surroundings

LIVELY_S = 60.0  # a connection brings a series, for what is judged here, if a frame of it came this lately
LOOK_S = 10.0  # between two looks at an overlap, and so its least: one socket may lag behind another
_SPREAD = 0.02  # of a lifetime, by which rotations come early, so that those of one start do not come together
_YOUNG_S = 30.0  # before which nothing is rotated: an exchange that greets with a notice makes no storm of it
_LONGEST_S = 300.0  # of an overlap: two intervals, but not of a day; what trades at all has spoken on both by then


async def must_go(link: Link, around: Surroundings) -> FeedError | None:
    """Why ``link`` must go, once it must: its lifetime is over, or it was let go. None when it has ended."""
    clock, expires_at = around.clock, None
    await link.ready.wait()
    lifetime_s = around.adapter.markets[link.shard.market].stream.limits.lifetime_s
    if lifetime_s is not None:
        expires_at = link.opened_at + lifetime_s * (1.0 - around.random.uniform(0.0, _SPREAD))
    try:
        async with clock.timeout_at(expires_at):
            await link.unwanted.wait()
    except TimeoutError:
        link.let_go(ConnectionExpired("its lifetime is over"))
    if link.why is not None:
        await clock.sleep(link.opened_at + _YOUNG_S - clock.monotonic())
    return link.why


async def overlap(old: Link, new: Link, around: Surroundings) -> None:
    """Return when ``new`` brings what ``old`` does, at the latest after two intervals; or when it has ended.

    Only what both are meant to carry counts: the new one may be without what was delisted.

    One that by then has brought nothing, while the old one brings candles, is given up.
    """
    clock = around.clock
    wanted = {one.series for one in new.shard.subscriptions}
    longest_s = max(series.interval.seconds for series in wanted)
    until_at = new.settled_at + min(2.0 * longest_s, _LONGEST_S)
    while new.cause is None:
        await clock.sleep(LOOK_S)
        lively, spoken = old.heard_since(clock.monotonic() - LIVELY_S) & wanted, new.heard_since(-inf)
        if lively <= spoken and old.confirmed() & wanted <= new.confirmed():
            return
        if clock.monotonic() >= until_at:
            if lively and not spoken:
                new.give_up(ConnectionIdle("the new connection brought nothing that the old one did"))
            return
