"""Which errors may be tried again, and what they carry."""

import pytest

from streamer.domain import errors


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (errors.ConfigurationError, False),
        (errors.StartError, False),
        (errors.Throttled, True),
        (errors.Unavailable, True),
        (errors.Refused, False),
        (errors.Geoblocked, False),
        (errors.MalformedAnswer, True),
        (errors.FeedError, True),
        (errors.StoreUnavailable, True),
        (errors.StoreMisconfigured, True),
        (errors.RowsRefused, False),
    ],
)
def test_an_error_says_whether_trying_again_may_help(error: type[errors.StreamerError], retryable: bool) -> None:
    """The class alone decides."""
    assert error.retryable is retryable


def test_every_way_a_connection_ends_has_a_reason_of_its_own() -> None:
    """Reconnects are counted under distinct words."""
    reasons = [kind.reason for kind in errors.FeedError.__subclasses__()]
    assert len(reasons) == len(set(reasons))
    assert errors.FeedError.reason not in reasons


def test_a_lost_connection_that_broke_off_has_code_1006() -> None:
    """Without a close frame the code is the one that stands for none."""
    assert errors.ConnectionLost("gone").code == 1006


def test_a_malformed_frame_keeps_its_kind_apart_from_the_detail() -> None:
    """The kind stays a label; the detail is for people."""
    error = errors.MalformedFrame("not_json", "at byte 3")
    assert (error.kind, str(error)) == ("not_json", "not_json: at byte 3")
    assert str(errors.MalformedFrame("not_json")) == "not_json"
