"""The way through what is missing, against exchanges that lack candles and cut their answers short."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval
from streamer.history.plan import SURE_ROWS, Page, Want
from streamer.history.walk import Seen, Walk
from streamer.symbols.resolve import Chosen
from tests.fakes.rest import instrument

M1 = Interval.M1
STEP = M1.milliseconds
ROWS = 250


def spans_of(minutes: set[int]) -> list[Span]:
    """The runs of these minutes."""
    return joined(M1, [Span(one * STEP, one * STEP) for one in minutes])


def minutes_of(spans: Sequence[Span]) -> list[int]:
    """The minutes that the spans hold."""
    return [at // STEP for span in spans for at in range(span.first_ms, span.last_ms + 1, STEP)]


def walk_of(holes: Sequence[Span], rows: int = ROWS) -> Walk:
    """A walk through these holes."""
    return Walk(Want(Chosen(instrument("BTC"), M1), tuple(holes), rows, lambda _rows: 1), holes)


class Exchange:
    """Has some minutes, and answers at most ``cap`` rows: the oldest of them, or the newest."""

    def __init__(self, minutes: set[int], cap: int = 1_000, *, newest: bool = False) -> None:
        self.minutes = minutes
        self.asked: list[Page] = []
        self._cap = cap
        self._newest = newest

    def answer(self, walk: Walk, page: Page) -> Seen:
        """What it says to a page, and what of it was wanted."""
        self.asked.append(page)
        first, last = page.window.first_ms // STEP, page.window.last_ms // STEP
        held = sorted(one for one in self.minutes if first <= one <= last + page.beyond)
        held = held[-self._cap :] if self._newest else held[: self._cap]
        wanted = set(minutes_of(walk.wanted(page)))
        return Seen(
            came_ms={one * STEP for one in held if one in wanted},
            unclosed_ms=(),
            oldest_ms=held[0] * STEP if held else None,
            newest_ms=held[-1] * STEP if held else None,
            whole=page.rows(M1) <= SURE_ROWS or len(held) >= page.rows(M1),
        )

    def walked(self, walk: Walk) -> list[int]:
        """Walk to the end; the minutes that came, in their order."""
        came: list[int] = []
        while (page := walk.next_page()) is not None:
            seen = self.answer(walk, page)
            came += sorted(at // STEP for at in seen.came_ms)
            walk.answered(page, seen)
            assert len(self.asked) < 500, "it goes on for ever"
        return came


@given(st.sets(st.integers(0, 900)), st.sets(st.integers(0, 900)), st.integers(SURE_ROWS, 300), st.booleans())
def test_what_exists_comes_once_and_the_rest_is_accounted_for(
    holes: set[int], gone: set[int], cap: int, newest: bool
) -> None:
    """Every wanted candle came, is absent or was not served; none twice, none that was stored, whatever the cap."""
    exchange = Exchange(set(range(-5, 1_000)) - gone, cap, newest=newest)
    walk = walk_of(spans_of(holes))
    came = exchange.walked(walk)
    absent, unserved = minutes_of(walk.absent), minutes_of(walk.unserved)
    assert sorted(came) == sorted(holes - gone)
    assert sorted([*absent, *unserved]) == sorted(holes & gone)
    assert walk.left == ()
    assert all(page.rows(M1) <= ROWS for page in exchange.asked)


@given(st.sets(st.integers(0, 900)), st.sets(st.integers(0, 900)))
def test_absent_is_only_what_a_later_candle_proves(holes: set[int], has: set[int]) -> None:
    """Nothing after the exchange's last candle is called absent."""
    walk = walk_of(spans_of(holes))
    Exchange(has).walked(walk)
    assert all(minute < max(has, default=-1) for minute in minutes_of(walk.absent))


def test_a_lively_series_costs_the_fewest_requests() -> None:
    """A thousand candles at 250 a page are four, and nothing is asked for again."""
    exchange = Exchange(set(range(1_000)))
    assert exchange.walked(walk_of([Span(0, 999 * STEP)])) == list(range(1_000))
    assert [page.rows(M1) for page in exchange.asked] == [250] * 4


def test_a_run_at_the_edge_of_a_page_is_proved_by_the_next() -> None:
    """Without a request of its own, and without one left over for the next run of the program."""
    exchange = Exchange(set(range(600)) - set(range(90, 100)))
    walk = walk_of([Span(0, 299 * STEP)], rows=100)
    exchange.walked(walk)
    assert minutes_of(walk.absent) == list(range(90, 100))
    assert walk.unserved == []
    asked = [(page.window.first_ms // STEP, page.rows(M1)) for page in exchange.asked]
    assert asked == [(0, 100), (90, 100), (190, 100), (290, 100)]


def test_a_long_silence_at_the_end_of_a_stretch_is_proved_by_what_follows() -> None:
    """A small page has room for witnesses: what they prove is left over for no other run of the program."""
    exchange = Exchange(set(range(600)) - set(range(280, 340)))
    walk = walk_of([Span(0, 299 * STEP)], rows=100)
    exchange.walked(walk)
    assert (minutes_of(walk.absent), walk.unserved) == (list(range(280, 300)), [])
    assert exchange.asked[-1].rows(M1) == 100


def test_silence_at_the_very_end_is_not_called_absent() -> None:
    """Nobody can know yet; one more request, not a hundred."""
    exchange = Exchange(set(range(40)))
    walk = walk_of([Span(0, 49 * STEP)])
    exchange.walked(walk)
    assert (minutes_of(walk.absent), minutes_of(walk.unserved)) == ([], list(range(40, 50)))
    assert len(exchange.asked) == 2


def test_stored_candles_between_two_holes_are_not_wanted() -> None:
    """One request covers both, and brings only what is missing."""
    exchange = Exchange(set(range(100)))
    came = exchange.walked(walk_of([Span(0, 4 * STEP), Span(50 * STEP, 54 * STEP)]))
    assert came == [*range(5), *range(50, 55)]
    assert len(exchange.asked) == 1


def test_a_spoilt_answer_proves_nothing() -> None:
    """Candles that cannot be were in it, and nobody knows which."""
    walk = walk_of([Span(0, 9 * STEP)])
    page = walk.next_page()
    assert page is not None
    came = {at * STEP for at in range(10) if at != 4}
    walk.answered(page, Seen(came, (), 0, 9 * STEP, whole=True, spoilt=True))
    assert (walk.absent, minutes_of(walk.unserved)) == ([], [4])


def test_what_is_not_closed_is_not_absent() -> None:
    """The exchange's own flag says that it will come."""
    walk = walk_of([Span(0, 9 * STEP)])
    page = walk.next_page()
    assert page is not None
    came = {at * STEP for at in range(10) if at != 4}
    walk.answered(page, Seen(came, (4 * STEP,), 0, 9 * STEP, whole=True))
    assert (walk.absent, minutes_of(walk.unserved)) == ([], [4])
