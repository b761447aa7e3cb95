"""OKX's envelope around every REST answer, and the error that an answer stands for.

``{"code":"0","msg":"","data":[…]}``: the code decides, even on HTTP 200.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streamer.domain.errors import (
    Geoblocked,
    HistoryError,
    MalformedAnswer,
    MalformedFrame,
    Refused,
    Throttled,
    Unavailable,
)
from streamer.protocol.wire import WrongShape, as_array, as_text, member, parse_object

# https://www.okx.com/docs-v5/en/#error-code-rest-api-public (read 2026-08-22). Codes may carry a sub-code after "_".
_THROTTLED = frozenset({"50011", "50040"})  # rate limit reached; too frequent operations
_UNAVAILABLE = frozenset({"50001", "50004", "50013", "50026", "50046"})  # away, timed out, busy, failed, being improved
_GEOBLOCKED = frozenset({"50051", "50121"})  # this region; this address

_WINDOW_S = 2.0  # every public limit is counted in windows of two seconds; no ban and no usage header is documented
_LONGEST_RETRY_AFTER = 5  # digits: a day

_HTTP_TOO_MANY = 429
_HTTP_BLOCKED = frozenset({403, 451})
_HTTP_ERROR = 400
_HTTP_SERVER_ERROR = 500


def data_in(body: bytes) -> Sequence[Any]:
    """The ``data`` of an answer of code 0.

    Raises:
        MalformedFrame: when the body is no JSON object.
        WrongShape: when the object is not such an envelope.
    """
    envelope = parse_object(body)
    code = as_text(member(envelope, "code"))
    if code != "0":
        raise WrongShape(f"an answer of code {code[:40]}")
    return as_array(member(envelope, "data"))


def fault(status: int, headers: Mapping[str, str], body: bytes) -> HistoryError | None:
    """The error an answer stands for, or None; its text has OKX's own words where there are any.

    A code speaks before the HTTP status: a busy system (50013) comes with 429 and is no throttling. What is not listed
    is a refusal, as are 51000 (parameter), 51001 (no such instrument), 50014, 50039 and 50047 (settled).
    """
    code, text = _envelope(body)
    words = f"OKX {code}: {text}" if code else f"OKX answered HTTP {status}"
    number = code.partition("_")[0]
    if number in _UNAVAILABLE:
        return Unavailable(words)
    if number in _THROTTLED or status == _HTTP_TOO_MANY:
        return Throttled(words, _retry_after_s(headers))
    if number in _GEOBLOCKED or status in _HTTP_BLOCKED:
        return Geoblocked(words)
    if status >= _HTTP_SERVER_ERROR:
        return Unavailable(words)
    if not code or (number == "0" and status >= _HTTP_ERROR):
        return MalformedAnswer(f"{words}, which is not its envelope")
    return None if number == "0" else Refused(words)


def _envelope(body: bytes) -> tuple[str, str]:
    try:
        envelope = parse_object(body)
        return as_text(member(envelope, "code")), str(envelope.get("msg", ""))
    except (MalformedFrame, WrongShape):
        return "", ""


def _retry_after_s(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    if len(text) <= _LONGEST_RETRY_AFTER and text.isascii() and text.isdigit():
        return max(_WINDOW_S, float(text))
    return _WINDOW_S
