"""What an answer says of the candles it does not hold."""

import pytest

from streamer.domain.errors import HistoryError, Refused, Unavailable
from streamer.domain.gaps import Span
from streamer.domain.interval import to_ms
from streamer.history.asking import Asker, next_pause_s
from streamer.store.contract import Finding, GapCause, GapStatus
from streamer.symbols.resolve import Chosen
from tests.fakes.history import HistoryWorld
from tests.fakes.keeping import MINUTE, KeptWorld, at, minute_of

OPEN, ABSENT = GapStatus.OPEN, GapStatus.ABSENT


def asker_of(world: HistoryWorld) -> Asker:
    """An asker over a whole history."""
    return Asker(fetcher=world.fetcher, server_time=world.server_time)


def run(first: int, last: int) -> Span:
    """The candles of these minutes after noon."""
    return Span(to_ms(at(first)), to_ms(at(last)))


def chosen() -> Chosen:
    """The one series."""
    return next(iter(KeptWorld().chosen.values()))


def absent(world: HistoryWorld, *minutes: int) -> None:
    """The exchange has no candle for these minutes."""
    world.server.absent = {to_ms(at(minute)) for minute in minutes}


def shape(findings: list[Finding]) -> list[tuple[int, int, GapStatus, GapCause]]:
    """The findings as minutes, by time."""
    return sorted(
        (minute_of(one.run.first_time), minute_of(one.run.last_time), one.status, one.cause) for one in findings
    )


async def ask(
    world: HistoryWorld, first: int, last: int, attempts: int = 0, cause: GapCause = GapCause.LATE
) -> list[Finding]:
    """What asking for these minutes leaves to be written down."""
    _, findings = await world.clock.finish(asker_of(world).ask(chosen(), run(first, last), cause, attempts))
    return findings


async def test_what_comes_leaves_nothing_to_write_down() -> None:
    """Delivered, the witnesses not."""
    world = HistoryWorld()
    assert await ask(world, -60, -20) == []
    assert world.minutes() == list(range(-60, -19))


async def test_a_later_candle_of_the_same_answer_is_a_witness() -> None:
    """In the middle, and at the end by what was asked for beyond."""
    world = HistoryWorld()
    absent(world, -58, -55)
    assert shape(await ask(world, -60, -55)) == [
        (-58, -58, ABSENT, GapCause.LATE),
        (-55, -55, ABSENT, GapCause.LATE),
    ]


async def test_an_empty_answer_proves_nothing() -> None:
    """Open, with a reason and a time."""
    world = HistoryWorld()
    absent(world, *range(-70, 10))
    [finding] = await ask(world, -60, -55)
    assert shape([finding]) == [(-60, -55, OPEN, GapCause.LATE)]
    assert finding.error == "the exchange served nothing there"
    assert finding.next_attempt_time == at(0) + MINUTE


async def test_an_earlier_candle_is_no_witness() -> None:
    """Nor is any other series' or any other answer's: what lies at the end of what is served may yet come."""
    world = HistoryWorld()
    absent(world, *range(-57, 10))
    assert shape(await ask(world, -60, -55)) == [(-57, -55, OPEN, GapCause.LATE)]


async def test_a_gap_asked_for_in_vain_looks_further_for_its_witness() -> None:
    """Five silent minutes after it hide no candle that a page can hold."""
    world = HistoryWorld()
    absent(world, *range(-60, -53))
    assert shape(await ask(world, -60, -59)) == [(-60, -59, OPEN, GapCause.LATE)]
    assert shape(await ask(world, -60, -59, attempts=1)) == [(-60, -59, ABSENT, GapCause.LATE)]


async def test_a_candle_that_is_not_closed_is_not_absent() -> None:
    """The answer holds it: it is asked for again, whatever lies beyond, and is no witness against itself."""
    world = HistoryWorld()
    absent(world, -5)
    world.server.open_flags = {to_ms(at(-4))}
    findings = await ask(world, -6, -3)
    assert shape(findings) == [(-5, -5, ABSENT, GapCause.LATE), (-4, -4, OPEN, GapCause.LATE)]
    assert world.minutes() == [-6, -3]
    [unclosed] = [one for one in findings if one.status is OPEN]
    assert unclosed.error == "the exchange has not closed it yet"


async def test_an_impossible_candle_is_not_absent() -> None:
    """Nobody knows which it was, so nothing of that answer is called absent."""
    world = HistoryWorld()
    absent(world, -58)
    world.server.refused = {"price_order": 1}
    assert shape(await ask(world, -60, -55)) == [(-58, -58, OPEN, GapCause.REJECTED)]


@pytest.mark.parametrize(("opened_s", "rejected"), [(0, [-57]), (20, [-57, -56]), (-20, [-58, -57]), (900, [])])
async def test_an_impossible_candle_speaks_for_its_own_open_time(opened_s: int, rejected: list[int]) -> None:
    """One off the boundary for those on both its sides; what lies outside of what was asked for says nothing."""
    world = HistoryWorld()
    absent(world, -58, -57, -56)
    world.server.refused = {"price_order": 1}
    world.server.refused_ms = [to_ms(at(-57)) + opened_s * 1_000]
    findings = shape(await ask(world, -60, -55))
    assert [first for first, _, _, cause in findings if cause is GapCause.REJECTED] == rejected
    assert {minute for first, last, status, _ in findings if status is ABSENT for minute in range(first, last + 1)} == {
        -58, -57, -56
    } - set(rejected)  # fmt: skip


@pytest.mark.parametrize("error", [Unavailable("no network"), Refused("no such symbol")])
async def test_a_failure_leaves_the_rest_open(error: HistoryError) -> None:
    """What was delivered before it is not in the finding; the reason is."""
    world = KeptWorld(page_rows=10)
    service = world.service()
    world.exchange.failure = lambda _symbol: error if len(world.exchange.asked) > 1 else None
    asker = Asker(fetcher=service.fetcher, server_time=world.server_time)
    _, findings = await world.clock.finish(asker.ask(chosen(), run(-60, -41), GapCause.START, 2))
    assert world.minutes() == list(range(-60, -53))
    assert shape(findings) == [(-53, -41, OPEN, GapCause.START)]
    assert findings[0].error == str(error)
    assert findings[0].next_attempt_time == at(15)


async def test_what_was_proven_absent_stays_so_unless_the_answer_speaks_against_it() -> None:
    """An empty answer takes nothing back; an unclosed row does."""
    world = HistoryWorld()
    absent(world, *range(-70, 10))
    asker = asker_of(world)
    _, findings = await asker.ask_page(chosen(), run(-60, -59), GapCause.LATE, 1, known_absent=True)
    assert shape(findings) == [(-60, -59, ABSENT, GapCause.LATE)]
    absent(world, -60)
    world.server.open_flags = {to_ms(at(-59))}
    _, findings = await asker.ask_page(chosen(), run(-60, -59), GapCause.LATE, 1, known_absent=True)
    assert shape(findings) == [(-60, -60, ABSENT, GapCause.LATE), (-59, -59, OPEN, GapCause.LATE)]


@pytest.mark.parametrize("attempts", [0, 2])
async def test_a_page_that_is_cut_short_proves_nothing_absent(attempts: int) -> None:
    """An exchange that answers 100 rows to a request for 300 has the others all the same; they are asked for again."""
    world = KeptWorld(page_rows=300)
    world.exchange.most_rows = 100
    world.exchange.volume = lambda _symbol, minute: None if minute == -400 else 3.0
    asker = Asker(fetcher=world.service().fetcher, server_time=world.server_time)
    _, findings = await world.clock.finish(asker.ask(chosen(), run(-500, -61), GapCause.START, attempts))
    assert world.minutes() == [minute for minute in range(-500, -60) if minute != -400]
    assert shape(findings) == [(-400, -400, ABSENT, GapCause.START)]


def test_pauses_grow_to_a_day() -> None:
    """A minute first."""
    assert [next_pause_s(attempts) for attempts in range(8)] == [60, 300, 900, 3_600, 21_600, 86_400, 86_400, 86_400]
