"""Make before break. Frames are numbered by the time, so that a hole would show whoever delivers them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from streamer.domain.errors import ConnectFailed, ConnectionLost
from tests.fakes.connection import DEAF, GOODBYE, Await, Repeat, Step, again
from tests.fakes.feed_stage import Stage
from tests.fakes.toy_exchange import LIMITS, candle_of, series_of

LOST = ConnectionLost("gone")
REFUSED = ConnectFailed("refused")
HOUR_S = 3_600.0
AGED = replace(LIMITS, lifetime_s=23 * HOUR_S)
ONE_EACH = replace(LIMITS, series_per_connection=1)


def every(seconds: float) -> Repeat:
    """A closed candle of ``a`` at every multiple of so many seconds, its number that of the multiple."""
    return Repeat(seconds, lambda number: f"closed a {number}".encode())


def live(*steps: Step) -> list[Step]:
    """A connection that confirms its first request, and what it does then."""
    return [Await(1), b"ack 1", *steps]


def delivered(stage: Stage) -> list[int]:
    """The numbers of the candles that came, from whichever connection, each once."""
    first = candle_of("a").open_time
    return sorted({int((candle.open_time - first).total_seconds()) // 60 for candle in stage.news.candles})


def assert_no_hole(stage: Stage) -> None:
    """Every number from the first to the last came."""
    numbers = delivered(stage)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


async def overlap_of(stage: Stage) -> float:
    """How long two connections stay open from now on."""
    assert stage.open() == 2
    began_at = stage.clock.monotonic()
    while stage.open() == 2:
        await stage.clock.advance(1.0)
    return stage.clock.monotonic() - began_at


async def test_two_days_have_two_rotations_and_no_hole() -> None:
    """One before 23 h of age, never two; every frame comes; nothing is announced anew and nothing counts as failure."""
    stage = Stage(live(every(30.0)), limits=AGED)
    async with stage.running():
        await stage.clock.advance(46 * HOUR_S)
        opened_at = stage.connector.attempted_at
        ages = [after - before for before, after in pairwise(opened_at)]
        assert len(ages) == 2
        assert all(22.5 * HOUR_S <= age <= 23 * HOUR_S for age in ages)
        assert delivered(stage) == list(range(1, int(46 * HOUR_S / 30) + 1))
        assert stage.reconnects("rotated") == 2
        assert sum(stage.reconnects(reason) or 0 for reason in ("lost", "connect_failed", "idle")) == 0
        assert (stage.news.settled, stage.news.broken) == ([["A-USDT"]], [])
        assert stage.states() == {"live": 1}


async def test_a_lifetime_begins_when_the_connection_opens() -> None:
    """Two that are lost together and then wait for the pace live as long as others."""
    noisy = Repeat(10.0, lambda _: b"pong")
    lost = live(*again(10.0, b"pong", 70), LOST)
    limits = replace(ONE_EACH, lifetime_s=2_000.0)
    stage = Stage(lost, lost, live(noisy), topics=["a", "b"], limits=limits)
    async with stage.running():
        await stage.clock.advance(710.0)
        assert len(stage.connector.attempted_at) == 4
        await stage.clock.advance(1_940.0)
        assert len(stage.connector.attempted_at) == 4
        await stage.clock.advance(60.0)
        assert len(stage.connector.attempted_at) == 6


async def test_a_notice_before_the_first_answer_waits_for_it() -> None:
    """There is nothing to hand over yet; a connection that never settles fails as any other."""
    stage = Stage([Await(1), b"leaving now", *again(1.0, b"other", 60)], live(every(1.0)))
    async with stage.running():
        await stage.clock.advance(19.0)
        assert len(stage.connector.attempted_at) == 1
        await stage.clock.advance(5.0)
        assert (stage.reconnects("subscription_timed_out"), stage.reconnects("asked")) == (1, 0)


async def test_both_deliver_for_a_while_and_only_for_a_while() -> None:
    """Frames of every second come twice in between, and the old one is closed after ten seconds."""
    stage = Stage(live(every(1.0)), limits=replace(LIMITS, lifetime_s=900.0))
    async with stage.running():
        while stage.open() < 2:
            await stage.clock.advance(1.0)
        assert 9 <= await overlap_of(stage) <= 12
        await stage.clock.advance(20.0)
        twice = len(stage.news.candles) - len(delivered(stage))
        assert 9 <= twice <= 12
        assert_no_hole(stage)


@pytest.mark.parametrize("answer", ["nothing", "the other series"])
async def test_the_overlap_lasts_two_intervals_at_most(answer: str) -> None:
    """A series that the new connection does not bring keeps the old one for two minutes, not for ever."""
    chatter = Repeat(5.0, lambda number: b"forming a" if number % 2 else b"forming b")
    half = Repeat(5.0, lambda _: b"forming a" if answer == "the other series" else b"pong")
    stage = Stage(live(35.0, b"leaving upgrade", chatter), live(half), topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(35.0)
        assert 120 <= await overlap_of(stage) <= 131
        old, new = stage.connector.connections[:2]
        # One that brought something takes over; one that brought nothing at all is given up, and the old one stays.
        assert (old.closed, new.closed) == ((True, False) if answer == "the other series" else (False, True))
        assert stage.reconnects("asked") == (answer == "the other series")


async def test_a_thin_series_holds_nothing_up() -> None:
    """What the old connection did not bring lately either is not waited for."""
    chatter = Repeat(5.0, lambda _: b"forming a")
    old = live(b"forming b", *again(5.0, b"forming a", 14), b"leaving now", chatter)
    stage = Stage(old, live(chatter), topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(71.0)
        assert await overlap_of(stage) <= 12


async def test_the_old_one_stays_while_no_new_one_can_be_had() -> None:
    """An hour of refusals costs nothing, neither a frame nor a failure; the exchange is not stormed either."""
    stage = Stage(live(every(10.0)), *[REFUSED] * 200, limits=replace(LIMITS, lifetime_s=7_200.0))
    async with stage.running():
        await stage.clock.advance(3 * HOUR_S)
        assert 60 < len(stage.connector.attempted_at) < 180
        assert stage.reconnects("connect_failed") == 0
        assert stage.facts.said("rotation_failed") == len(stage.connector.attempted_at) - 1
        stage.connector.scripts = (live(every(10.0)),)
        await stage.clock.advance(HOUR_S / 6)
        assert stage.reconnects("rotated") == 1
        assert_no_hole(stage)
        assert (stage.news.settled, stage.news.broken) == ([["A-USDT"]], [])


async def test_a_new_one_that_dies_while_both_deliver_is_tried_again() -> None:
    """Its end is not the line's."""
    dying = live(b"forming a", 5.0, LOST)
    stage = Stage(live(every(1.0)), dying, live(every(1.0)), limits=replace(LIMITS, lifetime_s=600.0))
    async with stage.running():
        await stage.clock.advance(650.0)
        assert len(stage.connector.attempted_at) == 3
        assert (stage.reconnects("rotated"), stage.reconnects("lost"), stage.news.broken) == (1, 0, [])
        assert_no_hole(stage)


async def test_an_announced_close_is_obeyed_without_a_break() -> None:
    """Not before the connection is half a minute old: an exchange that greets with the notice makes no storm of it."""
    stage = Stage(live(b"leaving upgrade", every(1.0)))
    async with stage.running():
        await stage.clock.advance(HOUR_S / 4 + 15.0)
        assert 20 <= len(stage.connector.attempted_at) <= 31
        assert_no_hole(stage)
        assert (stage.reconnects("asked"), stage.news.broken) == (len(stage.connector.attempted_at) - 1, [])


async def test_a_notice_in_the_middle_of_a_rotation_starts_no_other() -> None:
    """One replacement is enough for both reasons."""
    frames: list[Step] = [step for number in range(1, 700) for step in (1.0, f"closed a {number}".encode())]
    for position in range(1_170, 1_230, 4):
        frames.insert(position, b"leaving now")
    stage = Stage(live(*frames), live(every(1.0)), limits=replace(LIMITS, lifetime_s=600.0))
    async with stage.running():
        await stage.clock.advance(640.0)
        assert len(stage.connector.attempted_at) == 2
        assert_no_hole(stage)


@pytest.mark.parametrize(("settles", "broken"), [(True, []), (False, [(0, 1, "lost")])])
async def test_the_old_one_dying_first_is_a_break_only_without_a_settled_new_one(
    settles: bool, broken: Sequence[object]
) -> None:
    """Either way the new one is the line's, and what may have been missed is looked for."""
    dying: list[Step] = [*again(5.0, b"forming a", 7), b"leaving now", 3.0, LOST]
    slow: list[Step] = [Await(1), 6.0, b"ack 1", every(1.0)]
    new = live(every(1.0)) if settles else slow
    stage = Stage(live(*dying), new)
    async with stage.running():
        await stage.clock.advance(60.0)
        assert len(stage.connector.attempted_at) == 2
        assert stage.news.broken == broken
        assert stage.news.settled == [["A-USDT"]] * 2
        assert (stage.reconnects("asked"), stage.reconnects("lost")) == ((1, 0) if settles else (0, 1))
        assert stage.states() == {"live": 1}


async def test_a_notice_to_all_connections_is_obeyed_one_at_a_time() -> None:
    """Eight connections told at once: each new one is asked for when the last has settled, all within a minute."""
    topics = [f"t{number}" for number in range(8)]
    noisy = Repeat(1.0, lambda _: b"pong")
    first: list[Step] = [Await(1), b"ack 1", *again(10.0, b"pong", 5), b"leaving upgrade", noisy]
    slow: list[Step] = [Await(1), 2.0, b"ack 1", noisy]
    stage = Stage(*[first] * 8, slow, topics=topics, limits=ONE_EACH)
    async with stage.running():
        await stage.clock.advance(50.0)
        subscribing = []
        for _ in range(120):
            await stage.clock.advance(0.5)
            open_now = [connection for connection in stage.connector.connections if not connection.closed]
            subscribing.append(sum(connection.script is slow and connection._next < 3 for connection in open_now))
        assert max(subscribing) == 1
        assert stage.reconnects("asked") == 8
        assert len(stage.connector.attempted_at) == 16
        assert stage.connector.attempted_at[-1] < 50.0 + 60.0
        assert stage.news.broken == []


async def test_rotations_of_one_start_are_spread() -> None:
    """Connections that opened together do not go together."""
    stage = Stage(
        live(Repeat(20.0, lambda _: b"pong")), topics=list("abcd"), limits=replace(ONE_EACH, lifetime_s=2 * HOUR_S)
    )
    async with stage.running():
        await stage.clock.advance(2 * HOUR_S + 60.0)
        second = stage.connector.attempted_at[4:]
        assert len(second) == 4
        assert second[-1] - second[0] > 30.0
        assert min(after - before for before, after in pairwise(second)) > 1.0


async def test_a_series_that_the_new_one_lacks_is_announced_when_it_comes() -> None:
    """Refused by the new connection it is waited for, not for ever, and not forgotten."""
    chatter = Repeat(1.0, lambda _: b"forming a")
    old = live(b"forming b", *again(5.0, b"forming a", 7), b"leaving now", chatter)
    new = [Await(1), b"reject-topic b", b"ack-topic a", *again(1.0, b"forming a", 200), b"forming b", chatter]
    stage = Stage(old, new, topics=["a", "b"])
    async with stage.running():
        await stage.clock.advance(35.0 + 115.0)
        assert stage.open() == 2
        await stage.clock.advance(20.0)
        assert stage.open() == 1
        assert stage.news.settled == [["A-USDT", "B-USDT"]]
        await stage.clock.advance(80.0)
        assert stage.news.settled == [["A-USDT", "B-USDT"], ["B-USDT"]]


async def test_nothing_is_subscribed_anew_or_replaced_during_a_rotation() -> None:
    """The new connection is both already."""
    stage = Stage(live(every(1.0)), limits=replace(LIMITS, lifetime_s=600.0))
    async with stage.running():
        while stage.open() < 2:
            await stage.clock.advance(1.0)
        assert not stage.feed.resubscribe(series_of("a"))
        assert not stage.feed.replace(0, "withheld")


async def test_a_stop_during_a_rotation_reads_both_out() -> None:
    """What either peer still sends before it answers our close is told."""
    old = live(*again(5.0, b"forming a", 7), b"leaving now", GOODBYE, b"closed a 1", 0.5, b"closed a 2")
    new = live(b"forming a", GOODBYE, b"closed a 2", 1.0, b"closed a 3")
    stage = Stage(old, new)
    task = asyncio.create_task(stage.feed.run())
    await stage.clock.advance(38.0)
    assert stage.open() == 2
    task.cancel()
    await stage.clock.advance(1.0)
    await asyncio.wait({task})
    assert task.cancelled()
    assert delivered(stage) == [1, 2, 3]
    assert stage.open() == 0


async def test_a_stop_waits_two_seconds_for_a_peer_that_does_not_answer() -> None:
    """And no longer."""
    stage = Stage(live(b"closed a 1", DEAF))
    task = asyncio.create_task(stage.feed.run())
    await stage.clock.advance(5.0)
    task.cancel()
    await stage.clock.advance(1.9)
    assert not task.done()
    await stage.clock.advance(0.1)
    assert task.cancelled()
