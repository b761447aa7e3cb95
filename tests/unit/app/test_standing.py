"""What a process remembers of each exchange from round to round."""

from streamer.app.standing import Standings
from tests.fakes.clock import FakeClock


def test_a_standing_is_always_the_same_and_each_exchange_has_its_own() -> None:
    """Time and limiters that one round left are found by the next."""
    standings = Standings(FakeClock())
    first = standings.of("okx")
    assert standings.of("okx") is first
    assert standings.of("bybit").server_time is not first.server_time
    assert standings.of("bybit").limiters is not first.limiters
    assert not first.server_time.known
