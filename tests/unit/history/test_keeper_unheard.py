"""The keeper and series that no connection brings: refused, never confirmed, or broken for long."""

from streamer.domain.errors import Unavailable
from streamer.history.keeper import KeeperOptions
from streamer.store.contract import GapCause, GapStatus
from tests.fakes.keeping import KeptWorld

AWAY = Unavailable("no network")


async def test_a_refused_series_is_kept_over_rest() -> None:
    """Two hours beside one that is delivered: its candles come by ten minutes at the latest, at thirteen requests."""
    world = KeptWorld("BTC", "ETH")
    world.store(-10, -1)
    service = await world.service().start()
    service.connect("BTC")
    for minute in range(120):
        await world.go_to(minute + 1.1)
        service.stream(minute, "BTC")
    assert world.requests() == []
    assert world.minutes("ETH")[:118] == list(range(-10, 108))
    assert len(world.requests("ETH")) <= 13
    assert world.mark("ETH") >= 108
    assert await world.runs() == []
    await service.end()


async def test_without_any_connection_what_rest_does_not_bring_is_listed() -> None:
    """A handshake refused for hours, and REST too: open gaps with the cause; all of it comes when REST is back."""
    world = KeptWorld()
    world.store(-10, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service().start()
    await world.go_to(100)
    gaps = await world.gaps()
    assert {(gap.cause, gap.last_error) for gap in gaps} <= {
        (GapCause.START, "no network"),
        (GapCause.BREAK, "no network"),
    }
    assert max(last for _, last in await world.runs()) >= 88
    assert world.mark() == 0
    world.exchange.failure = lambda _symbol: None
    await world.go_to(117)
    assert world.minutes()[:115] == list(range(-10, 105))
    assert await world.runs() == []
    assert await world.runs(GapStatus.ABSENT) == []
    await service.end()


async def test_what_is_asked_for_without_a_connection_keeps_to_the_pace() -> None:
    """A hundred series lose their connection; they share what may be spent on lateness, and nothing is asked twice."""
    world = KeptWorld(*(f"S{number}" for number in range(100)), spacing_s=2.0)
    world.store(-10, -1)
    service = await world.service().start()
    service.connect()
    await world.go_to(0.5)
    service.disconnect()
    await world.go_to(3.5)
    assert 20 <= len(world.exchange.asked) <= 31
    await world.go_to(9)
    assert len(world.exchange.asked) == 100
    await service.end()


async def test_a_connection_that_comes_takes_over() -> None:
    """Those that still waited for their turn are asked for as a break: at once, all of it."""
    world = KeptWorld(*(f"S{number}" for number in range(50)), spacing_s=60.0)
    world.store(-10, -1)
    service = await world.service().start()
    service.connect()
    await world.go_to(0.5)
    service.disconnect()
    await world.go_to(5.5)
    assert len(world.exchange.asked) <= 5
    service.connect()
    await world.go_to(7)
    assert all(world.minutes(f"S{number}")[:15] == list(range(-10, 5)) for number in range(50))
    await service.end()


async def test_an_outage_of_a_night_is_made_up_for_within_an_hour() -> None:
    """However often the gap was tried meanwhile, and though REST comes back after the stream."""
    world = KeptWorld()
    world.store(-10, -1)
    world.exchange.failure = lambda _symbol: AWAY
    service = await world.service(KeeperOptions(every_s=60.0)).start()
    await world.go_to(6 * 60)
    service.connect()
    await world.go_to(6 * 60 + 10)
    world.exchange.failure = lambda _symbol: None
    await world.go_to(7 * 60 + 15)
    assert set(range(-10, 6 * 60)) <= set(world.minutes())
    assert await world.runs() == []
    await service.end()
