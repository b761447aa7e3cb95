"""Brings the first page of a series of which nobody says since when it is traded.

Where the answer holds a candle, the series is older than what is asked for, and that is all there was to find out; the
next run, finding that page stored, does not wonder again. An empty answer proves nothing: ``planning`` looks further.
"""

from dataclasses import dataclass

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import to_ms
from streamer.history.page import PageFetcher, Settled
from streamer.history.plan import SURE_ROWS, Want
from streamer.history.walk import Seen, Walk


@dataclass(frozen=True, slots=True)
class Opened:
    """How many candles came with one request, what the answer proves absent, and what is missing still."""

    candles: int
    absent: tuple[Span, ...]
    holes: tuple[Span, ...]


async def open_page(fetcher: PageFetcher, want: Want, settled: Settled) -> Opened | None:
    """What the first page of ``want`` brought, once that is stored; None when the answer was empty.

    Raises:
        HistoryError: the exchange did not answer.

    Cancelling loses only what was not stored yet.
    """
    walk = Walk(want, want.holes)
    page = walk.next_page()
    if page is None:
        return None
    fetched = await fetcher.fetch(want.chosen, page.window, page.beyond, only=walk.wanted(page))
    if not fetched.rows:
        return None
    asked = page.rows(want.chosen.interval)
    absent = walk.answered(
        page,
        Seen(
            came_ms={to_ms(candle.open_time) for candle in fetched.candles},
            unclosed_ms=fetched.unclosed_ms,
            oldest_ms=fetched.oldest_ms,
            newest_ms=fetched.newest_ms,
            whole=asked <= SURE_ROWS or fetched.rows >= asked,
            spoilt=bool(fetched.refused_ms or fetched.unplaced),
        ),
    )
    await settled()
    holes = joined(want.chosen.interval, [*walk.unserved, *walk.left])
    return Opened(len(fetched.candles), tuple(joined(want.chosen.interval, absent)), tuple(holes))
