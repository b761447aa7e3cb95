"""What an answer of Binance's REST that is not a success means for us. Pure; waits and alarms belong to the client.

Status first, then the exchange's own code, then the class of the status: a proxy's page has no code.
https://github.com/binance/binance-spot-api-docs/blob/master/errors.md and rest-api.md (read 2026-07-21),
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code (read 2026).
"""

from collections.abc import Mapping
from types import MappingProxyType

import orjson

from streamer.domain.errors import (
    Banned,
    Geoblocked,
    HistoryError,
    MalformedAnswer,
    Refused,
    Throttled,
    Unavailable,
)

_SUCCESS, _CLIENT_ERROR, _SERVER_ERROR = 2, 4, 5  # hundreds of the status
_ELSEWHERE = 451
_TIMED_OUT = 408

_PACE_CODES = frozenset({-1003, -1015, -1034})  # too many requests, orders (never ours), connections
_PASSING_CODES = frozenset({-1000, -1001, -1006, -1007, -1008})  # unknown, disconnected, unexpected, timeout, overload

# The wait where Retry-After is absent: a window of weight is a minute, a first ban (418) two. The firewall (403) says
# nothing about the header, and our five minutes are the least there.
_WINDOW_WAIT_S = 60.0
_BANNED, _FIREWALL = 418, 403
_WAITS_S = MappingProxyType({429: _WINDOW_WAIT_S, _BANNED: 120.0, _FIREWALL: 300.0})
_LONGEST_BAN_S = 259_200.0  # "from 2 minutes to 3 days"; more than that is no wait but a broken header


def fault(status: int, headers: Mapping[str, str], body: bytes) -> HistoryError | None:
    """The error that an answer stands for, or None for a success; ``headers`` are named in lower case."""
    if status // 100 == _SUCCESS:
        return None
    code, text = _said(body)
    words = f"Binance answered {status}: {text}" if text else f"Binance answered {status}"
    if status == _ELSEWHERE:
        return Geoblocked(words)
    if status in _WAITS_S or code in _PACE_CODES:
        return _too_fast(status, headers, words)
    if status == _TIMED_OUT or status // 100 == _SERVER_ERROR or code in _PASSING_CODES:
        return Unavailable(words)
    if status // 100 == _CLIENT_ERROR:
        return Refused(words)
    return MalformedAnswer(f"{words}, which it never does: something else answers in its place")


def _too_fast(status: int, headers: Mapping[str, str], words: str) -> Throttled:
    usual_s, asked_s = _WAITS_S.get(status, _WINDOW_WAIT_S), _retry_after_s(headers)
    if status == _FIREWALL:
        return Banned(words, max(asked_s or 0.0, usual_s), stated=False)
    if status == _BANNED:
        return Banned(words, asked_s or usual_s, stated=asked_s is not None)
    return Throttled(words, asked_s or usual_s)


def _said(body: bytes) -> tuple[int | None, str]:
    """The code and the words of ``{"code":-1121,"msg":"Invalid symbol."}``; no code where that is not the body."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, ""
    if not isinstance(answer, dict):
        return None, ""
    code, text = answer.get("code"), answer.get("msg")
    words = text[:200] if isinstance(text, str) else ""
    return (code, f"{words} (code {code})") if isinstance(code, int) else (None, words)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that the exchange asks for, in seconds: from one to its longest ban; None where it asks for none."""
    text = headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return float(min(_LONGEST_BAN_S, max(1.0, float(text))))
