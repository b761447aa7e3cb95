"""What the exchanges publish: the one source of truth that WebSocket, REST and the tests' ledger all read.

Pure but for a cache of sums, so that a forming day need not be added up again for every frame.
"""

from typing import Protocol

from streamer.domain.interval import Interval
from streamer.simulator.building import candles, partial, seconds, whole
from streamer.simulator.catalogue import Catalogue
from streamer.simulator.listing import Listing, Row
from streamer.simulator.market import MINUTE_MS, absent, existing, minutes


class Tape(Protocol):
    """Candles by listing and interval; ``now_ms`` is the exchange's time."""

    catalogue: Catalogue

    def rows(self, listing: Listing, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> list[Row]:
        """REST's candles that open from ``first_ms`` to ``last_ms``, oldest first; the last may be forming."""
        ...

    def final(self, listing: Listing, interval: Interval, open_ms: int) -> Row | None:
        """The whole candle that opens at ``open_ms``; None when it is not traded then."""
        ...

    def forming(self, listing: Listing, interval: Interval, now_ms: int) -> Row | None:
        """The candle of ``now_ms`` as far as it has come; None when it is not traded now."""
        ...


class InventedTape:
    """The invented market."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._sums: dict[tuple[Listing, Interval], Row] = {}  # closed minutes of the running candle, added up
        self._summed_to: dict[tuple[Listing, Interval], int] = {}

    def rows(self, listing: Listing, interval: Interval, first_ms: int, last_ms: int, now_ms: int) -> list[Row]:
        """See :class:`Tape`."""
        running_ms = interval.floor_ms(now_ms)
        found = list(candles(listing, interval, first_ms, min(last_ms, running_ms - 1)))
        if first_ms <= running_ms <= last_ms:
            row = self.forming(listing, interval, now_ms)
            found += [row] if row else []
        return [row for row in found if not absent(listing, row)]

    def final(self, listing: Listing, interval: Interval, open_ms: int) -> Row | None:
        """See :class:`Tape`."""
        if interval.milliseconds <= MINUTE_MS:
            return next(candles(listing, interval, open_ms, open_ms), None)
        return self._sum(listing, interval, open_ms, open_ms + interval.milliseconds)

    def forming(self, listing: Listing, interval: Interval, now_ms: int) -> Row | None:
        """See :class:`Tape`."""
        minute_ms = Interval.M1.floor_ms(now_ms)
        minute = next(minutes(listing, minute_ms, minute_ms), None)
        if minute is None:
            return None
        if interval is Interval.S1:
            return list(seconds(listing, minute))[(now_ms - minute_ms) // 1_000]
        running = partial(listing, minute, now_ms - minute_ms, MINUTE_MS)
        open_ms = interval.floor_ms(now_ms)
        if open_ms == minute_ms:
            return running
        before = self._sum(listing, interval, open_ms, minute_ms)
        return whole(open_ms, [before, running] if before else [running])

    def _sum(self, listing: Listing, interval: Interval, open_ms: int, until_ms: int) -> Row | None:
        """The minutes from ``open_ms`` up to, not including, ``until_ms`` as one candle."""
        key = (listing, interval)
        known = self._sums.get(key)
        summed_to = self._summed_to.get(key, 0)
        if known is None or known.open_ms != open_ms or summed_to > until_ms:
            known, summed_to = None, open_ms
        fresh = list(minutes(listing, summed_to, until_ms - MINUTE_MS))
        parts = ([known] if known else []) + fresh
        if not parts or existing(listing, open_ms, open_ms)[0] > until_ms:
            return None
        row = whole(open_ms, parts)
        self._sums[key], self._summed_to[key] = row, until_ms
        return row
