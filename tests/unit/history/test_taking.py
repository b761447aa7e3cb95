"""What files bring is counted, and what they lack is asked of REST in order, beside what it was asked for anyway."""

from dataclasses import replace

import pytest

from streamer.domain.errors import HistoryError, MalformedAnswer, Refused, Unavailable
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.binance.archive import month_file
from streamer.history.backfill import Report
from streamer.history.dividing import Supply, divide
from streamer.history.plan import Want
from streamer.history.taking import Taking
from streamer.symbols.resolve import Chosen
from tests.fakes.archive import ArchiveWorld

MINUTE = 60_000
DAY = 1_440 * MINUTE
FEBRUARY, MARCH = 1_706_745_600_000, 1_709_251_200_000  # 2024
SPAN = Span(FEBRUARY, MARCH + 2_999 * MINUTE)  # the second part is young, or too little for files


async def test_what_files_lack_comes_before_what_they_were_not_asked_for() -> None:
    """REST gets one list of spans, oldest first and apart; the candle before a hole is among them."""
    world = ArchiveWorld(Interval.M1)
    hole = Span(FEBRUARY + 100 * MINUTE, FEBRUARY + 109 * MINUTE)
    world.publish(world.month(FEBRUARY), without=[hole])
    want = Want(world.chosen, (SPAN,), 1_000, lambda _: 2)
    division = divide([want], Supply.AUTO, world.fetcher.parts_for)
    told: list[int] = []
    taking = Taking(world.fetcher, division, told.append)
    await taking.run()
    [left] = taking.remaining([want])
    assert left.holes == (Span(hole.first_ms - MINUTE, hole.last_ms), Span(MARCH, SPAN.last_ms))
    assert taking.candles[want.chosen.series] + left.candles == want.candles
    assert (taking.files, told) == (1, [29 * 1_440])
    assert world.opens()[0] == to_ms(world.delivered[0].candle.open_time) == FEBRUARY


async def test_a_file_is_asked_for_once_for_all_holes_in_it() -> None:
    """And so is each day of a month that is not there yet; progress counts candles, and files once."""
    days = [Span(FEBRUARY + day * DAY, FEBRUARY + (day + 3) * DAY - MINUTE) for day in range(0, 28, 4)]
    halves = [Span(FEBRUARY + 25 * DAY + part * DAY // 4, FEBRUARY + 25 * DAY + part * DAY // 4) for part in (0, 2)]
    for is_published, holes, files in ((True, [*days], 1), (False, [*days[:6], *halves], 19)):
        world = ArchiveWorld(Interval.M1)
        for file in [world.month(FEBRUARY)] if is_published else [world.day(FEBRUARY + n * DAY) for n in range(29)]:
            world.publish(file)
        want = Want(world.chosen, tuple(holes), 1_000, lambda _: 2)
        told: list[int] = []
        taking = Taking(world.fetcher, divide([want], Supply.FILES, world.fetcher.parts_for), told.append)
        await taking.run()
        assert len(world.host.asked) == len(set(world.host.asked)) == 2 * files + (not is_published)
        assert (taking.files, told[-1], len(world.delivered)) == (files, want.candles, want.candles)
        assert taking.alone()[0].error is None


async def test_a_host_that_was_given_up_is_asked_for_no_other_series() -> None:
    """After three series in a row what waits for it is left, and each series says why where REST is not asked."""
    world = ArchiveWorld(Interval.M1)
    wants = [_of_february(world, f"B{number}USDT") for number in range(40)]
    for want in wants:
        path = month_file(want.chosen.instrument, Interval.M1, FEBRUARY).checksum_path
        world.host.failing[path] = Unavailable("no way there")
    taking = Taking(world.fetcher, divide(wants, Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    assert len(world.host.asked) <= 6
    assert world.facts.said("archive_unavailable") == 3
    assert taking.remaining(wants) == tuple(wants)
    assert [str(report.error) for report in taking.alone()] == ["no way there"] * len(wants)


@pytest.mark.parametrize("error", [Refused("forbidden"), Unavailable("slow down")])
async def test_one_file_that_is_refused_stops_no_other_series(error: HistoryError) -> None:
    """The host answers, and has the others."""
    world = ArchiveWorld(Interval.M1)
    wants = [_of_february(world, native_symbol) for native_symbol in ("AUSDT", "BTCUSDT")]
    file = month_file(wants[0].chosen.instrument, Interval.M1, FEBRUARY)
    world.host.failing[file.checksum_path] = error
    world.publish(world.month(FEBRUARY))
    taking = Taking(world.fetcher, divide(wants, Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    assert [left.chosen for left in taking.remaining(wants)] == [wants[0].chosen]


async def test_a_doubted_candle_fails_only_with_the_hole_after_it() -> None:
    """Not with a later one of another span, whose file is cut short."""
    world = ArchiveWorld(Interval.M1)
    hole, end = Span(FEBRUARY + 100 * MINUTE, FEBRUARY + 109 * MINUTE), Span(MARCH - 180 * MINUTE, MARCH - MINUTE)
    for day in (FEBRUARY, end.first_ms):
        world.publish(world.day(day), without=[hole, end])
    wanted = (Span(FEBRUARY, hole.first_ms - MINUTE), Span(end.first_ms, MARCH - MINUTE))
    want = Want(world.chosen, wanted, 1_000, lambda _: 2)
    taking = Taking(world.fetcher, divide([want], Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    assert taking.alone()[0].left == (end,)


async def test_a_bad_file_fails_its_series_where_rest_is_not_asked() -> None:
    """With the reason and the span; a month that is not there and days that are too young are no failure."""
    world = ArchiveWorld(Interval.M1)
    file = world.month(FEBRUARY)
    world.publish(file)
    world.host.publish(file, b"not what the checksum says", checksum=world.host.files[_url(world, file.checksum_path)])
    january = Span(FEBRUARY - 5_000 * MINUTE, FEBRUARY - MINUTE)
    want = Want(world.chosen, (Span(january.first_ms, MARCH - MINUTE),), 1_000, lambda _: 2)
    taking = Taking(world.fetcher, divide([want], Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    [report] = taking.alone()
    assert isinstance(report.error, MalformedAnswer)
    assert "checksum_failed" in str(report.error)
    assert report.left == (Span(FEBRUARY, MARCH - MINUTE),)
    assert report.candles == 0


async def test_files_that_are_not_there_yet_fail_nothing() -> None:
    """Nothing of the series is an error."""
    world = ArchiveWorld(Interval.M1)
    want = Want(world.chosen, (SPAN,), 1_000, lambda _: 2)
    taking = Taking(world.fetcher, divide([want], Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    [report] = taking.alone()
    assert (report.error, report.left) == (None, ())


async def alone(*holes: Span) -> Report:
    """What became of February in files alone, its file published without ``holes``."""
    world = ArchiveWorld(Interval.M1)
    world.publish(world.month(FEBRUARY), without=holes)
    want = Want(world.chosen, (Span(FEBRUARY, MARCH - MINUTE),), 1_000, lambda _: 2)
    taking = Taking(world.fetcher, divide([want], Supply.FILES, world.fetcher.parts_for), lambda _: None)
    await taking.run()
    [report] = taking.alone()
    assert report.candles + sum(span.candles(Interval.M1) for each in taking.reports for span in each.remaining) == (
        want.candles
    )
    return report


async def test_minutes_that_an_exchange_never_had_fail_nothing() -> None:
    """An outage, or the time before the listing, with later candles in the same file: its files are all taken."""
    listing = Span(FEBRUARY, FEBRUARY + 3 * 1_440 * MINUTE)
    outage = Span(FEBRUARY + 9_000 * MINUTE, FEBRUARY + 9_179 * MINUTE)
    report = await alone(listing, outage)
    assert (report.error, report.left) == (None, ())


async def test_a_file_that_ends_early_fails_its_series_where_rest_is_not_asked() -> None:
    """Nothing in it says that there was no more."""
    report = await alone(Span(MARCH - 180 * MINUTE, MARCH - MINUTE))
    assert "cut_short" in str(report.error)
    assert report.left == (Span(MARCH - 181 * MINUTE, MARCH - MINUTE),)


def _of_february(world: ArchiveWorld, native_symbol: str) -> Want:
    instrument = replace(world.chosen.instrument, native_symbol=native_symbol, symbol=native_symbol)
    return Want(Chosen(instrument, Interval.M1), (Span(FEBRUARY, MARCH - MINUTE),), 1_000, lambda _: 2)


def _url(world: ArchiveWorld, path: str) -> str:
    return next(url for url in world.host.files if url.endswith(path))
