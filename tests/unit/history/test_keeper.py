"""The keeper: what it asks for and when, what it lists, and how far its marks go."""

import pytest

from streamer.domain.errors import Unavailable
from streamer.history.keeper import KeeperOptions
from streamer.store.contract import GapCause, GapStatus
from tests.fakes.keeping import KeptWorld, minute_of

OPEN, ABSENT, REPAIRED = GapStatus.OPEN, GapStatus.ABSENT, GapStatus.REPAIRED
SERIES = 300
AWAY = Unavailable("no network")


async def test_a_start_is_repaired_before_any_connection() -> None:
    """What is settled at once, holes in the middle included, in one request each; the mark follows."""
    world = KeptWorld()
    world.store(-30, -28)
    service = await world.service().start(since=-40)
    await world.go_to(0.5)
    assert world.minutes() == list(range(-40, -1))
    assert [first for first, _ in world.requests()] == [-40, -27]
    assert world.mark() == -1
    assert await world.runs() == []
    await service.end()


async def test_the_rest_of_a_start_comes_once_connected() -> None:
    """The candle that ended with the start, when it is settled, and the one during which the connection came."""
    world = KeptWorld()
    service = await world.service().start(since=-10)
    await world.go_to(1.9)
    service.connect()
    for minute in range(2, 12):
        await world.go_to(minute + 1.1)
        service.stream(minute)
    assert world.minutes() == list(range(-10, 12))
    assert [first for first, _ in world.requests()] == [-10, -1, 0]
    assert world.mark() == 11
    await service.end()


async def test_a_break_costs_one_request_per_series() -> None:
    """None while it lasts, one for all of it after."""
    world = KeptWorld("BTC", "ETH")
    world.store(-10, -1)
    service = await world.service().start()
    service.trade("BTC")
    service.connect()
    await world.go_to(0.5)
    service.disconnect()
    await world.go_to(2.4)
    assert world.exchange.asked == []
    service.connect()
    for minute in range(2, 30):
        await world.go_to(minute + 1.1)
        service.stream(minute)
    assert world.minutes() == world.minutes("ETH") == list(range(-10, 30))
    assert (len(world.requests()), len(world.requests("ETH"))) == (1, 1)
    assert world.facts.metric("candles_late_total", exchange="test") in (None, 0)
    assert service.shown == []
    await service.end()


async def test_frames_that_are_late_cost_nothing() -> None:
    """An hour in which every closing frame is 25 s late: no request, no gap, no verdict, and the mark keeps up."""
    world = KeptWorld("BTC", "ETH")
    world.store(-10, -1)
    service = await world.service().start()
    service.trade("BTC")
    service.connect()
    await world.go_to(0.3)
    for minute in range(60):
        await world.go_to(minute + 1 + 25 / 60)
        service.stream(minute)
    assert world.exchange.asked == []
    assert service.shown == []
    assert await world.runs() == []
    assert world.mark() >= 59
    await service.end()


async def test_a_lively_series_gets_its_late_candle_after_three_intervals() -> None:
    """Counted as late, shown to the sentinel, and no gap."""
    world = KeptWorld()
    world.store(-10, -1)
    service = await world.service().start()
    service.trade()
    service.connect("BTC")
    for minute in range(1, 6):
        await world.go_to(minute + 1.05)
        if minute != 2:
            service.stream(minute)
        if minute == 1:
            service.stream(0)
    await world.go_to(5.9)
    assert world.requests() == []
    await world.go_to(6.6)
    assert world.requests() == [(2, 5)]
    assert service.shown == [("BTC-USDT", [2])]
    assert world.facts.metric("candles_late_total", exchange="test") == 1
    assert await world.runs() == []
    await service.end()


async def test_a_late_one_is_dropped_if_its_frame_comes_while_it_waits_for_its_turn() -> None:
    """A hundred series late together, at one request in ten seconds: those that came meanwhile are not asked for."""
    world = KeptWorld(*(f"S{number}" for number in range(100)), spacing_s=10.0)
    world.store(-10, -1)
    service = await world.service().start()
    service.trade()
    service.connect()
    await world.go_to(1.5)
    for minute in range(1, 5):
        await world.go_to(minute + 1.5)
        service.stream(minute)
    await world.go_to(4.8)
    asked = len(world.exchange.asked)
    assert 0 < asked < 10
    service.stream(0)
    for minute in range(5, 25):
        await world.go_to(minute + 1.05)
        service.stream(minute)
    assert len(world.exchange.asked) <= asked + 1
    await service.end()


async def test_a_thin_series_costs_one_request_in_ten_minutes() -> None:
    """However many of its minutes are silent; the empty candles that REST has are stored."""
    world = KeptWorld()
    world.exchange.volume = lambda _symbol, _minute: 0.0
    world.store(-10, -1)
    service = await world.service().start()
    service.connect()
    await world.go_to(61)
    assert 6 <= len(world.requests()) <= 7
    assert world.minutes() == list(range(-10, max(world.minutes()) + 1))
    assert max(world.minutes()) > 48
    assert await world.runs() == []
    await service.end()


async def test_five_hundred_thin_series_cost_a_twentieth_of_a_pool() -> None:
    """For an hour without a single candle anywhere: no gap, and fewer than 60 of 1,200 requests a minute."""
    world = KeptWorld(*(f"S{number}" for number in range(500)))
    world.exchange.volume = lambda _symbol, _minute: None
    world.store(-10, -1)
    service = await world.service(KeeperOptions(every_s=30.0)).start()
    service.connect()
    await world.go_to(60)
    assert len(world.exchange.asked) <= 60 * 60
    per_minute = [sum(minute <= at / 60 < minute + 1 for at in world.exchange.asked_at) for minute in range(60)]
    assert max(per_minute) <= 4 * 60 + 1
    assert await world.runs() == []
    assert service.shown == []
    await service.end()


async def test_a_thin_trailing_run_is_no_gap_until_a_candle_follows() -> None:
    """Nothing there, nothing said; once a later candle exists the silent minutes are absent, by its witness."""
    world = KeptWorld()
    world.exchange.volume = lambda _symbol, minute: None if 0 <= minute < 25 else 3.0
    world.store(-10, -1)
    service = await world.service().start()
    service.connect()
    await world.go_to(24.5)
    assert await world.runs() == await world.runs(ABSENT) == []
    assert world.mark() == 0
    for minute in range(25, 50):
        await world.go_to(minute + 1.1)
        service.stream(minute)
    assert await world.runs(ABSENT) == [(0, 24)]
    assert await world.runs() == []
    assert world.mark() == 49
    await service.end()


async def test_a_lively_series_that_falls_silent_is_listed_once_and_then_thin() -> None:
    """A halt: the first silent minute is an open gap, and no minute after it costs a request of its own."""
    world = KeptWorld()
    world.exchange.volume = lambda _symbol, minute: None if minute >= 0 else 3.0
    world.store(-10, -1)
    service = await world.service().start()
    service.trade()
    service.connect()
    await world.go_to(4.5)
    assert await world.runs() == [(0, 0)]
    [gap] = await world.gaps()
    assert (gap.cause, gap.last_error) == (GapCause.LATE, "the exchange served nothing there")
    await world.go_to(64)
    assert len(world.requests()) <= 6 + 5  # every ten minutes, and the gap after 1, 5, 15 minutes
    assert world.mark() == 0
    await service.end()


async def test_a_failure_is_a_gap_with_its_reason_and_pauses_that_grow() -> None:
    """Asked again after 1, 5, 15 and 60 minutes; when it comes at last, the gap is repaired and the mark moves on."""
    world = KeptWorld()
    world.store(-10, -6)
    world.store(-4, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service().start()
    service.connect()
    for minute in range(100):
        await world.go_to(minute + 1.05)
        service.stream(minute)
    [gap] = await world.gaps()
    assert (gap.cause, gap.last_error, gap.attempts) == (GapCause.START, "no network", 5)
    expected = [0, 60, 360, 1_260, 4_860]
    assert world.exchange.asked_at == pytest.approx(expected, abs=60)
    assert world.mark() == -5
    world.exchange.failure = lambda _symbol: None
    await world.go_to(100 + 6 * 60)
    assert await world.runs(REPAIRED) == [(-5, -5)]
    assert world.facts.said("gap_opened") == 1
    await service.end()


async def test_any_source_closes_a_gap() -> None:
    """A candle that appears in the store by itself: the gap is repaired at the next pass, and the mark moves."""
    world = KeptWorld()
    world.store(-10, -6)
    world.store(-4, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service().start()
    await world.go_to(0.4)
    assert await world.runs() == [(-5, -5)]
    assert world.mark() == -5
    world.store(-5, -5)
    await world.go_to(1.0)
    assert await world.runs() == []
    assert await world.runs(REPAIRED) == [(-5, -5)]
    assert world.mark() == 0
    await service.end()


async def test_absent_is_asked_for_once_more_after_a_day() -> None:
    """Still nothing: never again."""
    world = KeptWorld(page_rows=2_000)
    world.exchange.volume = lambda _symbol, minute: None if minute == -5 else 3.0
    service = await world.service(KeeperOptions(every_s=600.0)).start()
    await world.go_to(10)
    assert await world.runs(ABSENT) == [(-5, -5)]

    def asked() -> int:
        return sum(first <= -5 <= last for first, last in world.requests())

    assert asked() == 1
    await world.go_to(23 * 60)
    assert asked() == 1
    await world.go_to(5 * 24 * 60)
    assert asked() == 2
    assert await world.runs(ABSENT) == [(-5, -5)]
    await service.end()


@pytest.mark.parametrize("outcome", ["silent", "failed", "there"])
async def test_what_proves_nothing_takes_nothing_from_a_proof(outcome: str) -> None:
    """A day later the exchange answers with nothing, not at all, or with the candle."""
    world = KeptWorld(page_rows=2_000)
    world.exchange.volume = lambda _symbol, minute: None if minute == -5 else 3.0
    service = await world.service(KeeperOptions(every_s=600.0)).start()
    await world.go_to(10)
    asked = len(world.requests())
    if outcome == "silent":
        world.exchange.volume = lambda _symbol, _minute: None
    elif outcome == "failed":
        world.exchange.failure = lambda _symbol: AWAY
    else:
        world.exchange.volume = lambda _symbol, _minute: 3.0
    await world.go_to(25 * 60)
    assert len(world.requests()) > asked
    assert [run for run in await world.runs(OPEN) if run[0] <= -5] == []
    assert await world.runs(REPAIRED if outcome == "there" else ABSENT) == [(-5, -5)]
    await service.end()


async def test_an_unclosed_candle_is_asked_for_again() -> None:
    """Not confirmed by the exchange long after its end, with later ones there: open, and stored once it is."""
    world = KeptWorld()
    world.exchange.unclosed = {-5}
    service = await world.service().start()
    await world.go_to(0.5)
    assert await world.runs() == [(-5, -5)]
    assert await world.runs(ABSENT) == []
    world.exchange.unclosed = set()
    await world.go_to(2.0)
    assert -5 in world.minutes()
    assert await world.runs(REPAIRED) == [(-5, -5)]
    await service.end()


async def test_an_impossible_candle_is_a_rejected_gap() -> None:
    """The exchange published it, so it is not absent; what comes right later is stored."""
    world = KeptWorld()
    world.exchange.impossible = {-5}
    service = await world.service().start()
    await world.go_to(0.5)
    [gap] = await world.gaps()
    assert (minute_of(gap.run.first_time), gap.run.candles, gap.cause) == (-5, 1, GapCause.REJECTED)
    assert await world.runs(ABSENT) == []
    world.exchange.impossible = set()
    await world.go_to(2.0)
    assert -5 in world.minutes()
    await service.end()


async def test_all_gaps_of_one_series_are_taken_up_when_due() -> None:
    """None waits for another's ten minutes of being claimed."""
    world = KeptWorld()
    for minute in range(-10, 0, 2):
        world.store(minute, minute)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service().start()
    await world.go_to(0.9)
    assert len(await world.runs()) >= 4
    world.exchange.failure = lambda _symbol: None
    await world.go_to(3.0)
    assert await world.runs() == []
    await service.end()


async def test_marks_stay_when_not_every_open_gap_can_be_looked_at() -> None:
    """No mark passes an open gap that was not read."""
    world = KeptWorld("BTC", "ETH")
    world.store(-10, -6)
    world.store(-4, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service(KeeperOptions(open_gaps=1)).start()
    await world.go_to(0.9)
    assert len(await world.runs()) == 2
    assert (world.mark(), world.mark("ETH")) <= (-5, -5)
    await service.end()


async def test_a_connection_that_flaps_for_an_hour_leaves_no_gap() -> None:
    """Three hundred series, a break of twenty seconds every minute over its end: REST brings all of it as breaks."""
    bases = [f"S{number}" for number in range(SERIES)]
    world = KeptWorld(*bases)
    world.store(-10, -1)
    service = await world.service(KeeperOptions(every_s=20.0)).start()
    service.trade()
    service.connect()
    for minute in range(60):
        await world.go_to(minute + 0.8)
        service.disconnect()
        await world.go_to(minute + 1.1)
        service.connect()
    await world.go_to(60.5)
    service.stream(60)
    await world.go_to(63)
    assert all(world.minutes(base)[:71] == list(range(-10, 61)) for base in bases)
    assert await world.runs() == []
    assert world.facts.metric("candles_late_total", exchange="test") in (None, 0)
    assert service.shown == []
    assert len(world.exchange.asked) <= SERIES * 61
    await service.end()
