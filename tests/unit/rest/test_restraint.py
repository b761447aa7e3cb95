"""A refusal halves what is spent, and calm brings it back in steps."""

from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rest.restraint import Restraint


def restraint(seed: int = 1) -> Restraint:
    """A fresh one with a fixed jitter."""
    return Restraint(Random(seed))  # noqa: S311 - jitter, not a secret


def test_it_begins_whole() -> None:
    """Nothing is held back before the first refusal, and no step is awaited."""
    fresh = restraint()
    fresh.ease(1e9)
    assert (fresh.part, fresh.next_step_at) == (1.0, inf)


def test_a_refusal_halves_and_four_calm_steps_restore() -> None:
    """Each step comes a minute, and at most a quarter more, after the one before; the first after the pause."""
    eased = restraint()
    eased.refuse(100.0, 99.0, calm_from_at=130.0)
    assert eased.part == 0.5
    before_at = 130.0
    for part in (0.625, 0.75, 0.875, 1.0):
        step_at = eased.next_step_at
        assert 60.0 <= step_at - before_at <= 75.0
        eased.ease(step_at - 0.01)
        assert eased.part == part - 0.125
        eased.ease(step_at)
        assert eased.part == part
        before_at = step_at
    assert eased.next_step_at == inf


def test_what_left_before_a_reduction_does_not_reduce_again() -> None:
    """Sixteen answers to requests that were under way together are one refusal."""
    crowd = restraint()
    for _ in range(16):
        crowd.refuse(100.0, 99.0, calm_from_at=101.0)
    assert crowd.part == 0.5
    crowd.refuse(103.0, 102.0, calm_from_at=104.0)
    assert crowd.part == 0.25


def test_a_refusal_in_the_midst_of_recovery_begins_anew() -> None:
    """The part reached is halved, and a whole calm step must pass again."""
    struck = restraint()
    struck.refuse(0.0, -1.0, calm_from_at=0.0)
    struck.ease(80.0)
    assert struck.part == 0.625
    struck.refuse(100.0, 99.0, calm_from_at=110.0)
    assert struck.part == 0.3125
    assert struck.next_step_at >= 170.0


def test_two_programs_do_not_step_together() -> None:
    """Refused at one instant behind one address, they come back at different ones."""
    one, other = restraint(1), restraint(2)
    for refused in (one, other):
        refused.refuse(0.0, -1.0, calm_from_at=1.0)
    assert one.next_step_at != pytest.approx(other.next_step_at)


@given(st.lists(st.tuples(st.floats(0.0, 200.0), st.booleans()), max_size=60), st.integers(0, 9))
def test_the_part_stays_in_bounds_and_calm_restores_it(moves: list[tuple[float, bool]], seed: int) -> None:
    """Whatever comes, a sixteenth is left at least; without refusals it only grows, and twenty minutes restore all."""
    any_ = restraint(seed)
    now_at = 0.0
    for later_s, refused in moves:
        now_at += later_s
        before = any_.part
        any_.ease(now_at)
        assert any_.part >= before
        if refused:
            any_.refuse(now_at, now_at, calm_from_at=now_at + 1.0)
        assert 1 / 16 <= any_.part <= 1.0
        assert (any_.part == 1.0) == (any_.next_step_at == inf)
    any_.ease(now_at + 1_201.0)
    assert any_.part == 1.0
