"""When a missing candle is worth a request: evidence first, so that thin markets and late frames cost little. Pure.

A candle is looked for over REST
- at once when it fell into a time before the start;
- once a connection delivers again, when it fell into a break: the whole break at once, when all of it is settled;
- from 15 s, or three intervals up to three minutes, after its end, spread over 15 s, when its series is lively: traded
  in each of its last ten candles; closing frames come up to half a minute late in fast markets;
- with at most one request per series in ten minutes when its series is thin: a run of empty minutes costs one;
- and so, too, when no connection has delivered its series for two minutes: refused, never confirmed, or broken.

Nothing is asked for before it is settled, 60 s after its end. Times are Unix milliseconds of the exchange's clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import GapCause

SETTLE_MS = 60_000
LATE_MS = 15_000
LIVELY_CANDLES = 10
_LATE_INTERVALS = 3
_LATEST_MS = 180_000  # the exchange's lateness, which is waited for, does not grow with the candle
UNHEARD_MS = 120_000
_SPREAD_MS = 15_000
_THIN_EVERY_MS = 600_000
_SAME_BREAK_MS = 180_000  # a break is told once until a connection has held: its next beginnings belong to it
_BREAKS = 64


@dataclass(slots=True)
class Attention:
    """What is known of one followed series while we run.

    ``broken_ms`` is when the present break began, None while there is none. ``first_ms`` is when it was first confirmed
    at all, ``settled_ms`` when last, ``back_ms`` when first after the last break. ``asked_ms`` is when REST was last
    asked for what is not listed, and ``asked_to_ms`` up to which end of candles. ``closed_ms`` is when the newest
    candle that came of it, from whatever source, ended. ``trades`` is whether candles can be expected at all,
    and ``paused_ms`` since when it is known that they cannot: what is missing from before that is asked for.
    """

    started_ms: int
    trades: bool = True
    paused_ms: int = 0
    closed_ms: int | None = None
    broken_ms: int | None = None
    first_ms: int | None = None
    settled_ms: int | None = None
    back_ms: int = 0
    asked_ms: int | None = None
    asked_to_ms: int = 0
    traded: deque[bool] = field(default_factory=lambda: deque(maxlen=LIVELY_CANDLES))
    breaks: deque[Span] = field(default_factory=lambda: deque(maxlen=_BREAKS))  # those that are over, oldest first

    @property
    def lively(self) -> bool:
        """Whether each of its last ten candles had a trade."""
        return len(self.traded) == LIVELY_CANDLES and all(self.traded)

    @property
    def connected(self) -> bool:
        """Whether a connection delivers it now."""
        return self.settled_ms is not None and self.broken_ms is None

    def heard(self, *, traded: bool) -> None:
        """A candle of it came, with or without a trade, or is known not to exist."""
        self.traded.append(traded)

    def reached(self, end_ms: int) -> None:
        """A closed candle that ended at ``end_ms`` is there."""
        self.closed_ms = end_ms if self.closed_ms is None else max(self.closed_ms, end_ms)

    def remember(self, traded: Sequence[bool]) -> None:
        """Take what is stored of the time before, oldest first; what was heard since weighs more."""
        known = [*traded, *self.traded]
        self.traded.clear()
        self.traded.extend(known)

    def settled(self, now_ms: int) -> None:
        """A connection delivers it from now on."""
        if self.broken_ms is not None:
            self.breaks.append(Span(self.broken_ms, now_ms))
            self.back_ms = now_ms
        elif self.settled_ms is not None and self.breaks and now_ms - self.breaks[-1].last_ms < _SAME_BREAK_MS:
            self.breaks.append(Span(self.breaks.pop().first_ms, now_ms))
        else:
            self.back_ms = now_ms
        self.broken_ms = None
        self.settled_ms = now_ms
        self.first_ms = now_ms if self.first_ms is None else self.first_ms

    def broken(self, now_ms: int) -> None:
        """Its connection ended, and nothing took its place."""
        if self.connected:
            self.broken_ms = now_ms

    def asked(self, to_ms: int, now_ms: int) -> None:
        """REST was asked for candles that end by ``to_ms``."""
        self.asked_ms = now_ms
        self.asked_to_ms = max(self.asked_to_ms, to_ms)

    def without_us_to_ms(self) -> int:
        """Candles that ended by then fell, or may have fallen, into a time when no connection would bring them."""
        return self.started_ms if self.settled_ms is None or not self.connected else self.settled_ms + LATE_MS

    def unheard(self, now_ms: int) -> bool:
        """Whether no connection has delivered it for so long that REST is asked without waiting for one."""
        since_ms = self.started_ms if self.broken_ms is None else self.broken_ms
        return self.trades and not self.connected and now_ms - since_ms >= UNHEARD_MS

    def cause(self, end_ms: int) -> GapCause:
        """Why a candle that ended at ``end_ms`` may be missing."""
        first_to_ms = end_ms if self.first_ms is None else self.first_ms + LATE_MS
        if end_ms <= max(self.started_ms, min(first_to_ms, self.started_ms + UNHEARD_MS)):
            return GapCause.START
        if end_ms <= first_to_ms:
            return GapCause.BREAK
        present = [] if self.broken_ms is None else [Span(self.broken_ms, end_ms)]
        for one in (*self.breaks, *present):
            if one.first_ms - LATE_MS < end_ms <= one.last_ms + LATE_MS:
                return GapCause.BREAK
        return GapCause.LATE


def patience_ms(interval: Interval) -> int:
    """How long after its end a candle of a lively series may be late before it counts as missing."""
    return max(LATE_MS, min(_LATE_INTERVALS * interval.milliseconds, _LATEST_MS))


def due(series: Series, missing: Span, attention: Attention, now_ms: int) -> Span | None:
    """The part of a missing run that is to be asked for now; None when all of it can wait."""
    interval = series.interval
    settled_ms = now_ms - SETTLE_MS
    rested = attention.asked_ms is None or now_ms - attention.asked_ms >= _THIN_EVERY_MS
    limits = [attention.started_ms]
    if attention.connected:
        without_us = attention.without_us_to_ms()
        whole = interval.floor_ms(without_us) <= settled_ms or now_ms - attention.back_ms >= _THIN_EVERY_MS
        if whole:
            limits.append(without_us)
        if attention.lively and (whole or missing.first_ms + interval.milliseconds > attention.back_ms):
            spread = crc32(f"{series}".encode()) % _SPREAD_MS
            limits.append(now_ms - patience_ms(interval) - spread)
        elif rested and whole:
            limits.append(now_ms)
    elif rested and attention.unheard(now_ms):
        limits.append(now_ms)
    last_ms = min(missing.last_ms, interval.floor_ms(min(max(limits), settled_ms)) - interval.milliseconds)
    if last_ms < missing.first_ms or not (rested or last_ms + interval.milliseconds > attention.asked_to_ms):
        return None
    return Span(missing.first_ms, last_ms)
