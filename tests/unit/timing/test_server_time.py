"""An exchange's time."""

from datetime import UTC, datetime

import pytest

from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock


def test_until_measured_it_is_the_local_time_and_says_so() -> None:
    """Nothing is claimed before the exchange was asked."""
    clock = FakeClock(1_000.0)
    server_time = ServerTime(clock)
    assert not server_time.known
    assert server_time.time() == 1_000.0
    assert not server_time.doubted_by(0)


async def test_a_measurement_corrects_by_the_middle_of_the_round_trip() -> None:
    """The answer is taken to be from half way, give or take half the round trip, and the offset stays."""
    clock = FakeClock(1_000.0)
    server_time = ServerTime(clock)
    server_time.measured(-1.0, 0.0, 1_009.5)
    assert server_time.known
    assert server_time.offset_s == pytest.approx(10.0)
    assert server_time.error_s == pytest.approx(0.5)
    await clock.advance(5.0)
    assert server_time.now_ms() == 1_015_000
    assert server_time.now() == datetime.fromtimestamp(1_015, UTC)


@pytest.mark.parametrize(("ahead_s", "doubted"), [(0, False), (2.4, False), (-2.4, False), (2.6, True), (-2.6, True)])
def test_a_fresh_stamp_over_two_seconds_off_is_a_doubt(ahead_s: float, doubted: bool) -> None:
    """Beyond two seconds and the error of the measurement, in either direction."""
    clock = FakeClock(1_000.0)
    server_time = ServerTime(clock)
    server_time.measured(-0.5, 0.5, 1_000.0)
    assert doubted is server_time.doubted_by(int((1_000 + ahead_s) * 1_000))


def test_setting_the_machines_clock_moves_nothing() -> None:
    """Between measurements only the monotonic clock counts: a step by NTP must not put candles into the future."""
    clock = FakeClock(1_000.0)
    server_time = ServerTime(clock)
    server_time.measured(0.0, 0.0, 1_000.0)
    clock.step_wall(-300.0)
    assert server_time.time() == pytest.approx(1_000.0)


@pytest.mark.parametrize("step_s", [-60.0, 60.0])
async def test_the_machines_clock_may_be_set_in_the_middle_of_a_measurement(step_s: float) -> None:
    """Between sending and receiving, and before the answer is taken: the exchange's time is right, the offset new."""
    clock = FakeClock(1_000.0)
    server_time = ServerTime(clock)
    sent_at = clock.monotonic()
    await clock.advance(1.0)
    clock.step_wall(step_s)
    server_time.measured(sent_at, clock.monotonic(), 1_000.5)
    assert server_time.time() == pytest.approx(1_001.0)
    assert server_time.error_s == pytest.approx(0.5)
    assert server_time.offset_s == pytest.approx(-step_s)
