"""Which files cover a span: every old candle in one, none too young, and few of them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span, joined
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.binance import BINANCE
from streamer.history.covering import Cover, cover, days_instead
from streamer.protocol.adapter import ArchiveFacts
from streamer.symbols.resolve import Chosen
from tests.fakes.archive import BTC

DAY_MS = 86_400_000


def at(text: str) -> int:
    """A time of UTC, in milliseconds."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


NOW_MS = at("2024-03-15T12:00")


def facts() -> ArchiveFacts:
    """Where the archive of spot keeps what."""
    archive = BINANCE.markets[BTC.market].archive
    assert archive is not None
    return archive


def covered(first: str, last: str, interval: Interval = Interval.M1, now_ms: int = NOW_MS) -> Cover:
    """The files for the candles that open from ``first`` to ``last``."""
    return cover(facts(), Chosen(BTC, interval), [Span(at(first), at(last))], now_ms)


def dates(found: Cover) -> list[str]:
    """The dates in the names of the files."""
    return [part.file.member.removesuffix(".csv").split("-", 2)[2] for part in found.parts]


@given(
    interval=st.sampled_from(Interval),
    first_day=st.integers(0, 90),
    marks=st.lists(st.integers(0, 60 * 86_400), min_size=1, max_size=12, unique=True).map(sorted),
    now_s=st.integers(0, 86_399),
)
def test_every_candle_is_in_one_file_or_too_young(
    interval: Interval, first_day: int, marks: list[int], now_s: int
) -> None:
    """The wanted parts and the young rest tile the spans; each file comes once, holds its part, and is not young."""
    step, since_ms = interval.milliseconds, at("2024-01-01") + first_day * DAY_MS
    now_ms = at("2024-03-15") + now_s * 1_000
    opens = [interval.floor_ms(since_ms + mark * 1_000) for mark in marks]
    spans = joined(interval, map(Span, opens[::2], opens[1::2] if len(opens) % 2 == 0 else [*opens[1::2], opens[-1]]))
    found = cover(facts(), Chosen(BTC, interval), spans, now_ms)
    for part in found.parts:
        assert part.spans == tuple(sorted(part.spans))
        assert part.file.span.first_ms <= part.spans[0].first_ms <= part.spans[-1].last_ms <= part.file.span.last_ms
        assert part.file.span.last_ms + step + DAY_MS <= now_ms
    assert len({part.file for part in found.parts}) == len(found.parts)
    tiles = [*(span for part in found.parts for span in part.spans), *found.young]
    assert joined(interval, tiles) == spans
    assert sum(tile.candles(interval) for tile in tiles) == sum(span.candles(interval) for span in spans)
    assert tiles == sorted(tiles)
    assert all(young.first_ms >= at("2024-03-14") for young in found.young)


def test_whole_months_and_then_days() -> None:
    """The running month has no file yet, and yesterday ended only this morning."""
    found = covered("2023-12-01", "2024-03-15T11:00")
    assert dates(found) == ["2023-12", "2024-01", "2024-02", *(f"2024-03-{day:02}" for day in range(1, 14))]
    assert [part.is_month for part in found.parts] == [True] * 3 + [False] * 13
    assert found.young == (Span(at("2024-03-14"), at("2024-03-15T11:00")),)


@pytest.mark.parametrize(
    ("first", "last", "files"),
    [
        ("2024-01-30", "2024-01-31T23:59", ["2024-01-30", "2024-01-31"]),
        ("2024-01-29T12:00", "2024-01-31T00:00", ["2024-01"]),
        ("2024-01-31T23:59", "2024-02-01T00:00", ["2024-01-31", "2024-02-01"]),
        ("2024-03-14", "2024-03-14T23:59", []),
        ("2024-03-20", "2024-03-21", []),
    ],
    ids=["two days", "three days", "over the end of a month", "too young", "not yet"],
)
def test_a_month_is_taken_for_three_days_of_it(first: str, last: str, files: list[str]) -> None:
    """A file more costs what the unwanted rows of a month cost."""
    assert dates(covered(first, last)) == files


def test_a_month_is_taken_for_holes_on_three_days_of_it() -> None:
    """However they lie in it; two holes in one day are in one file, and days of another month do not count."""
    minutes = [("2024-01-02T00:00", 5), ("2024-01-02T09:00", 5), ("2024-01-31T23:00", 60), ("2024-02-01T00:30", 5)]
    holes = [Span(at(first), at(first) + (count - 1) * 60_000) for first, count in minutes]
    chosen = Chosen(BTC, Interval.M1)
    found = cover(facts(), chosen, holes, NOW_MS)
    assert dates(found) == ["2024-01-02", "2024-01-31", "2024-02-01"]
    assert found.parts[0].spans == tuple(holes[:2])
    found = cover(facts(), chosen, sorted([*holes, Span(at("2024-01-15"), at("2024-01-15"))]), NOW_MS)
    assert dates(found) == ["2024-01", "2024-02-01"]


def test_a_day_counts_once_it_ended_over_a_day_ago() -> None:
    """To the millisecond, and so does a month by its last day."""
    midnight_ms = at("2024-03-02")
    for now_ms, files in ((midnight_ms - 1, [f"2024-02-{day}" for day in range(26, 29)]), (midnight_ms, ["2024-02"])):
        assert dates(covered("2024-02-26", "2024-02-29", now_ms=now_ms)) == files


def test_seconds_come_by_the_day() -> None:
    """A month of them would be two and a half million candles in memory."""
    assert dates(covered("2024-01-01", "2024-01-04", Interval.S1)) == [f"2024-01-0{day}" for day in range(1, 5)]


def test_a_young_month_that_is_absent_is_taken_by_its_days() -> None:
    """Only the wanted ones; an old month that is absent stays so, and a day has nothing in its place."""
    chosen = Chosen(BTC, Interval.M1)
    february, january = (
        covered(f"2024-0{month}-10", f"2024-0{month}-12T05:00").parts[0] for month in (2, 1)
    )  # fmt: skip
    days = days_instead(facts(), chosen, february, NOW_MS)
    assert dates(Cover(days, ())) == ["2024-02-10", "2024-02-11", "2024-02-12"]
    assert days[-1].spans == (Span(at("2024-02-12"), at("2024-02-12T05:00")),)
    assert days_instead(facts(), chosen, january, NOW_MS) == ()
    assert days_instead(facts(), chosen, days[0], NOW_MS) == ()
