"""The plan of a backfill: every missing candle in exactly one page, the fewest pages, the pools in balance."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval
from streamer.history.plan import Page, Plan, Stretch, Want, after, make_plan, page_of, pages, until
from streamer.protocol.adapter import Pool
from streamer.symbols.resolve import Chosen
from tests.fakes.rest import instrument

M1 = Interval.M1
STEP = M1.milliseconds
FAST = Pool(name="fast", limit=40, window_s=2.0)
SLOW = Pool(name="slow", limit=20, window_s=2.0)

missing_minutes = st.sets(st.integers(0, 400), max_size=120)


def flat(_rows: int) -> int:
    """Every request costs the same."""
    return 1


def graded(rows: int) -> int:
    """As Binance's futures: under a hundred rows for half the price."""
    return 1 if rows < 100 else 2


def spans_of(minutes: set[int]) -> list[Span]:
    """The runs of these minutes."""
    return joined(M1, [Span(one * STEP, one * STEP) for one in minutes])


def minutes_of(spans: Sequence[Span]) -> list[int]:
    """The minutes that the spans hold."""
    return [at // STEP for span in spans for at in range(span.first_ms, span.last_ms + 1, STEP)]


def want(holes: Sequence[Span], rows: int = 10, base: str = "BTC") -> Want:
    """What a series lacks."""
    return Want(Chosen(instrument(base), M1), tuple(holes), rows, flat)


def only_fast(_chosen: Chosen, _page: Page) -> Sequence[Pool]:
    """One way for all."""
    return [FAST]


@given(missing_minutes, st.integers(1, 50))
def test_every_missing_candle_is_in_exactly_one_page(minutes: set[int], most: int) -> None:
    """Pages are bounded, in order, and begin and end with a missing candle; witnesses stay within the bound."""
    found = list(pages(M1, spans_of(minutes), most, flat))
    held = [minute for page in found for minute in minutes_of([page.window]) if minute in minutes]
    assert held == sorted(minutes)
    for page in found:
        assert 1 <= page.rows(M1) <= most
        assert page.window.first_ms // STEP in minutes
        assert page.window.last_ms // STEP in minutes


@given(missing_minutes, st.integers(1, 50))
def test_no_cover_has_fewer_pages(minutes: set[int], most: int) -> None:
    """A page from the first missing candle on is never worse: counted the plain way."""
    plain, reached = 0, -1
    for minute in sorted(minutes):
        if minute > reached:
            plain, reached = plain + 1, minute + most - 1
    assert len(list(pages(M1, spans_of(minutes), most, flat))) == plain


def test_witnesses_are_asked_for_only_where_they_cost_nothing() -> None:
    """They fit in the page, and 99 rows of one unit do not become 100 of two."""
    runs = [Span(0, (rows - 1) * STEP) for rows in (5, 89, 98, 99, 489, 498, 499)]
    assert [page_of(M1, [run], 499, graded).beyond for run in runs] == [10, 10, 1, 0, 10, 1, 0]


@given(missing_minutes, st.integers(-5, 405))
def test_holes_are_cut_without_loss(minutes: set[int], cut: int) -> None:
    """What opens until a time and what opens after it is the whole, in order."""
    holes = spans_of(minutes)
    assert minutes_of(until(holes, cut * STEP)) + minutes_of(after(holes, M1, cut * STEP)) == sorted(minutes)


@given(st.lists(missing_minutes.filter(bool), max_size=5), st.integers(1, 50), st.integers(0, 300))
def test_the_stretches_hold_what_is_missing_and_nothing_else(series: list[set[int]], most: int, old: int) -> None:
    """Whatever pool they went to, each missing candle is in one stretch of its own series; every page is counted."""

    def routes(_chosen: Chosen, page: Page) -> Sequence[Pool]:
        return [SLOW] if page.window.first_ms < old * STEP else [FAST, SLOW]

    wants = [want(spans_of(minutes), most, f"B{number}") for number, minutes in enumerate(series)]
    plan = make_plan(wants, routes)
    stretches = [stretch for lane in plan.lanes.values() for stretch in lane]
    for one, minutes in zip(wants, series, strict=True):
        held = [minute for stretch in stretches if stretch.want is one for minute in minutes_of(stretch.holes)]
        assert sorted(held) == sorted(minutes)
    asked = [page for stretch in stretches for page in pages(M1, stretch.holes, most, flat)]
    assert len(asked) == plan.requests == plan.weight
    assert plan.candles == sum(map(len, series))


def test_pages_with_two_ways_balance_the_pools() -> None:
    """Of 30 pages that may take either pool, the one that is twice as fast gets two thirds."""
    plan = make_plan([want([Span(0, 299 * STEP)])], lambda _chosen, _page: [FAST, SLOW])
    assert {pool.name: load.requests for pool, load in plan.loads.items()} == {"fast": 20, "slow": 10}
    assert {stretch.route for stretch in plan.lanes[SLOW]} == {1}


def test_pages_with_two_ways_come_first() -> None:
    """The way over the newest candles closes with time; what is old stays old."""

    def routes(_chosen: Chosen, page: Page) -> Sequence[Pool]:
        return [SLOW] if page.window.first_ms < 100 * STEP else [FAST, SLOW]

    plan = make_plan([want([Span(0, 199 * STEP)])], routes)
    firsts = [stretch.holes[0].first_ms // STEP for stretch in plan.lanes[SLOW]]
    assert [first >= 100 for first in firsts] == sorted((first >= 100 for first in firsts), reverse=True)
    assert {pool.name: load.requests for pool, load in plan.loads.items()} == {"slow": 10, "fast": 10}


def stretches_of(plan: Plan) -> list[Stretch]:
    """Those of the one pool."""
    return list(plan.lanes[FAST])


def test_a_short_plan_is_fetched_side_by_side_and_a_long_one_in_stretches() -> None:
    """Twenty pages are twenty stretches; ten thousand are cut into stretches of sixteen."""
    assert len(stretches_of(make_plan([want([Span(0, 199 * STEP)])], only_fast))) == 20
    assert len(stretches_of(make_plan([want([Span(0, 99_999 * STEP)])], only_fast))) == 625


def test_the_time_it_takes_counts_whole_windows() -> None:
    """41 requests at 40 in two seconds wait for one window; at half of the limit for two."""
    plan = make_plan([want([Span(0, 409 * STEP)])], only_fast)
    assert 2.0 <= plan.seconds(1.0) < 2.5
    assert 4.0 <= plan.seconds(0.5) < 4.5


def test_nothing_missing_is_no_plan() -> None:
    """No lane, no request, no time."""
    plan = make_plan([], only_fast)
    assert (plan.lanes, plan.requests, plan.candles, plan.seconds(1.0)) == ({}, 0, 0, 0.0)
