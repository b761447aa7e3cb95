"""Delays between attempts."""

from itertools import islice, pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streamer.timing.backoff import Backoff

ceilings = st.floats(0.001, 1_000)


def random_of(seed: int) -> Random:
    """Chance that repeats itself."""
    return Random(seed)  # noqa: S311 - jitter, not a secret


@given(first_s=ceilings, cap_s=ceilings, seed=st.integers(0, 2**32))
def test_a_delay_lies_between_zero_and_its_ceiling(first_s: float, cap_s: float, seed: int) -> None:
    """No delay is negative, none is above the cap."""
    backoff = Backoff(first_s, cap_s)
    for attempt, delay in enumerate(islice(backoff.delays(random_of(seed)), 100), start=1):
        assert 0 <= delay <= backoff.ceiling(attempt) <= cap_s


@given(first_s=ceilings, cap_s=ceilings)
def test_the_ceiling_doubles_up_to_the_cap_and_stays(first_s: float, cap_s: float) -> None:
    """It starts at the first, never shrinks, and is the cap in the end, also after years."""
    backoff = Backoff(first_s, cap_s)
    steps = [backoff.ceiling(attempt) for attempt in range(1, 80)]
    assert steps[0] == min(first_s, cap_s)
    assert all(later == min(cap_s, 2 * earlier) for earlier, later in pairwise(steps))
    assert backoff.ceiling(10**9) == cap_s


def test_two_that_failed_together_do_not_come_back_together() -> None:
    """Different chance gives different delays."""
    backoff = Backoff()
    assert list(islice(backoff.delays(random_of(1)), 8)) != list(islice(backoff.delays(random_of(2)), 8))


def test_the_whole_range_below_the_ceiling_is_used() -> None:
    """Jitter is full: a tenth of the delays lies in the lowest tenth, more or less."""
    delays = islice(Backoff(10.0, 10.0).delays(random_of(3)), 2_000)
    lowest = sum(delay < 1.0 for delay in delays)
    assert 140 < lowest < 260
