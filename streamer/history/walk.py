"""The way through what is missing in one stretch: the next page, and what an answer says about it. Pure.

A candle that the answer does not hold is absent where the same answer holds a later one and was not cut short. A run at
its end is asked for again at the beginning of the next page, which mostly shows the same for nothing. An answer that
may have been cut short is asked for again in pages that any exchange answers whole.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from streamer.domain.gaps import Span, missing
from streamer.history.plan import SURE_ROWS, Page, Want, after, page_of, until


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer held: the open times that came and those not closed yet, and its oldest and newest of all.

    ``whole``: it was certainly not cut short. ``spoilt``: it held candles that cannot be, and nobody knows which.
    """

    came_ms: Collection[int]
    unclosed_ms: Collection[int]
    oldest_ms: int | None
    newest_ms: int | None
    whole: bool
    spoilt: bool = False


class Walk:
    """One stretch on its way. ``absent`` and ``unserved`` are what did not come, with and without a proof."""

    def __init__(self, want: Want, holes: Sequence[Span]) -> None:
        self._want = want
        self._interval = want.chosen.interval
        self._left = list(holes)
        self._narrow_to_ms = -1
        self.absent: list[Span] = []
        self.unserved: list[Span] = []

    @property
    def left(self) -> tuple[Span, ...]:
        """What is still to be asked for."""
        return tuple(self._left)

    @property
    def candles_left(self) -> int:
        """How many candles that is."""
        return sum(hole.candles(self._interval) for hole in self._left)

    def next_page(self) -> Page | None:
        """What to ask for now; None at the end."""
        if not self._left:
            return None
        most = self._want.rows
        if self._left[0].first_ms <= self._narrow_to_ms:
            most = min(most, SURE_ROWS)
        return page_of(self._interval, self._left, most, self._want.cost)

    def wanted(self, page: Page) -> list[Span]:
        """What of the page is missing; the rest of it is stored."""
        return until(self._left, page.window.last_ms)

    def answered(self, page: Page, seen: Seen) -> list[Span]:
        """Take the answer to :meth:`next_page`; what it proves absent."""
        known = len(self.absent)
        again: list[Span] = []
        for hole in self.wanted(page):
            for run in missing(self._interval, hole, seen.came_ms):
                self._judge(run, page, seen, again)
        self._left = again + after(self._left, self._interval, page.window.last_ms)
        return self.absent[known:]

    def _judge(self, run: Span, page: Page, seen: Seen, again: list[Span]) -> None:
        is_before = seen.newest_ms is not None and seen.newest_ms > run.last_ms
        is_after = seen.oldest_ms is not None and seen.oldest_ms < run.first_ms
        if seen.spoilt or any(run.first_ms <= at <= run.last_ms for at in seen.unclosed_ms):
            self.unserved.append(run)
        elif is_before and (seen.whole or is_after):
            self.absent.append(run)
        elif not seen.whole and page.rows(self._interval) > SURE_ROWS:
            again.append(run)
            self._narrow_to_ms = page.window.last_ms
        elif seen.whole and is_after and run.first_ms > page.window.first_ms:
            again.append(run)
        else:
            self.unserved.append(run)
