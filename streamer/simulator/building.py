"""Other candles made of minutes: larger ones, seconds, and the one that is still forming.

Larger candles leave out minutes of zero volume, as the exchanges do: only when all are empty is the candle flat at the
previous close. Seconds split a minute so that they add up to it again. Pure.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from streamer.domain.interval import Interval
from streamer.simulator.listing import Listing, Row
from streamer.simulator.market import MINUTE_MS, minutes, word

_SECOND_MS = 1_000
_SECONDS = 60


def candles(listing: Listing, interval: Interval, first_ms: int, last_ms: int) -> Iterator[Row]:
    """The whole candles of ``interval`` that open from ``first_ms`` to ``last_ms``, both included, oldest first."""
    first_ms = -(-first_ms // interval.milliseconds) * interval.milliseconds
    last_ms = interval.floor_ms(last_ms)
    if interval is Interval.M1:
        yield from minutes(listing, first_ms, last_ms)
    elif interval is Interval.S1:
        for minute in minutes(listing, Interval.M1.floor_ms(first_ms), last_ms):
            yield from (second for second in seconds(listing, minute) if first_ms <= second.open_ms <= last_ms)
    else:
        rows = minutes(listing, first_ms, last_ms + interval.milliseconds - MINUTE_MS)
        for open_ms, group in groupby(rows, lambda row: interval.floor_ms(row.open_ms)):
            yield whole(open_ms, group)


def whole(open_ms: int, rows: Iterable[Row]) -> Row:
    """One candle of at least one smaller, in order of open time; those of zero volume count only if all are."""
    rows = list(rows)
    traded = [row for row in rows if row.volume]
    if not traded:
        return rows[-1]._replace(open_ms=open_ms)
    return Row(
        open_ms,
        traded[0].open,
        max(row.high for row in traded),
        min(row.low for row in traded),
        traded[-1].close,
        sum(row.volume for row in traded),
        sum(row.turnover for row in traded),
        sum(row.trades for row in traded),
        sum(row.taker_volume for row in traded),
        sum(row.taker_turnover for row in traded),
        traded[0].first_id,
        traded[-1].last_id,
    )


def seconds(listing: Listing, minute: Row) -> Iterator[Row]:
    """The sixty 1s candles of a minute: some trade, the rest are flat, and together they are the minute."""
    bits = word(listing.salt ^ 0x5EC0, minute.open_ms)
    chosen = [second for second in range(_SECONDS) if second == 0 or bits >> second & 1]
    chosen = chosen[: min(len(chosen), minute.trades, minute.volume // listing.lot)]
    price, count = minute.open, len(chosen)
    for second in range(_SECONDS):
        open_ms = minute.open_ms + second * _SECOND_MS
        if second not in chosen:
            yield Row(open_ms, price, price, price, price, 0, 0, 0, 0, 0, -1, -1)
            continue
        done, next_done = chosen.index(second), chosen.index(second) + 1
        opened, price = price, _between(minute.open, minute.close, next_done, count, listing.tick)
        high = minute.high if done == count // 3 else max(opened, price)
        low = minute.low if done == 2 * count // 3 else min(opened, price)
        before, after = partial(listing, minute, done, count), partial(listing, minute, next_done, count)
        yield Row(
            open_ms,
            opened,
            high,
            low,
            price,
            after.volume - before.volume,
            after.turnover - before.turnover,
            after.trades - before.trades,
            after.taker_volume - before.taker_volume,
            after.taker_turnover - before.taker_turnover,
            minute.first_id + before.trades,
            minute.first_id + after.trades - 1,
        )


def partial(listing: Listing, row: Row, done: int, total: int) -> Row:
    """The candle as it looks when ``done`` of ``total`` parts of its time have passed; at 0, without a trade."""
    if row.volume == 0 or done >= total:
        return row
    volume = row.volume // listing.lot * done // total * listing.lot
    trades = row.trades * done // total
    if volume == 0 or trades == 0:
        return Row(row.open_ms, row.open, row.open, row.open, row.open, 0, 0, 0, 0, 0, -1, -1)
    price = _between(row.open, row.close, done, total, listing.tick)
    past_half = 2 * done > total
    return Row(
        row.open_ms,
        row.open,
        row.high if past_half else max(row.open, price),
        row.low if past_half else min(row.open, price),
        price,
        volume,
        row.turnover * done // total,
        trades,
        min(volume, row.taker_volume // listing.lot * done // total * listing.lot),
        row.taker_turnover * done // total,
        row.first_id,
        row.first_id + trades - 1,
    )


def _between(start: int, end: int, done: int, total: int, tick: int) -> int:
    """The price on the straight way from ``start`` to ``end``, on a tick."""
    return start + (end - start) // tick * done // total * tick
