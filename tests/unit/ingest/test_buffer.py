"""Candles on their way to the database."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source
from streamer.ingest.buffer import Buffer
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import candle_of

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def live(minute: int, topic: str = "a", close: float = 1.5) -> Delivery:
    """A candle off a stream."""
    return Delivery(candle_of(topic, minute, close), Source.WS, TIME)


def history(count: int, first: int = 10_000) -> list[Delivery]:
    """Consecutive candles from REST."""
    return [Delivery(candle_of("a", first + number), Source.REST, TIME) for number in range(count)]


def dropped(facts: Facts) -> float:
    """How many candles gave way."""
    return facts.metric("candles_dropped_total", exchange="test") or 0.0


async def settle() -> None:
    """Let waiting tasks go on."""
    for _ in range(10):
        await asyncio.sleep(0)


# ---------------------------------------------------------------- live candles


async def test_candles_come_out_in_the_order_in_which_they_came() -> None:
    """Oldest first, no more than asked for; they count until they are settled."""
    buffer = Buffer(10, Facts().recorder)
    for minute in range(5):
        buffer.offer(live(minute))
    batch = await buffer.take(3)
    assert batch == [live(0), live(1), live(2)]
    assert len(buffer) == 5
    await buffer.settle(batch)
    assert len(buffer) == 2
    assert await buffer.take(100) == [live(3), live(4)]


async def test_a_full_buffer_gives_up_its_oldest_live_candles_and_says_so() -> None:
    """The newest stay, each loss is counted, and it is said once."""
    facts = Facts()
    buffer = Buffer(3, facts.recorder)
    for minute in range(5):
        buffer.offer(live(minute))
    assert await buffer.take(10) == [live(2), live(3), live(4)]
    assert dropped(facts) == 2
    assert facts.said("candles_dropped") == 1


async def test_an_equal_candle_of_the_last_stored_goes_no_further() -> None:
    """It is counted as duplicate; a changed one, an older one and another series' are not."""
    facts = Facts()
    buffer = Buffer(10, facts.recorder)
    buffer.offer(live(1))
    await buffer.settle(await buffer.take(10))
    others = [live(1, close=1.25), live(0), live(2), live(1, topic="b")]
    buffer.offer(live(1))
    for other in others:
        buffer.offer(other)
    assert await buffer.take(10) == others
    assert facts.metric("candles_duplicate_total", exchange="test") == 1


async def test_an_equal_candle_from_history_makes_a_duplicate_too() -> None:
    """What REST brought first, the stream need not bring again."""
    facts = Facts()
    buffer = Buffer(10, facts.recorder)
    await buffer.put([replace(live(1), source=Source.REST)])
    await buffer.settle(await buffer.take(10))
    buffer.offer(live(1))
    assert len(buffer) == 0
    assert facts.metric("candles_duplicate_total", exchange="test") == 1


async def test_an_older_stored_candle_does_not_hide_the_newer_one() -> None:
    """The last stored is the one with the latest open time, whatever order they are stored in."""
    buffer = Buffer(10, Facts().recorder)
    for minute in (5, 3):
        buffer.offer(live(minute))
        await buffer.settle(await buffer.take(10))
    buffer.offer(live(5))
    assert len(buffer) == 0


# ---------------------------------------------------------------- history


async def test_history_waits_for_room_and_live_candles_do_not() -> None:
    """It takes at most half, whoever fills the rest, and goes on when a batch is settled."""
    buffer = Buffer(10, Facts().recorder)
    for minute in range(4):
        buffer.offer(live(minute))
    waiting = asyncio.create_task(buffer.put(history(2)))
    await settle()
    assert not waiting.done()
    buffer.offer(live(4))
    await buffer.settle(await buffer.take(3))
    await settle()
    assert waiting.done()
    assert await buffer.take(10) == [live(3), live(4), *history(2)]


async def test_history_never_gives_way_and_never_pushes_live_candles_out() -> None:
    """A put that is longer than its half goes in by parts; an outage then costs the oldest live ones alone."""
    facts = Facts()
    buffer = Buffer(10, facts.recorder)
    put = asyncio.create_task(buffer.put(history(12)))
    await settle()
    assert len(buffer) == 5
    for minute in range(8):
        buffer.offer(live(minute))
    assert len(buffer) == 10
    assert dropped(facts) == 3
    taken = []
    while len(buffer):
        batch = await buffer.take(3)
        taken += batch
        await buffer.settle(batch)
        await settle()
    assert put.done()
    assert [delivery for delivery in taken if delivery.source is Source.WS] == [live(n) for n in range(3, 8)]
    assert [delivery for delivery in taken if delivery.source is Source.REST] == history(12)


async def test_cancelled_history_takes_nothing_more() -> None:
    """A put that waits and is cancelled leaves no candle behind."""
    buffer = Buffer(10, Facts().recorder)
    await buffer.put(history(5))
    waiting = asyncio.create_task(buffer.put(history(2, first=20_000)))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await buffer.take(100) == history(5)


async def test_history_of_nothing_ends_no_take() -> None:
    """An empty page is no news: take still means at least one."""
    buffer = Buffer(10, Facts().recorder)
    await buffer.put([])
    taking = asyncio.create_task(buffer.take(5))
    await settle()
    assert not taking.done()
    buffer.offer(live(0))
    assert await taking == [live(0)]


# ---------------------------------------------------------------- closing


async def test_closing_drains_and_then_answers_with_nothing() -> None:
    """What is held still comes out, in as many batches as it takes; then the end, again and again."""
    buffer = Buffer(10, Facts().recorder)
    for minute in range(3):
        buffer.offer(live(minute))
    buffer.close()
    assert await buffer.take(2) == [live(0), live(1)]
    assert await buffer.take(2) == [live(2)]
    assert await buffer.take(2) == []
    assert await buffer.take(2) == []


async def test_closing_wakes_a_take_that_waits() -> None:
    """The flusher learns of the end at once."""
    buffer = Buffer(10, Facts().recorder)
    taking = asyncio.create_task(buffer.take(5))
    await settle()
    buffer.close()
    assert await taking == []


async def test_a_cancelled_take_takes_nothing() -> None:
    """The next take gets what came."""
    buffer = Buffer(10, Facts().recorder)
    taking = asyncio.create_task(buffer.take(5))
    await settle()
    taking.cancel()
    buffer.offer(live(0))
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await buffer.take(5) == [live(0)]


# ---------------------------------------------------------------- whatever the interleaving

acts = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 6)),
        st.tuples(st.just("put"), st.integers(0, 12)),
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=40,
)


async def play(acts: Sequence[tuple[str, int]], capacity: int, facts: Facts) -> tuple[list[Delivery], ...]:
    """Play the acts, then drain: what was offered, what was put, and what came out."""
    buffer = Buffer(capacity, facts.recorder)
    offered: list[Delivery] = []
    given: list[Delivery] = []
    taken: list[Delivery] = []
    in_hand: list[Delivery] = []
    async with asyncio.TaskGroup() as tasks:
        for act, number in acts:
            if act == "offer":
                for _ in range(number):
                    offered.append(live(len(offered)))
                    buffer.offer(offered[-1])
            elif act == "put":
                page = history(number, first=10_000 + len(given))
                given += page
                tasks.create_task(buffer.put(page))
            elif act == "take" and len(buffer) > len(in_hand) and not in_hand:
                in_hand = await buffer.take(number)
                taken += in_hand
            elif act == "settle" and in_hand:
                await buffer.settle(in_hand)
                in_hand = []
            await settle()
            assert len(buffer) <= capacity + 1  # the newest is kept even while all others are being written
        await buffer.settle(in_hand)
        await settle()
        while len(buffer):
            in_hand = await buffer.take(7)
            taken += in_hand
            await buffer.settle(in_hand)
            await settle()
    return offered, given, taken


@settings(max_examples=150, deadline=None)
@given(acts=acts, capacity=st.sampled_from([7, 20, 1_000]))
def test_nothing_is_lost_but_the_oldest_live_candles_of_a_full_buffer(
    acts: list[tuple[str, int]], capacity: int
) -> None:
    """Every candle comes out once and in order, save those counted as dropped; with room, none is dropped."""
    facts = Facts()
    offered, given, taken = asyncio.run(play(acts, capacity, facts))
    out = [delivery for delivery in taken if delivery.source is Source.WS]
    assert sorted(delivery.candle.open_time for delivery in taken if delivery.source is Source.REST) == [
        delivery.candle.open_time for delivery in given
    ]
    assert out == [delivery for delivery in offered if delivery in out]
    assert len(out) + dropped(facts) == len(offered)
    if capacity == 1_000:
        assert dropped(facts) == 0
