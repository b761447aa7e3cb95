"""Deliveries as rows of ``klines``, and the hours they touch. Pure: no connection here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from streamer.domain.candle import Candle, Delivery
from streamer.domain.interval import Interval

COLUMNS = (
    "exchange", "symbol", "interval", "open_time", "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "source", "received_at",
)  # fmt: skip
_KEY_COLUMNS = 4
_HOUR = timedelta(hours=1)

Key = tuple[str, str, str, datetime]
Row = tuple[object, ...]


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
    rows = [(*key_of(delivery), *_values(delivery)) for delivery in deliveries]
    rows.sort(key=lambda row: row[:_KEY_COLUMNS])
    return rows


def _values(delivery: Delivery) -> Row:
    c = delivery.candle
    return (
        c.open, c.high, c.low, c.close, c.volume,
        c.quote_volume, c.trades, c.taker_buy_volume, c.taker_buy_quote_volume,
        delivery.source.value, delivery.received_time,
    )  # fmt: skip


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


def hours_of(candles: Iterable[Candle]) -> list[Hours]:
    """The hours whose rollups these candles change: only 1m candles do. Sorted; runs neither touch nor overlap."""
    touched = {
        (candle.series.exchange, candle.series.symbol, candle.open_time.replace(minute=0, second=0, microsecond=0))
        for candle in candles
        if candle.series.interval is Interval.M1
    }
    return join_hours(Hours(exchange, symbol, hour, hour) for exchange, symbol, hour in touched)


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
