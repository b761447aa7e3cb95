"""What Bybit's REST errors stand for. Nothing is retried here.

Read from https://bybit-exchange.github.io/docs/v5/error and …/docs/v5/rate-limit on 2026-07-24.
"""

from collections.abc import Mapping
from typing import Any

from streamer.domain.errors import (
    Banned,
    Geoblocked,
    HistoryError,
    MalformedAnswer,
    MalformedFrame,
    Refused,
    Throttled,
    Unavailable,
)
from streamer.protocol.wire import WrongShape, as_integer, member, parse_object

# https://bybit-exchange.github.io/docs/v5/rate-limit, read 2026-07-24: over the limit, stop everything for 10 minutes.
_TOO_FREQUENT_S = 600.0
_TOO_MANY_VISITS_S = 5.0  # one window of the limit, where 10006 does not name its end
_RESET_HEADER = "x-bapi-limit-reset-timestamp"  # the instant in Unix milliseconds at which the window ends
_SYSTEM_PROTECTION_S = 10.0  # 429 has no documented length
_LONGEST_REASON = 200

# https://bybit-exchange.github.io/docs/v5/error, read 2026-07-24.
_TOO_MANY_VISITS = 10006
_ADDRESS_LIMIT = 10018
_REFUSED = frozenset({10001, 10029})  # parameters (also an unknown symbol or interval); invalid symbol
_GEOBLOCKED = frozenset({10009, 10024})  # region; compliance
# 10000 (server timeout), 10016 (internal error) and every other code: the exchange's trouble.

_OK, _FORBIDDEN, _TIMEOUT, _TOO_MANY, _LEGAL, _SERVER_ERROR = 200, 403, 408, 429, 451, 500


def fault(status: int, headers: Mapping[str, str], body: bytes) -> HistoryError | None:
    """The error that an answer stands for, or None.

    Bybit's own code says more than the status, so a known one comes first. An unknown one counts as trouble of the
    exchange: it is asked again, and no instrument is dropped for it.
    """
    if status == _FORBIDDEN and b"access too frequent" in body.lower():
        return Banned("Bybit: access too frequent from this address", _TOO_FREQUENT_S, stated=False)
    try:
        envelope = read_envelope(body)
        code = as_integer(member(envelope, "retCode"))
    except WrongShape as error:
        return _fault_of_status(status, headers) or MalformedAnswer(f"HTTP {status} is no answer of Bybit: {error}")
    reason = envelope.get("retMsg")
    message = f"Bybit answered {code}" + (f": {reason[:_LONGEST_REASON]}" if isinstance(reason, str) else "")
    if code == _TOO_MANY_VISITS:
        return Throttled(message, _until_reset_s(headers, envelope.get("time")))
    known = _fault_of_code(code, message) or _fault_of_status(status, headers)
    return known or (None if code == 0 and status == _OK else Unavailable(f"{message} (HTTP {status})"))


def _fault_of_code(code: int, message: str) -> HistoryError | None:
    if code == _ADDRESS_LIMIT:
        return Banned(message, _TOO_FREQUENT_S, stated=False)
    if code in _REFUSED:
        return Refused(message)
    if code in _GEOBLOCKED:
        return Geoblocked(message)
    return None


def _fault_of_status(status: int, headers: Mapping[str, str]) -> HistoryError | None:
    if status in {_FORBIDDEN, _LEGAL}:
        return Geoblocked(f"Bybit does not serve this address (HTTP {status})")
    if status == _TOO_MANY:
        return Throttled("Bybit: too many requests (HTTP 429)", _retry_after_s(headers))
    if status >= _SERVER_ERROR or status == _TIMEOUT:
        return Unavailable(f"Bybit answered HTTP {status}")
    return None


def _until_reset_s(headers: Mapping[str, str], now_ms: Any) -> float:
    """From the answer's own time to the named end of the window; one window where either is missing or absurd."""
    text = headers.get(_RESET_HEADER, "")
    if not (isinstance(now_ms, int) and text.isascii() and text.isdigit() and len(text) == len("1784800800000")):
        return _TOO_MANY_VISITS_S
    wait_s = (int(text) - now_ms) / 1_000
    return max(1.0, wait_s) if wait_s <= _TOO_FREQUENT_S else _TOO_MANY_VISITS_S


def _retry_after_s(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= len("86400") else _SYSTEM_PROTECTION_S


def read_envelope(body: bytes) -> dict[str, Any]:
    """The JSON object around every answer of Bybit.

    Raises:
        WrongShape: the body is none.
    """
    try:
        return parse_object(body)
    except MalformedFrame as error:
        raise WrongShape(str(error)) from None
