"""The error that an answer of OKX stands for, by code and by HTTP status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import Geoblocked, HistoryError, MalformedAnswer, Refused, Throttled, Unavailable
from streamer.domain.instrument import Market
from streamer.exchanges.okx import OKX
from tests.exchanges.okx_samples import answer

FAULT = OKX.markets[Market.LINEAR].rest.fault
PAGE = b"<html><title>Just a moment...</title></html>"


def test_an_answer_of_code_zero_has_no_fault() -> None:
    """Code "0" on HTTP 200 is what was asked for."""
    assert FAULT(200, {}, answer()) is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "50011", Throttled),
        (200, "50011", Throttled),
        (200, "50040", Throttled),
        (429, "50013", Unavailable),
        (503, "50001", Unavailable),
        (500, "50026", Unavailable),
        (400, "50004", Unavailable),
        (200, "50046", Unavailable),
        (400, "51000", Refused),
        (200, "51001", Refused),
        (200, "51001_1000", Refused),
        (400, "50014", Refused),
        (200, "50039", Refused),
        (200, "50047", Refused),
        (200, "1", Refused),
        (200, "50051", Geoblocked),
        (200, "50121", Geoblocked),
    ],
)
def test_a_code_speaks_for_itself(status: int, code: str, kind: type[HistoryError]) -> None:
    """A code has one meaning, whatever the HTTP status beside it, and its words are kept."""
    found = FAULT(status, {}, answer(code=code, text="the reason"))
    assert type(found) is kind
    assert code in str(found)
    assert "the reason" in str(found)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, Throttled),
        (403, Geoblocked),
        (451, Geoblocked),
        (500, Unavailable),
        (502, Unavailable),
        (504, Unavailable),
        (404, MalformedAnswer),
        (302, MalformedAnswer),
        (200, MalformedAnswer),
    ],
)
def test_a_page_without_a_code_is_judged_by_its_status(status: int, kind: type[HistoryError]) -> None:
    """Where a proxy speaks instead of OKX, the status is all there is."""
    assert type(FAULT(status, {}, PAGE)) is kind


def test_a_code_of_zero_on_a_failed_request_is_not_believed() -> None:
    """A status of failure with an envelope of success is not OKX's way."""
    assert isinstance(FAULT(404, {}, answer()), MalformedAnswer)


@pytest.mark.parametrize(
    ("header", "seconds"), [("", 2.0), ("1", 2.0), ("30", 30.0), ("soon", 2.0), ("9" * 5_000, 2.0), ("-5", 2.0)]
)
def test_a_throttled_pool_waits_for_a_window_or_longer(header: str, seconds: float) -> None:
    """Two seconds is OKX's window; a longer Retry-After is obeyed, an odd one is not."""
    found = FAULT(429, {"retry-after": header} if header else {}, answer(code="50011", text="Too Many Requests"))
    assert isinstance(found, Throttled)
    assert found.retry_after_s == seconds


@given(st.integers(100, 599), st.binary(max_size=80))
def test_any_answer_has_a_fault_or_none(status: int, body: bytes) -> None:
    """No answer makes the classification itself fail, and bytes that are no envelope never pass."""
    assert isinstance(FAULT(status, {}, body), HistoryError)
