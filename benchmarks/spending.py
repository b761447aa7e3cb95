"""What was spent of each limit, from the exchange's own record of what it was asked. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from streamer.simulator.answering import Asked


@dataclass(frozen=True, slots=True)
class Limit:
    """Weight in so many seconds; ``aligned`` windows begin with the minute."""

    weight: int
    window_s: float
    aligned: bool = False


LIMITS = {
    "binance": {"binance futures": Limit(2_400, 60.0, aligned=True)},
    "bybit": {"bybit": Limit(600, 5.0)},
    "okx": {"okx candles": Limit(40, 2.0), "okx history-candles": Limit(20, 2.0)},
}


def windows(limit: Limit, first_ms: int, last_ms: int) -> list[int]:
    """The beginnings of the whole windows between two moments."""
    window_ms = int(limit.window_s * 1_000)
    begin_ms = -(-first_ms // window_ms) * window_ms if limit.aligned else first_ms
    return list(range(begin_ms, last_ms - window_ms + 1, window_ms))


def share(asked: Sequence[Asked], exchange: str, first_ms: int, last_ms: int) -> tuple[float, int]:
    """The part of all the exchange's limits that was spent in whole windows between two moments; how many windows."""
    spent, allowed, most = 0.0, 0.0, 0
    for pool, limit in LIMITS[exchange].items():
        begins = windows(limit, first_ms, last_ms)
        if not begins:
            continue
        end_ms = begins[-1] + int(limit.window_s * 1_000)
        weight = sum(one.weight for one in asked if one.pool == pool and begins[0] <= one.at_ms < end_ms)
        spent, allowed = spent + weight / limit.window_s, allowed + len(begins) * limit.weight / limit.window_s
        most = max(most, len(begins))
    return (spent / allowed if allowed else 0.0), most


def refused(asked: Iterable[Asked]) -> dict[int, int]:
    """How often each status but 200 was answered."""
    counts: dict[int, int] = {}
    for one in asked:
        if one.status != HTTPStatus.OK:
            counts[one.status] = counts.get(one.status, 0) + 1
    return counts
