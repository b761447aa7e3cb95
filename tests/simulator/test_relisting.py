"""Instruments that come, pause and go while the simulator runs: lists, look-ups and candles agree."""

from streamer.domain.instrument import Market, Status
from streamer.domain.interval import Interval
from streamer.simulator.catalogue import invent
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.listing import Listing
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.tape import InventedTape
from tests.simulator.markets import MINUTE_MS, NOW_MS, RUNNING_MS

NATIVE = "ETHUSDT"
PLACE = ("binance", Market.LINEAR)


def tape_of(kind: FaultKind, at_minute: int, for_minutes: int | None = None) -> InventedTape:
    """An invented market in which this happens to one instrument."""
    fault = Fault(
        kind=kind,
        exchange="binance",
        market=Market.LINEAR,
        symbol=NATIVE,
        at_s=60.0 * at_minute,
        for_s=None if for_minutes is None else 60.0 * for_minutes,
    )
    return InventedTape(invent(SimulatorOptions(faults=(fault,)), NOW_MS))


def listed(tape: InventedTape, minute: int) -> Listing | None:
    """What the list shows of it so many minutes after the start."""
    now_ms = RUNNING_MS + minute * MINUTE_MS
    shown = [one for one in tape.catalogue.of_market(*PLACE, now_ms) if one.native == NATIVE]
    assert bool(shown) == (tape.catalogue.find(*PLACE, NATIVE, now_ms) is not None)
    return shown[0] if shown else None


def minutes(tape: InventedTape) -> list[int]:
    """The minutes after the start, of ten, that have a candle."""
    listing = tape.catalogue.by_name[*PLACE, NATIVE]
    last_ms = RUNNING_MS + 9 * MINUTE_MS
    rows = tape.rows(listing, Interval.M1, RUNNING_MS, last_ms, last_ms + MINUTE_MS)
    found = [(row.open_ms - RUNNING_MS) // MINUTE_MS for row in rows]
    finals = [tape.final(listing, Interval.M1, RUNNING_MS + minute * MINUTE_MS) for minute in range(10)]
    assert found == [minute for minute, row in enumerate(finals) if row is not None]
    assert rows == [row for row in finals if row is not None]
    return found


def test_a_listing_begins() -> None:
    """Nobody knows it before, and it has no candle from before."""
    tape = tape_of(FaultKind.LISTED, 4)
    assert (listed(tape, 3), minutes(tape)) == (None, [4, 5, 6, 7, 8, 9])
    assert listed(tape, 4) is tape.catalogue.by_name[*PLACE, NATIVE]


def test_a_listing_ends() -> None:
    """From then on it is unknown, and has no further candle."""
    tape = tape_of(FaultKind.DELISTED, 4)
    assert (listed(tape, 4), minutes(tape)) == (None, [0, 1, 2, 3])
    assert listed(tape, 3) is not None


def test_a_halt_comes_and_goes() -> None:
    """The list says so while it lasts, and those minutes have no candle."""
    tape = tape_of(FaultKind.HALTED, 4, 3)
    assert minutes(tape) == [0, 1, 2, 3, 7, 8, 9]
    shown = [listed(tape, minute) for minute in (3, 4, 6, 7)]
    assert [one and one.status for one in shown] == [Status.TRADING, Status.HALTED, Status.HALTED, Status.TRADING]
    whole = tape.rows(tape.catalogue.by_name[*PLACE, NATIVE], Interval.M5, RUNNING_MS, NOW_MS + 600_000, NOW_MS * 2)
    assert all(row.volume for row in whole)


def test_others_are_left_alone() -> None:
    """A script names whom it means."""
    tape = tape_of(FaultKind.DELISTED, 0)
    plain = invent(SimulatorOptions(), NOW_MS)
    assert len(tape.catalogue.of_market(*PLACE, NOW_MS)) == len(plain.of_market(*PLACE, NOW_MS)) - 1
    assert len(tape.catalogue.of_market("okx", Market.LINEAR, NOW_MS)) == len(
        plain.of_market("okx", Market.LINEAR, NOW_MS)
    )
