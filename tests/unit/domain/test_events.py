"""Events are plain values."""

from dataclasses import FrozenInstanceError

import pytest

from streamer.domain.events import NoticeReceived, SubscriptionRejected


def test_events_are_equal_by_content_and_cannot_be_changed() -> None:
    """Two events that say the same are the same."""
    event = SubscriptionRejected("no", request_id=1)
    assert event == SubscriptionRejected("no", 1, None, retryable=False)
    with pytest.raises(FrozenInstanceError):
        event.reason = "yes"  # type: ignore[misc]  # the point of the test


def test_a_notice_asks_for_no_reconnect_unless_it_says_so() -> None:
    """Most notices change nothing."""
    assert not NoticeReceived("maintenance tomorrow").reconnect
