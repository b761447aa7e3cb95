"""The exchanges' own counting of requests and connects, and what they answer to too many. Pure: time is an argument.

Sources, read 2026-11-20: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#limits,
https://developers.binance.com/docs/derivatives/coin-margined-futures/Important-CM-UM-Integration-Notice (one pool of
2400 for both futures), https://bybit-exchange.github.io/docs/v5/rate-limit, https://www.okx.com/docs-v5/en/#error-code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import orjson

from streamer.domain.instrument import Market
from streamer.simulator.answering import Answer, Cost, as_json
from streamer.simulator.binance_instruments import FUTURES_LIMIT, SPOT_LIMIT
from streamer.simulator.conversation import Window

_MINUTE_S = 60
_OKX_WINDOW_S = 2.0
_OKX_PER_WINDOW = {"candles": 40, "history-candles": 20, "instruments": 20, "time": 10}
_BYBIT_PER_WINDOW, _BYBIT_WINDOW_S, _BYBIT_BAN_S = 600, 5.0, 600.0
_PATIENCE = 10  # requests of one minute in spite of 429 before the ban
_FIRST_BAN_S, _LONGEST_BAN_S = 120.0, 259_200.0  # "from 2 minutes to 3 days", for repeat offenders longer each time
_TOO_MANY_VISITS = 10006
_CONNECTS = {"binance": (300, 300.0), "bybit": (500, 300.0), "okx": (3, 1.0)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refusal`` instead of an answer, or None; ``headers`` go with either."""

    refusal: Answer | None
    headers: dict[str, str]


class RestLimits:
    """Counts what one address asks. A ban is lifted by itself; the next one lasts twice as long.

    ``weights`` are Binance's weights a minute by market, where they are not the documented ones.
    """

    def __init__(self, weights: Mapping[Market, int] = MappingProxyType({})) -> None:
        self._weights = {
            "binance spot": weights.get(Market.SPOT, SPOT_LIMIT),
            "binance futures": weights.get(Market.LINEAR, FUTURES_LIMIT),
        }
        self._minute: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._ignored: dict[str, int] = {}
        self._banned_until_s: dict[str, float] = {}
        self._bans: dict[str, int] = {}
        self._windows: dict[str, Window] = {}

    def judge(self, exchange: str, cost: Cost, now_s: float) -> Verdict:
        """Count one request of ``cost`` at the exchange's time ``now_s``."""
        if exchange == "binance":
            return self._binance(cost, now_s)
        if exchange == "bybit":
            return Verdict(self._bybit(cost, now_s), {})
        most = _OKX_PER_WINDOW.get(cost.pool.split(" ")[1], 20)
        window = self._windows.setdefault(cost.pool, Window(most, _OKX_WINDOW_S))
        return Verdict(None if window.admit(now_s) else okx_refusal(), {})

    def _binance(self, cost: Cost, now_s: float) -> Verdict:
        pool, minute = cost.pool, int(now_s // _MINUTE_S)
        limit = self._weights[pool]
        if self._minute.get(pool) != minute:
            self._minute[pool], self._used[pool], self._ignored[pool] = minute, 0, 0
        self._used[pool] += cost.weight
        usage = {"X-MBX-USED-WEIGHT-1M": str(self._used[pool])}
        banned_until_s = self._banned_until_s.get(pool, 0.0)
        if now_s < banned_until_s:
            return Verdict(binance_ban(banned_until_s, now_s), usage)
        if self._used[pool] <= limit:
            return Verdict(None, usage)
        self._ignored[pool] += 1
        if self._ignored[pool] > _PATIENCE:
            bans = self._bans.get(pool, 0)
            until_s = now_s + min(_LONGEST_BAN_S, _FIRST_BAN_S * 2**bans)
            self._ignored[pool], self._bans[pool], self._banned_until_s[pool] = 0, bans + 1, until_s
            return Verdict(binance_ban(until_s, now_s), usage)
        return Verdict(binance_refusal(limit, (minute + 1) * _MINUTE_S - now_s), usage)

    def _bybit(self, cost: Cost, now_s: float) -> Answer | None:
        if now_s < self._banned_until_s.get(cost.pool, 0.0):
            return bybit_refusal()
        window = self._windows.setdefault(cost.pool, Window(_BYBIT_PER_WINDOW, _BYBIT_WINDOW_S))
        if window.admit(now_s):
            return None
        self._banned_until_s[cost.pool] = now_s + _BYBIT_BAN_S
        return bybit_refusal()


class ConnectLimits:
    """Counts connects: Binance 300 and Bybit 500 in five minutes, OKX three a second."""

    def __init__(self) -> None:
        self._windows = {exchange: Window(most, window_s) for exchange, (most, window_s) in _CONNECTS.items()}

    def admit(self, exchange: str, now_s: float) -> bool:
        """Whether one more connect is allowed now."""
        return self._windows[exchange].admit(now_s)


def binance_refusal(limit: int, retry_after_s: float) -> Answer:
    """429 with ``Retry-After``."""
    text = f"Too many requests; current limit of IP is {limit} requests per minute. Please use WebSocket Streams."
    body = orjson.dumps({"code": -1003, "msg": text})
    return Answer(429, body, {"Retry-After": str(max(1, int(retry_after_s) + 1))})


def binance_ban(until_s: float, now_s: float) -> Answer:
    """418 with ``Retry-After``."""
    text = f"Way too much request weight used; IP banned until {int(until_s * 1_000)}. Please use WebSocket Streams."
    return Answer(418, orjson.dumps({"code": -1003, "msg": text}), {"Retry-After": str(int(until_s - now_s) + 1)})


def bybit_refusal() -> Answer:
    """403, which lasts at least ten minutes."""
    return Answer(403, b"access too frequent", content_type="text/plain")


def bybit_too_many_visits(now_s: float, seconds: float) -> Answer:
    """10006 under HTTP 200; a header names the end of the window in Unix milliseconds."""
    body = {"retCode": _TOO_MANY_VISITS, "retMsg": "Too many visits!", "result": {}, "retExtInfo": {}}
    headers = {
        "X-Bapi-Limit": str(_BYBIT_PER_WINDOW),
        "X-Bapi-Limit-Status": "0",
        "X-Bapi-Limit-Reset-Timestamp": str(int((now_s + seconds) * 1_000)),
    }
    return replace(as_json({**body, "time": int(now_s * 1_000)}), headers=headers)


def okx_refusal() -> Answer:
    """429 with code 50011."""
    return as_json({"code": "50011", "msg": "Too Many Requests", "data": []}, 429)
