"""What is asked of the history of a series, and how far it got. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from streamer.domain.gaps import Span, closed_span
from streamer.domain.instrument import Status
from streamer.domain.interval import to_ms
from streamer.symbols.resolve import Chosen


class Asked(NamedTuple):
    """The candles of a series that open in [since, until); without ``until``, all that are settled."""

    chosen: Chosen
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the asked spans is settled one way or the other, in series and in possible candles."""

    series_done: int
    series_total: int
    candles_done: int
    candles_total: int


def asked_span(asked: Asked, end_ms: int) -> Span | None:
    """What is asked for of the candles that end by ``end_ms``; None when there is nothing.

    It is not before the listing, nor after the end that the list states of what is closed: nothing later would ever
    prove that there is no more.
    """
    interval, instrument = asked.chosen.interval, asked.chosen.instrument
    since_ms = to_ms(asked.since)
    if instrument.listed_time is not None:
        since_ms = max(since_ms, interval.floor_ms(to_ms(instrument.listed_time)))
    ended_time = instrument.expiry_time if instrument.status is Status.CLOSED else None
    for until in (asked.until, ended_time):
        if until is not None:
            end_ms = min(end_ms, -(-to_ms(until) // interval.milliseconds) * interval.milliseconds)
    return closed_span(interval, since_ms, end_ms)
