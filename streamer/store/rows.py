"""Deliveries on their way to ``klines``: keys, order, and the hours they touch. Pure: no connection here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.domain.series import Series

_HOUR = timedelta(hours=1)

Key = tuple[str, str, str, datetime]
_open_time_of = attrgetter("candle.open_time")


class Hours(NamedTuple):
    """A run of hours of one series, both ends included."""

    exchange: str
    symbol: str
    first: datetime
    last: datetime


def key_of(delivery: Delivery) -> Key:
    """The primary key of the delivery's row."""
    candle = delivery.candle
    series = candle.series
    return (series.exchange, series.symbol, series.interval.value, candle.open_time)


def by_key(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Sorted by key, so that two writers lock in one order and the index is written in its own.

    Equal keys stay as they came. Series by series, because what comes of one is mostly in order.
    """
    of_series: defaultdict[Series, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        of_series[delivery.candle.series].append(delivery)
    ordered: list[Delivery] = []
    for series in sorted(of_series, key="\0".join):
        ordered += sorted(of_series[series], key=_open_time_of)
    return ordered


def has_repeats(ordered: Iterable[Delivery]) -> bool:
    """Whether a key comes twice in deliveries that are sorted by key."""
    candles = (delivery.candle for delivery in ordered)
    return any(one.open_time == next_.open_time and one.series == next_.series for one, next_ in pairwise(candles))


def rounds_of(batch: Sequence[Delivery]) -> list[list[int]]:
    """Positions of the batch in rounds, each key at most once per round: written in turn, they act as they arrived."""
    rounds: list[list[int]] = []
    seen: dict[Key, int] = {}
    for position, delivery in enumerate(batch):
        key = key_of(delivery)
        turn = seen.get(key, 0)
        seen[key] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(position)
    return rounds


def hours_of(ordered: Iterable[Delivery]) -> list[Hours]:
    """The hours whose rollups these candles change: all but those of 1s. Sorted; runs neither touch nor overlap.

    They are sorted by key, so that one pass is enough where no symbol comes in several intervals.
    """
    hours: list[Hours] = []
    hour_of: dict[datetime, datetime] = {}  # of a batch most rows share a minute
    last: Hours | None = None
    of = Interval.S1
    is_joined = True
    for delivery in ordered:
        open_time = delivery.candle.open_time
        exchange, symbol, interval = delivery.candle.series
        if interval is Interval.S1:
            continue
        hour = hour_of.get(open_time)
        if hour is None:
            hour = hour_of[open_time] = open_time.replace(minute=0, second=0, microsecond=0)
        is_same = last is not None and last.symbol == symbol and last.exchange == exchange
        is_joined = is_joined and (not is_same or interval == of)
        of = interval
        if last is not None and is_same and last.first <= hour <= last.last + _HOUR:
            if hour > last.last:
                last = hours[-1] = Hours(exchange, symbol, last.first, hour)
        else:
            last = Hours(exchange, symbol, hour, hour)
            hours.append(last)
    return hours if is_joined else join_hours(hours)


def join_hours(runs: Iterable[Hours], step: timedelta = _HOUR) -> list[Hours]:
    """The same runs, sorted, with those that touch or overlap joined; ``step`` is the length of one bucket."""
    joined: list[Hours] = []
    for run in sorted(runs):
        last = joined[-1] if joined else None
        if last is not None and last[:2] == run[:2] and run.first <= last.last + step:
            joined[-1] = last._replace(last=max(last.last, run.last))
        else:
            joined.append(run)
    return joined
