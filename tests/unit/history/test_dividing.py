"""What files are worth asking for, and that a division loses and doubles no candle."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.binance import BINANCE
from streamer.history.covering import Part, cover
from streamer.history.dividing import Division, Supply, divide, without
from streamer.history.plan import Want
from streamer.symbols.resolve import Chosen
from tests.fakes.archive import BTC

NOW_MS = to_ms(datetime(2024, 6, 15, 12, tzinfo=UTC))
DAY = 86_400_000


def parts(chosen: Chosen, spans: Sequence[Span]) -> Sequence[Part]:
    """The files of Binance's spot market."""
    facts = BINANCE.markets[BTC.market].archive
    assert facts is not None
    return cover(facts, chosen, spans, NOW_MS).parts


def want(interval: Interval, *holes: Span) -> Want:
    """Holes of one series, a thousand candles a page."""
    return Want(Chosen(BTC, interval), holes, 1_000, lambda _: 2)


def days(interval: Interval, first: datetime, count: int) -> Span:
    """So many days of candles."""
    first_ms = to_ms(first)
    return Span(first_ms, first_ms + count * DAY - interval.milliseconds)


@pytest.mark.parametrize(
    ("interval", "first", "count", "files", "left_days"),
    [
        (Interval.M1, datetime(2024, 3, 1, tzinfo=UTC), 31, 1, 0),
        (Interval.M1, datetime(2024, 3, 1, tzinfo=UTC), 32, 1, 1),
        (Interval.M1, datetime(2024, 6, 1, tzinfo=UTC), 14, 0, 14),
        (Interval.M1, datetime(2024, 3, 1, tzinfo=UTC), 2, 0, 2),
        (Interval.S1, datetime(2024, 6, 10, tzinfo=UTC), 2, 2, 0),
        (Interval.S1, datetime(2024, 6, 13, tzinfo=UTC), 2, 1, 1),
        (Interval.H1, datetime(2020, 1, 1, tzinfo=UTC), 1_500, 0, 1_500),
    ],
)
def test_a_file_is_asked_for_where_it_spares_pages(
    interval: Interval, first: datetime, count: int, files: int, left_days: int
) -> None:
    """A month of minutes and a day of seconds are worth it, a day of minutes and a month of hours are not."""
    one = want(interval, days(interval, first, count))
    division = divide([one], Supply.AUTO, parts)
    assert division.files == files
    assert sum(rest.candles for rest in division.wants) == left_days * DAY // interval.milliseconds
    assert division.candles == one.candles - sum(rest.candles for rest in division.wants)


def test_one_source_alone_takes_everything() -> None:
    """Also what is too young for files, or worth none: it is then told as left."""
    one = want(Interval.M1, days(Interval.M1, datetime(2024, 6, 1, tzinfo=UTC), 14))
    assert divide([one], Supply.REST, parts) == Division({}, 0, (one,))
    assert divide([one], Supply.FILES, parts) == Division({one.chosen: one.holes}, 13, ())


def test_no_archive_means_rest() -> None:
    """Nothing is asked of files that there are not."""
    one = want(Interval.M1, days(Interval.M1, datetime(2024, 3, 1, tzinfo=UTC), 31))
    assert divide([one], Supply.AUTO, lambda _, __: ()) == Division({}, 0, (one,))


_MARKS = st.lists(st.integers(0, 200_000), min_size=2, max_size=12, unique=True).map(sorted)


@given(_MARKS)
def test_a_division_tiles_what_is_wanted(marks: list[int]) -> None:
    """Each missing candle is asked of files or of REST, and none of both."""
    step, first_ms = Interval.M1.milliseconds, to_ms(datetime(2024, 2, 1, tzinfo=UTC))
    pairs = zip(marks[::2], marks[1::2], strict=False)
    holes = joined(Interval.M1, [Span(first_ms + a * step, first_ms + b * step) for a, b in pairs])
    one = want(Interval.M1, *holes)
    division = divide([one], Supply.AUTO, parts)
    taken = [span for spans in division.spans.values() for span in spans]
    rest = [span for left in division.wants for span in left.holes]
    assert joined(Interval.M1, [*taken, *rest]) == holes
    assert sum(span.candles(Interval.M1) for span in (*taken, *rest)) == one.candles
    assert without(Interval.M1, holes, taken) == rest
