"""What exchanges say of our pace is counted each time and said once."""

from streamer.domain.errors import StoreUnavailable
from tests.fakes.facts import Facts

POOL = "binance_spot"


def states(facts: Facts) -> dict[str, float | None]:
    """The breaker's states, by the metric."""
    return {state: facts.metric("rest_breaker", pool=POOL, state=state) for state in ("closed", "open", "half_open")}


def test_a_pool_begins_closed_and_unthrottled() -> None:
    """Its counters are there from its first request on."""
    facts = Facts()
    facts.recorder.limits.pool_used(POOL)
    assert states(facts) == {"closed": 1, "open": 0, "half_open": 0}
    assert facts.metric("rest_throttled_total", pool=POOL) == 0


def test_each_throttling_is_counted_and_each_pause_said() -> None:
    """Answers to requests that had left before the pause change nothing, and are not said."""
    facts = Facts()
    facts.recorder.limits.throttled(POOL, 30.0, "too many requests")
    facts.recorder.limits.throttled(POOL, None, "too many requests")
    assert facts.metric("rest_throttled_total", pool=POOL) == 2
    assert facts.said("rest_throttled") == 1


def test_a_ban_goes_through_its_states() -> None:
    """Open, half open while one request finds out, closed; one line for its begin and one for its end."""
    facts = Facts()
    limits = facts.recorder.limits
    limits.banned(POOL, 120.0, "banned until then")
    limits.banned(POOL, None, "banned until then")
    assert states(facts) == {"closed": 0, "open": 1, "half_open": 0}
    limits.probing(POOL)
    assert states(facts) == {"closed": 0, "open": 0, "half_open": 1}
    limits.relented(POOL)
    assert states(facts) == {"closed": 1, "open": 0, "half_open": 0}
    assert facts.metric("rest_throttled_total", pool=POOL) == 2
    assert (facts.said("rest_banned"), facts.said("rest_relented")) == (1, 1)


def test_a_budget_that_cannot_be_had_is_said_once_an_outage() -> None:
    """And its return once; that it is there is not worth a line."""
    facts = Facts()
    limits = facts.recorder.limits
    for _ in range(2):
        limits.budget_leased()
        limits.budget_unreachable(StoreUnavailable("away"))
        limits.budget_unreachable(StoreUnavailable("away"))
    limits.budget_leased()
    assert facts.said("rest_budget_unreachable") == 2
    assert facts.said("rest_budget_shared_again") == 2
