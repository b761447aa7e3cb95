"""The keeper and thin series whose streams tell nothing of empty minutes: cheap, and yet never behind."""

from streamer.store.contract import GapStatus
from tests.fakes.keeping import KeptWorld


async def _hours(world: KeptWorld, traded: int) -> None:
    """Two hours of a service, the stream telling only of minutes that divide by ``traded``."""
    world.store(-10, -1)
    service = await world.service().start()
    service.connect()
    for minute in range(120):
        await world.go_to(minute + 1.05)
        if minute % traded == 0:
            service.stream(minute)
    await world.go_to(121)
    await service.end()


async def test_a_stream_that_skips_empty_minutes_is_made_up_for_by_one_request_in_ten_minutes() -> None:
    """Every other minute is silent, and REST has flat candles of them: many short holes, one request for all."""
    world = KeptWorld()
    world.exchange.volume = lambda _symbol, minute: 0.0 if minute % 2 else 3.0
    await _hours(world, traded=2)
    assert 11 <= len(world.requests()) <= 13
    assert world.minutes()[:111] == list(range(-10, 101))
    assert world.mark() >= 100
    assert world.facts.metric("candles_late_total", exchange="test") == sum(one % 2 for one in world.minutes()) - 5


async def test_minutes_that_the_exchange_lacks_are_listed_as_fast_as_they_come() -> None:
    """Two of three minutes exist nowhere: as absent, and the mark keeps up."""
    world = KeptWorld()
    world.exchange.volume = lambda _symbol, minute: 3.0 if minute % 3 == 0 else None
    await _hours(world, traded=3)
    assert len(world.requests()) <= 13
    assert world.mark() >= 95
    assert sum(gap.expected for gap in await world.gaps(GapStatus.ABSENT)) >= 60
