"""Deliveries as rows of ``klines``, and the hours they touch. Pure: no connection here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.domain.series import Series

COLUMNS = (
    "exchange", "symbol", "interval", "open_time", "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "source", "received_at",
)  # fmt: skip
_HOUR = timedelta(hours=1)

Key = tuple[str, str, str, datetime]
Row = tuple[Any, ...]  # a value for each of COLUMNS
_key_in = itemgetter(0, 1, 2, 3)


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


def rows_of(deliveries: Iterable[Delivery]) -> list[Row]:
    """The rows, sorted by key, so that two writers lock in one order and the index is written in its own."""
    spelled: dict[Series, tuple[str, str, str]] = {}  # an enum's value costs as much as half a row
    rows: list[Row] = []
    for delivery in deliveries:
        c = delivery.candle
        series = spelled.get(c.series)
        if series is None:
            series = spelled[c.series] = (c.series.exchange, c.series.symbol, c.series.interval.value)
        rows.append((
            *series, c.open_time, c.open, c.high, c.low, c.close, c.volume,
            c.quote_volume, c.trades, c.taker_buy_volume, c.taker_buy_quote_volume,
            delivery.source.value, delivery.received_time,
        ))  # fmt: skip
    rows.sort(key=_key_in)
    return rows


def has_repeats(rows: Sequence[Row]) -> bool:
    """Whether a key comes twice in rows that are sorted by key."""
    return any(before[3] == after[3] and before[:3] == after[:3] for before, after in pairwise(rows))


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


def hours_of(rows: Iterable[Row]) -> list[Hours]:
    """The hours whose rollups these rows change: all candles but those of 1s. Sorted; runs neither touch nor overlap.

    ``rows`` are sorted by key, so that one pass is enough where no symbol comes in several intervals.
    """
    hours: list[Hours] = []
    hour_of: dict[datetime, datetime] = {}  # of a batch most rows share a minute
    last: Hours | None = None
    of = ""
    is_joined = True
    for exchange, symbol, interval, open_time, *_ in rows:
        if interval == Interval.S1:
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
