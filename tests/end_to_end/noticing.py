"""What the log of one life with wrong URLs must show: that the trouble was noticed in time, and said once."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tests.end_to_end.troubles import Trouble

_NOTICED_S = 90.0  # of the simulator's time


def judge_life(trouble: Trouble, lines: Iterable[str], rate: float) -> Sequence[str]:
    """What is wrong with a life that began with ``trouble``; nothing for one in which no time was to notice it."""
    told = [json.loads(line) for line in lines if line.startswith("{")]
    ours = [line for line in told if line.get("exchange") == trouble.exchange]
    if trouble.kind == "unrouted_url":
        return _unnoticed(trouble, told, rate)
    causes = Counter(line["error"] for line in ours if line["event"] == "exchange_unreachable")
    if not causes:
        return [f"{trouble} was never said"]
    return [f"{trouble}: said {count} times: {cause}" for cause, count in causes.items() if count > 1]


def _unnoticed(trouble: Trouble, told: Sequence[dict[str, Any]], rate: float) -> Sequence[str]:
    live = [
        line
        for line in told
        if line["event"] == "connection_live" and line["exchange"] == trouble.exchange and line["market"] == "linear"
    ]
    noticed = [
        line
        for line in told
        if line["event"] == "series_withheld" and line["series"].startswith(f"{trouble.exchange} ETH-USDT-PERP")
    ]
    if not live or not noticed:
        return [f"{trouble} was not noticed"]
    took_s = (_time(noticed[0]) - _time(live[0])).total_seconds() * rate
    return [f"{trouble} was noticed after {took_s:.0f} s only"] if took_s > _NOTICED_S else []


def _time(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])
