"""The table of what an unsuccessful answer of Binance means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import (
    Banned,
    Geoblocked,
    HistoryError,
    MalformedAnswer,
    Refused,
    Throttled,
    Unavailable,
)
from streamer.domain.instrument import Market
from streamer.exchanges.binance import BINANCE

fault = BINANCE.markets[Market.SPOT].rest.fault


def body(code: int, text: str = "words") -> bytes:
    """An error body in the documented shape."""
    return f'{{"code":{code},"msg":"{text}"}}'.encode()


@pytest.mark.parametrize(
    ("status", "headers", "answer", "wait_s"),
    [
        (429, {"retry-after": "17"}, body(-1003), 17.0),
        (429, {}, body(-1003), 60.0),
        (429, {}, b"<html>too many</html>", 60.0),
        (429, {"retry-after": "0"}, body(-1003), 1.0),
        (429, {"retry-after": "soon"}, body(-1003), 60.0),
        (429, {"retry-after": "-5"}, body(-1003), 60.0),
        (429, {"retry-after": "²"}, body(-1003), 60.0),
        (429, {"retry-after": "9" * 400}, body(-1003), 259_200.0),
        (418, {"retry-after": "600"}, body(-1003), 600.0),
        (418, {}, body(-1003, "IP banned until 1793577600000"), 120.0),
        (403, {}, b"<html>forbidden</html>", 300.0),
        (403, {"retry-after": "5"}, b"", 300.0),
        (403, {"retry-after": "900"}, b"", 900.0),
        (400, {}, body(-1003), 60.0),
        (503, {"retry-after": "9"}, body(-1003), 9.0),
        (400, {}, body(-1015), 60.0),
        (400, {}, body(-1034), 60.0),
    ],
)
def test_too_much_asked_stops_the_pool(status: int, headers: dict[str, str], answer: bytes, wait_s: float) -> None:
    """The wait is the exchange's own where it is sane; else a minute, two for a ban, five for the firewall."""
    error = fault(status, headers, answer)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "headers", "stated"),
    [(418, {"retry-after": "600"}, True), (418, {}, False), (403, {"retry-after": "900"}, False), (429, {}, None)],
)
def test_a_ban_is_more_than_a_pause(status: int, headers: dict[str, str], stated: bool | None) -> None:
    """418 and the firewall shut the address out; only the first names an end that can be relied on."""
    error = fault(status, headers, body(-1003))
    assert (error.stated if isinstance(error, Banned) else None) is stated


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (408, body(-1007)),
        (408, b""),
        (500, b""),
        (502, b"<html>bad gateway</html>"),
        (503, body(-1008, "Service Unavailable.")),
        (599, b"[]"),
        (400, body(-1000)),
        (400, body(-1001)),
        (400, body(-1006)),
        (400, body(-1007)),
        (400, body(-1008)),
    ],
)
def test_passing_trouble_is_worth_another_try(status: int, answer: bytes) -> None:
    """Timeouts, 5xx and the codes of inner trouble are retryable."""
    assert isinstance(fault(status, {}, answer), Unavailable)


@pytest.mark.parametrize("code", [-1100, -1102, -1120, -1121, -1127, -1128, -1130, -4088])
def test_a_wrong_request_is_refused(code: int) -> None:
    """An unknown symbol or parameter does not become right by asking again; the words are the exchange's."""
    error = fault(400, {}, body(code, "Invalid symbol."))
    assert type(error) is Refused
    assert "Invalid symbol." in str(error)
    assert str(code) in str(error)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[1]", b'"text"', b'{"code":"x","msg":5}', b"\xff", b"[" * 99_999])
def test_a_refusal_needs_no_readable_body(answer: bytes) -> None:
    """A 404 of a proxy is a refusal all the same."""
    assert isinstance(fault(404, {}, answer), Refused)


def test_a_restricted_location_is_told_apart() -> None:
    """451 is about our address and nothing else."""
    answer = body(0, "Service unavailable from a restricted location according to 'b. Eligibility' in the terms.")
    error = fault(451, {}, answer)
    assert isinstance(error, Geoblocked)
    assert "restricted location" in str(error)


@pytest.mark.parametrize("status", [301, 302, 304, 101])
def test_a_redirect_is_not_the_exchange_speaking(status: int) -> None:
    """Binance's API redirects nobody: something stands in its place."""
    assert isinstance(fault(status, {}, b""), MalformedAnswer)


@pytest.mark.parametrize("status", [200, 204])
def test_a_success_is_no_fault(status: int) -> None:
    """What is in a success is for the decoders to judge."""
    assert fault(status, {}, b"<html>") is None


@given(status=st.integers(100, 599), header=st.text(max_size=6), answer=st.binary(max_size=40))
def test_every_answer_has_one_meaning(status: int, header: str, answer: bytes) -> None:
    """Whatever comes, there is an error for it, or none for a success; a wait is never negative or endless."""
    error = fault(status, {"retry-after": header}, answer)
    assert (error is None) == (200 <= status < 300)
    assert error is None or isinstance(error, HistoryError)
    if isinstance(error, Throttled):
        assert 1.0 <= error.retry_after_s <= 259_200.0
