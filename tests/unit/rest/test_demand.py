"""What a process says it needs of a limit that others share."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.rest.demand import Demand

WINDOW_S = 60.0


def test_who_did_nothing_needs_a_little() -> None:
    """A fiftieth, and one request at least."""
    assert Demand(WINDOW_S).needs(2_400, 0.0) == 48
    assert Demand(WINDOW_S).needs(20, 0.0) == 1


def test_who_had_to_wait_needs_all_for_a_window_and_two_renewals() -> None:
    """A long backfill that spends its minute in seconds is as hungry in the next one."""
    demand = Demand(WINDOW_S)
    demand.short(100.0)
    assert demand.needs(2_400, 170.0) == 2_400
    assert demand.needs(2_400, 171.0) == 48


def test_who_got_by_needs_what_it_used_and_a_quarter_more() -> None:
    """The most of late, which is forgotten after two such spans."""
    demand = Demand(WINDOW_S)
    for at, used in ((0.0, 80), (5.0, 400), (71.0, 100)):
        demand.spent(used, at)
    assert demand.needs(2_400, 71.0) == 500
    demand.spent(0, 142.0)
    assert demand.needs(2_400, 142.0) == 125
    demand.spent(0, 500.0)
    assert demand.needs(2_400, 500.0) == 48


@given(
    st.lists(st.tuples(st.floats(0.0, 100.0), st.integers(0, 5_000), st.booleans())),
    st.integers(1, 6_000),
)
def test_a_need_is_within_the_total(script: list[tuple[float, int, bool]], total: int) -> None:
    """Never nothing, and never more than there is, whatever happened."""
    demand, at = Demand(WINDOW_S), 0.0
    for seconds, used, short in script:
        at += seconds
        demand.spent(used, at)
        if short:
            demand.short(at)
        assert 1 <= demand.needs(total, at) <= total
