"""The facts of completeness."""

from tests.fakes.facts import Facts


def test_what_is_lively_no_more_is_not_shown_as_stuck() -> None:
    """The value goes with its interval, of that exchange only, and may come back."""
    facts = Facts()

    def shown(exchange: str, interval: str) -> float | None:
        return facts.metric("last_closed_candle_timestamp_seconds", exchange=exchange, interval=interval)

    facts.recorder.gaps.freshness_measured("okx", {"1m": 60.0, "1h": 0.0}, 2)
    facts.recorder.gaps.freshness_measured("bybit", {"1m": 120.0}, 0)
    assert (shown("okx", "1m"), shown("okx", "1h"), shown("bybit", "1m")) == (60.0, 0.0, 120.0)
    assert facts.metric("series_overdue", exchange="okx") == 2
    facts.recorder.gaps.freshness_measured("okx", {"1h": 3_600.0}, 0)
    assert (shown("okx", "1m"), shown("okx", "1h"), shown("bybit", "1m")) == (None, 3_600.0, 120.0)
    facts.recorder.gaps.freshness_measured("okx", {"1m": 180.0}, 0)
    assert (shown("okx", "1m"), shown("okx", "1h")) == (180.0, None)
