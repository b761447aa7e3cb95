"""What files bring is counted, and what they lack is asked of REST in order, beside what it was asked for anyway."""

from streamer.domain.errors import MalformedAnswer
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, to_ms
from streamer.history.backfill import Report
from streamer.history.dividing import Supply, divide
from streamer.history.plan import Want
from streamer.history.taking import Taking
from tests.fakes.archive import ArchiveWorld

MINUTE = 60_000
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


def _url(world: ArchiveWorld, path: str) -> str:
    return next(url for url in world.host.files if url.endswith(path))
