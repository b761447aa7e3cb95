"""Old history from files: what they hold is delivered once, and everything else is left for REST, with the reason."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import Geoblocked, Unavailable
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market, Status
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.binance import BINANCE
from streamer.history.archive import ArchiveFetcher
from streamer.history.archive_report import FileOutcome, Left, Why
from streamer.rest.transport import RawAnswer
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime
from tests.fakes.archive import ArchiveWorld, checksum_of, lines, opens_of, zipped
from tests.fakes.rest import instrument

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def at(text: str) -> int:
    """A time of UTC, in milliseconds."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


JANUARY_MS, FEBRUARY_MS, MARCH_MS = at("2024-01-01"), at("2024-02-01"), at("2024-03-01")
JANUARY = Span(JANUARY_MS, FEBRUARY_MS - HOUR_MS)
FEBRUARY = Span(FEBRUARY_MS, MARCH_MS - HOUR_MS)


def between(first: str, last: str) -> Span:
    """The candles that open from ``first`` to ``last``."""
    return Span(at(first), at(last))


def before(hole: Span) -> Span:
    """The candle before it."""
    return Span(hole.first_ms - HOUR_MS, hole.first_ms - HOUR_MS)


def opens(span: Span) -> list[int]:
    """The hours of a span."""
    return list(range(span.first_ms, span.last_ms + 1, HOUR_MS))


async def test_months_and_days_are_delivered_oldest_first() -> None:
    """Each candle once, marked as a file's, with the exchange's time of now; what is too young is left."""
    world = ArchiveWorld()
    world.publish(world.month(FEBRUARY_MS))
    for day in range(13):
        world.publish(world.day(MARCH_MS + day * DAY_MS))
    span = between("2024-02-10T05:00", "2024-03-15T09:00")
    report = await world.fetcher.fetch(world.chosen, span)
    assert world.opens() == opens(between("2024-02-10T05:00", "2024-03-13T23:00"))
    assert {one.source for one in world.delivered} == {Source.FILE}
    assert {one.received_time for one in world.delivered} == {datetime(2024, 3, 15, 12, tzinfo=UTC)}
    assert (report.candles, report.files, report.error) == (len(world.delivered), 14, None)
    assert report.bytes == sum(len(body) for url, body in world.host.files.items() if url.endswith(".zip"))
    assert report.left == (Left(between("2024-03-14T00:00", "2024-03-15T09:00"), Why.TOO_YOUNG),)
    assert world.facts.metric("archive_files_total", exchange="binance", outcome="taken") == 14
    assert world.facts.metric("archive_bytes_total", exchange="binance") == report.bytes


async def test_a_month_that_is_not_there_yet_is_taken_by_its_days() -> None:
    """The file of February may come any day; days that are absent too are left, as one span."""
    world = ArchiveWorld()
    for day in range(29):
        if day not in (7, 8):
            world.publish(world.day(FEBRUARY_MS + day * DAY_MS))
    report = await world.fetcher.fetch(world.chosen, FEBRUARY)
    assert report.left == (Left(between("2024-02-08", "2024-02-09T23:00"), Why.NOT_PUBLISHED),)
    assert report.files == 27
    assert world.opens() == [one for one in opens(FEBRUARY) if not at("2024-02-08") <= one < at("2024-02-10")]


async def test_an_old_month_that_is_absent_costs_one_request() -> None:
    """Before the listing of an instrument there is nothing, and no day of it is asked for."""
    world = ArchiveWorld()
    world.publish(world.month(JANUARY_MS))
    report = await world.fetcher.fetch(world.chosen, Span(at("2023-01-01"), JANUARY.last_ms))
    assert report.left == (Left(between("2023-01-01", "2023-12-31T23:00"), Why.NOT_PUBLISHED),)
    assert report.remaining == [between("2023-01-01", "2023-12-31T23:00")]
    assert report.candles == 31 * 24
    assert len(world.host.asked) == 12 + 2
    assert world.facts.metric("archive_files_total", exchange="binance", outcome="absent") == 12


async def test_what_a_file_lacks_is_left_with_the_candle_before_it() -> None:
    """A file that was cut off ends with a candle that may have been cut too; only REST knows how it went on."""
    world = ArchiveWorld()
    beginning, hole, end = (
        between("2024-01-01", "2024-01-01T05:00"),
        between("2024-01-10T07:00", "2024-01-10T09:00"),
        between("2024-01-31T08:00", "2024-01-31T23:00"),
    )
    world.publish(world.month(JANUARY_MS), without=[beginning, hole, end])
    report = await world.fetcher.fetch(world.chosen, JANUARY)
    assert report.left == (
        Left(beginning, Why.NOT_IN_FILE),
        Left(before(hole), Why.BEFORE_A_HOLE),
        Left(hole, Why.NOT_IN_FILE),
        Left(before(end), Why.BEFORE_A_HOLE),
        Left(end, Why.CUT_SHORT),  # only of the end nobody knows whether there was more
    )
    assert report.remaining == [
        beginning, Span(hole.first_ms - HOUR_MS, hole.last_ms), Span(end.first_ms - HOUR_MS, end.last_ms),
    ]  # fmt: skip


async def test_only_what_is_asked_for_is_left() -> None:
    """A hole of which a part is wanted has no candle before it; one that begins where the wanted part ends has one."""
    world = ArchiveWorld()
    holes = [between("2024-01-10T07:00", "2024-01-10T09:00"), between("2024-01-20T00:00", "2024-01-20T05:00")]
    world.publish(world.month(JANUARY_MS), without=holes)
    report = await world.fetcher.fetch(world.chosen, between("2024-01-10T08:00", "2024-01-19T23:00"))
    assert report.left == (
        Left(between("2024-01-10T08:00", "2024-01-10T09:00"), Why.NOT_IN_FILE),
        Left(before(holes[1]), Why.BEFORE_A_HOLE),
    )


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("later", [False, True])
async def test_the_last_file_of_what_trades_no_longer_ends_early(status: Status, *, later: bool) -> None:
    """Unless a later file goes on, or it trades: then the file was cut."""
    world = ArchiveWorld()
    end = between("2024-01-20T08:00", "2024-01-31T23:00")
    world.publish(world.month(JANUARY_MS), without=[end])
    if later:
        world.publish(world.month(FEBRUARY_MS))
    chosen = world.chosen._replace(instrument=replace(world.chosen.instrument, status=status))
    report = await world.fetcher.fetch(chosen, Span(JANUARY_MS, FEBRUARY.last_ms))
    is_cut = later or status in {Status.TRADING, Status.PRELAUNCH}
    assert report.left[:2] == (
        Left(before(end), Why.BEFORE_A_HOLE), Left(end, Why.CUT_SHORT if is_cut else Why.ENDED),
    )  # fmt: skip
    assert [left.reason for left in report.left[2:]] == ([] if later else [Why.NOT_PUBLISHED])


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("checksum", Why.CHECKSUM_FAILED),
        ("anothers checksum", Why.CHECKSUM_FAILED),
        ("cut off", Why.DAMAGED),
        ("two members", Why.DAMAGED),
        ("anothers file", Why.DAMAGED),
        ("twice", Why.DAMAGED),
        ("wrong order", Why.DAMAGED),
    ],
)
async def test_a_bad_file_is_refused_whole_and_said(harm: str, reason: Why) -> None:
    """Not one candle of it is stored, its span is left, and the next file is taken."""
    world = ArchiveWorld()
    file = world.month(JANUARY_MS)
    hours = list(opens_of(file, Interval.H1))
    good = zipped({file.member: lines(hours)})
    body, checksum = good, None
    if harm == "checksum":
        checksum = checksum_of(b"other bytes", file)
    elif harm == "anothers checksum":
        checksum = checksum_of(good, world.month(FEBRUARY_MS))
    elif harm == "cut off":
        body = good[:-30]
    elif harm == "two members":
        body = zipped({file.member: lines(hours), "x.csv": ""})
    elif harm == "anothers file":
        body = zipped({"ETHUSDT-1h-2024-01.csv": lines(hours)})
    else:
        body = zipped({file.member: lines([*hours, hours[-1]] if harm == "twice" else reversed(hours))})
    world.host.publish(file, body, checksum)
    world.publish(world.month(FEBRUARY_MS))
    report = await world.fetcher.fetch(world.chosen, Span(JANUARY_MS, FEBRUARY.last_ms))
    assert report.left == (Left(JANUARY, reason),)
    assert world.opens() == opens(FEBRUARY)
    assert world.facts.said("archive_file_refused") == 1
    assert world.facts.metric("archive_files_total", exchange="binance", outcome=reason.value) == 1


async def test_a_file_without_its_checksum_is_not_published() -> None:
    """Nothing vouches for it: it is not even asked for."""
    world = ArchiveWorld()
    file = world.month(JANUARY_MS)
    world.publish(file)
    world.host.files = {url: body for url, body in world.host.files.items() if url.endswith(".zip")}
    report = await world.fetcher.fetch(world.chosen, JANUARY)
    assert report.left == (Left(JANUARY, Why.NOT_PUBLISHED),)
    assert world.host.asked == [file.checksum_path]


@pytest.mark.parametrize("fault", [Unavailable("no network"), Geoblocked("not here"), RawAnswer(403, {}, b"")])
async def test_an_archive_that_does_not_answer_is_given_up(fault: Any) -> None:
    """What it had brought stays, all the rest is left for REST, and no other file is asked for."""
    world = ArchiveWorld()
    for day in (0, 1, 2):
        world.publish(world.day(MARCH_MS + day * DAY_MS))
    broken = world.day(MARCH_MS + DAY_MS)
    world.host.failing[broken.path] = fault
    report = await world.fetcher.fetch(world.chosen, between("2024-03-01", "2024-03-14T10:00"))
    assert world.opens() == opens(between("2024-03-01", "2024-03-01T23:00"))
    assert report.left == (
        Left(between("2024-03-02", "2024-03-13T23:00"), Why.UNAVAILABLE),
        Left(between("2024-03-14", "2024-03-14T10:00"), Why.TOO_YOUNG),
    )
    assert report.remaining == [between("2024-03-02", "2024-03-14T10:00")]
    assert report.error is not None
    assert world.host.asked[-1] == broken.path
    assert world.facts.said("archive_unavailable") == 1


async def test_an_impossible_candle_is_counted_and_left() -> None:
    """Of the wanted span only; the others are delivered, save the one before the hole."""
    world = ArchiveWorld()
    file = world.month(JANUARY_MS)
    bad_ms, unwanted_ms = at("2024-01-20T10:00"), at("2024-01-02T10:00")
    text = lines(opens_of(file, Interval.H1))
    for open_ms in (bad_ms, unwanted_ms):
        text = text.replace(f"{open_ms},4.10,4.30", f"{open_ms},4.10,4.05")
    world.host.publish(file, zipped({file.member: text}))
    report = await world.fetcher.fetch(world.chosen, Span(at("2024-01-10"), JANUARY.last_ms))
    bad = Span(bad_ms, bad_ms)
    assert report.left == (Left(before(bad), Why.BEFORE_A_HOLE), Left(bad, Why.IMPOSSIBLE))
    assert world.facts.metric("candles_rejected_total", exchange="binance", reason="price_order") == 1


async def test_a_large_file_is_delivered_in_batches() -> None:
    """A month of minutes does not reach the store at once."""
    world = ArchiveWorld(Interval.M1)
    world.publish(world.month(JANUARY_MS))
    report = await world.fetcher.fetch(world.chosen, Span(JANUARY_MS, FEBRUARY_MS - 60_000))
    assert report.left == ()
    assert sum(world.batches) == report.candles == 44_640
    assert max(world.batches) == 5_000


async def test_few_files_are_in_memory_at_once() -> None:
    """However many series are fetched: while the store makes two wait, no third is unpacked."""
    world = ArchiveWorld()
    for day in range(8):
        world.publish(world.day(MARCH_MS + day * DAY_MS))
    waiting = most = 0

    async def slow(deliveries: Sequence[Delivery]) -> None:
        nonlocal waiting, most
        assert deliveries
        waiting += 1
        most = max(most, waiting)
        await world.clock.settle()
        waiting -= 1

    fetcher = ArchiveFetcher(
        client=world.client,
        adapter=BINANCE,
        server_time=ServerTime(world.clock),
        deliver=slow,
        recorder=world.facts.recorder,
    )
    days = [Span(MARCH_MS + day * DAY_MS, MARCH_MS + (day + 1) * DAY_MS - HOUR_MS) for day in range(8)]
    reports = await asyncio.gather(*(fetcher.fetch(world.chosen, day) for day in days))
    assert [report.candles for report in reports] == [24] * 8
    assert most <= 2


async def test_each_file_is_told() -> None:
    """Progress: the parts told and what is too young are the whole span."""
    world = ArchiveWorld()
    world.publish(world.day(MARCH_MS))
    told: list[FileOutcome] = []
    await world.fetcher.fetch(world.chosen, between("2024-03-01", "2024-03-02T23:00"), tell=told.append)
    assert [(one.spans[0].first_ms, one.candles, one.reason) for one in told] == [
        (MARCH_MS, 24, None),
        (MARCH_MS + DAY_MS, 0, Why.NOT_PUBLISHED),
    ]
    assert told[0].bytes > told[1].bytes == 0


async def test_cancelling_loses_the_file_under_way() -> None:
    """What was delivered before stays delivered, and asking again brings everything."""
    world = ArchiveWorld()
    for day in (0, 1):
        world.publish(world.day(MARCH_MS + day * DAY_MS))
    span = between("2024-03-01", "2024-03-02T23:00")

    def stop(_outcome: FileOutcome) -> None:
        task.cancel()

    task = asyncio.create_task(world.fetcher.fetch(world.chosen, span, tell=stop))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.opens() == opens(between("2024-03-01", "2024-03-01T23:00"))
    assert (await world.fetcher.fetch(world.chosen, span)).left == ()


async def test_a_series_without_files_is_left_whole() -> None:
    """Futures have no files of seconds."""
    world = ArchiveWorld()
    perpetual = Chosen(instrument("BTC", market=Market.LINEAR), Interval.S1)
    assert world.fetcher.serves(world.chosen)
    assert not world.fetcher.serves(perpetual)
    assert world.fetcher.parts_for(perpetual, [JANUARY]) == ()
    report = await world.fetcher.fetch(perpetual, JANUARY)
    assert report.left == (Left(JANUARY, Why.NOT_PUBLISHED),)
    assert world.host.asked == []


async def test_the_number_of_files_is_known_before() -> None:
    """For a dry run: a month and two days."""
    world = ArchiveWorld()
    assert len(world.fetcher.parts_for(world.chosen, [between("2024-02-01", "2024-03-02T00:00")])) == 3
    assert world.fetcher.parts_for(world.chosen, [between("2024-03-14", "2024-03-15T00:00")]) == ()


@given(
    first=st.integers(0, 60 * 24),
    lengths=st.lists(st.tuples(st.integers(1, 20 * 24), st.integers(2, 10 * 24)), min_size=1, max_size=6),
    holes=st.lists(st.tuples(st.integers(0, 80 * 24), st.integers(0, 50)), max_size=5),
    absent=st.sets(st.integers(0, 80), max_size=10),
    damaged=st.sets(st.integers(0, 80), max_size=5),
)
async def test_delivered_and_left_are_the_spans(
    first: int, lengths: list[tuple[int, int]], holes: list[tuple[int, int]], absent: set[int], damaged: set[int]
) -> None:
    """Whatever is published, each candle is delivered once or left once, none is invented, and no file comes twice."""
    world = ArchiveWorld()
    spans = [Span(JANUARY_MS + begin * HOUR_MS, JANUARY_MS + (begin + more) * HOUR_MS) for begin, more in holes]
    files = [world.day(JANUARY_MS + day * DAY_MS) for day in range(80)] + [world.month(JANUARY_MS)]
    for number, file in enumerate(files):
        if number not in absent:
            world.publish(file, spans)
        if number in damaged:
            world.host.publish(file, b"damage")
    wanted, first_ms = list[Span](), JANUARY_MS + first * HOUR_MS
    for length, pause in lengths:
        wanted.append(Span(first_ms, first_ms + length * HOUR_MS))
        first_ms = wanted[-1].last_ms + pause * HOUR_MS
    report = await world.fetcher.fetch(world.chosen, *wanted)
    assert len(world.host.asked) == len(set(world.host.asked))
    left = [open_ms for one in report.left for open_ms in opens(one.span)]
    assert sorted(world.opens() + left) == [open_ms for span in wanted for open_ms in opens(span)]
    assert [open_ms for one in report.remaining for open_ms in opens(one)] == left == sorted(left)
    assert not any(hole.first_ms <= open_ms <= hole.last_ms for open_ms in world.opens() for hole in spans)
