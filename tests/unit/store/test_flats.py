"""Flat candles stand exactly where a candle is known not to be and the price before it is known."""

from array import array
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.store.bulk import Known
from streamer.store.columns import CANDLES, SOURCED, Columns
from streamer.store.flats import Flats, Span, known_empty

MINUTE_US = 60_000_000
START = datetime(2026, 1, 5, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
NAN = float("nan")


def at(minute: float) -> datetime:
    """A time so many minutes after the start."""
    return START + timedelta(minutes=minute)


def us(minute: int) -> int:
    """The same in microseconds."""
    return START_US + minute * MINUTE_US


def candles(minutes: list[int], **values: float) -> Columns:
    """Candles that open at these minutes; each closes at its minute's number."""
    found: dict[str, array[Any]] = {
        column.name: array(column.kind.code, [values.get(column.name, 7)] * len(minutes)) for column in CANDLES
    }
    found["open_time"] = array("q", map(us, minutes))
    found["close"] = array("d", minutes)
    return found


def filled(
    pages: list[list[int]], empty: list[Span], since: int = 0, until: int = 60, before: int | None = None
) -> list[tuple[int, float, int]]:
    """Minute, close and mark of every row that comes out."""
    flats = Flats(CANDLES, Interval.M1, [(us(first), us(end)) for first, end in empty], (us(since), us(until)))
    if before is not None:
        flats.begin(candles([before]))
    pieces = [piece for page in pages for piece in flats.page(candles(page))]
    pieces += flats.rest()
    return [
        ((open_us - START_US) // MINUTE_US, close, mark)
        for piece in pieces
        for open_us, close, mark in zip(piece["open_time"], piece["close"], piece["filled"], strict=True)
    ]


def by_hand(
    minutes: list[int], empty: list[Span], since: int, until: int, before: int | None
) -> list[tuple[int, float, int]]:
    """The same minute by minute: the price is known after a candle, and as long as nothing unknown comes."""
    stored, rows, price = set(minutes), [], None
    for minute in range(-20, 80):
        if minute in stored or minute == before:
            price = minute
            if minute in stored:
                rows.append((minute, float(minute), 0))
        elif price is not None and any(first <= minute < end for first, end in empty):
            if since <= minute < until:
                rows.append((minute, float(price), 1))
        else:
            price = None
    return rows


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[list[int]], list[Span], int, int, int | None]:
    """Pages of stored minutes, empty spans that are apart, a range, and perhaps a candle before it."""
    since = draw(st.integers(0, 5))
    until = draw(st.integers(since + 1, 60))
    minutes = sorted(draw(st.sets(st.integers(since, until - 1))))
    edges = sorted(draw(st.sets(st.integers(-10, 70), max_size=12)))
    empty = [(edges[index], edges[index + 1]) for index in range(0, len(edges) - 1, 2)]
    empty = [span for index, span in enumerate(empty) if not index or empty[index - 1][1] < span[0]]
    size = draw(st.integers(1, 20))
    pages = [minutes[start : start + size] for start in range(0, len(minutes), size)]
    return pages, empty, since, until, draw(st.none() | st.integers(-10, since - 1))


@given(schedules())
def test_flat_candles_stand_where_they_must(
    schedule: tuple[list[list[int]], list[Span], int, int, int | None],
) -> None:
    """And nowhere else, wherever the pages are cut."""
    pages, empty, since, until, before = schedule
    rows = filled(pages, empty, since, until, before)
    assert rows == by_hand([minute for page in pages for minute in page], empty, since, until, before)


def test_nothing_is_before_the_first_candle() -> None:
    """Without a price nothing is filled, nor without any candle."""
    assert filled([[5]], [(0, 20)], until=7) == [(5, 5.0, 0), (6, 5.0, 1)]
    assert filled([[]], [(0, 20)]) == []


def test_an_unknown_minute_ends_the_price() -> None:
    """What comes after it stays a hole until a candle says the price again."""
    assert filled([[0, 6]], [(1, 3), (4, 6)]) == [(0, 0.0, 0), (1, 0.0, 1), (2, 0.0, 1), (6, 6.0, 0)]


def test_long_silence_comes_in_pieces() -> None:
    """No piece is longer than some ten thousand rows, however long the silence."""
    flats = Flats(CANDLES, Interval.M1, [(us(0), us(10**6))], (us(0), us(10**6)))
    pieces = [*flats.page(candles([0])), *flats.rest()]
    assert sum(len(piece["open_time"]) for piece in pieces) == 10**6
    assert max(len(piece["open_time"]) for piece in pieces) <= 100_000


@pytest.mark.parametrize(("published", "flat"), [(5.0, 0.0), (NAN, NAN)])
def test_a_flat_candle_publishes_what_the_exchange_publishes(published: float, flat: float) -> None:
    """Prices are the last close, volumes nothing; what its exchange never says stays NULL."""
    flats = Flats(CANDLES, Interval.M1, [(us(1), us(2))], (us(0), us(2)))
    given_ = candles([0], quote_volume=published, trades=-1)
    pieces = [*flats.page(given_), *flats.rest()]
    last = {name: values[-1] for piece in pieces for name, values in piece.items()}
    assert [last[name] for name in ("open", "high", "low", "close", "volume", "trades", "filled")] == [
        0.0, 0.0, 0.0, 0.0, 0.0, -1, 1,
    ]  # fmt: skip
    assert str(last["quote_volume"]) == str(flat)


def test_a_flat_candle_has_no_source() -> None:
    """Nor was it received."""
    flats = Flats(SOURCED, Interval.M1, [(us(1), us(2))], (us(0), us(2)))
    page = {**candles([0]), "source": array("i", [ord("w")]), "received_at": array("q", [us(1)])}
    pieces = [*flats.page(page), *flats.rest()]
    nothing = {column.name: column.kind.nothing for column in SOURCED}
    last = {name: values[-1] for piece in pieces for name, values in piece.items()}
    assert (last["source"], last["received_at"]) == (nothing["source"], nothing["received_at"])


def test_the_mark_and_absent_runs_are_empty_and_open_gaps_are_not() -> None:
    """What touches is joined; what is open is cut out; a mark between two boundaries counts to the one before."""
    known = Known(
        (at(0.5), at(10.9)), [(at(10), at(12)), (at(20), at(25))], [(at(3), at(4)), (at(9), at(11)), (at(22), at(23))]
    )
    assert known_empty(known, Interval.M1, Interval.M1) == [
        (us(1), us(3)), (us(4), us(9)), (us(11), us(12)), (us(20), us(22)), (us(23), us(25)),
    ]  # fmt: skip
    assert known_empty(Known(None, [], [(at(0), at(9))]), Interval.M1, Interval.M1) == []
    assert known_empty(Known((at(5), at(5.5)), [], []), Interval.M1, Interval.M1) == []


def test_longer_candles_are_empty_when_all_of_them_is() -> None:
    """Spans of minutes count as far as they cover whole candles."""
    known = Known((at(3), at(16.5)), [(at(16), at(31))], [(at(22), at(23))])
    assert known_empty(known, Interval.M1, Interval.M5) == [(us(5), us(20)), (us(25), us(30))]


def test_weeks_are_empty_from_monday_to_sunday() -> None:
    """Their boundaries are not those of weeks counted from 1970, which was a Thursday."""
    week = 7 * 1_440
    known = Known((at(-week - 1), at(week)), [(at(week), at(3 * week - 1))], [])
    assert known_empty(known, Interval.M1, Rollup.W1) == [(us(-week), us(2 * week))]


_MINUTES = st.tuples(st.integers(-30, 30), st.integers(1, 20)).map(lambda run: (run[0], run[0] + run[1]))


@given(st.none() | _MINUTES, st.lists(_MINUTES, max_size=5), st.lists(_MINUTES, max_size=5))
def test_empty_runs_are_those_of_minute_after_minute(
    followed: Span | None, absent: list[Span], unknown: list[Span]
) -> None:
    """A candle of five minutes is empty when each of its minutes is, and runs neither touch nor overlap."""

    def times(spans: list[Span]) -> list[tuple[datetime, datetime]]:
        return [(at(first), at(end)) for first, end in spans]

    empty = {minute for first, end in [*absent, *filter(None, [followed])] for minute in range(first, end)}
    empty -= {minute for first, end in unknown for minute in range(first, end)}
    expected = [five for five in range(-50, 60, 5) if empty.issuperset(range(five, five + 5))]
    known = Known(None if followed is None else times([followed])[0], times(absent), times(unknown))
    runs = known_empty(known, Interval.M1, Interval.M5)
    assert [open_us for run in runs for open_us in range(*run, 5 * MINUTE_US)] == [us(five) for five in expected]
    assert all(one[1] <= other[0] for one, other in pairwise(runs))


@given(schedules())
def test_holes_are_where_flat_candles_would_stand(
    schedule: tuple[list[list[int]], list[Span], int, int, int | None],
) -> None:
    """Between candles before each page, and after the last one at the end; what is doubted then stays a hole."""
    pages, empty, since, until, before = schedule
    flats = Flats(CANDLES, Interval.M1, [(us(first), us(end)) for first, end in empty], (us(since), us(until)))
    if before is not None:
        flats.begin(candles([before]))
    told: set[int] = set()
    pieces: list[Columns] = []
    for page in pages:
        told |= {open_us for span in flats.holes(candles(page)) for open_us in range(*span, MINUTE_US)}
        pieces += flats.page(candles(page))
    told |= {open_us for span in flats.last_hole() for open_us in range(*span, MINUTE_US)}
    pieces += flats.rest()
    rows = [row for piece in pieces for row in zip(piece["open_time"], piece["filled"], strict=True)]
    assert {open_us for open_us, mark in rows if mark} <= told


def test_what_is_doubted_stays_a_hole() -> None:
    """As if it were an open gap."""
    flats = Flats(CANDLES, Interval.M1, [(us(0), us(10))], (us(0), us(10)))
    assert flats.holes(candles([0, 3])) == [(us(1), us(3))]
    flats.doubt([(us(1), us(2))])
    pieces = [*flats.page(candles([0, 3]))]
    assert flats.last_hole() == [(us(4), us(10))]
    flats.doubt([(us(7), us(10))])
    pieces += flats.rest()
    assert [open_us for piece in pieces for open_us in piece["open_time"]] == list(map(us, (0, 3, 4, 5, 6)))
