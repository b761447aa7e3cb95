"""Notes name every changed hour of every series once, and are needless for young candles on TimescaleDB."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.noting import HourNotes, notes_of
from streamer.store.pool import Connection
from streamer.store.rows import Hours
from tests.fakes.clock import FakeClock

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
hours = st.builds(lambda number: START + timedelta(hours=number), st.integers(0, 3))
runs = st.builds(Hours, st.sampled_from(["binance", "okx"]), st.sampled_from("ABC"), hours, hours)


class OfKind:
    """A connection that answers with the kind of its database."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def fetchval(self, _: str) -> str:
        """The kind."""
        return self.kind


def delivery(interval: Interval, minute: int) -> Delivery:
    """A candle of the first hours."""
    open_time = START + timedelta(minutes=minute)
    candle = make_candle(Series("binance", "A", interval), to_ms(open_time), (1.0, 2.0, 0.5, 1.5), 3.0)
    return Delivery(candle, Source.WS, open_time)


@given(st.lists(runs, unique=True))
def test_notes_say_what_the_runs_say(given_runs: list[Hours]) -> None:
    """No run is lost or made up, and those with the same exchange and hours share one note."""
    notes = notes_of(given_runs)
    said = [Hours(exchange, symbol, first, last) for exchange, symbols, first, last in notes for symbol in symbols]
    assert sorted(said) == sorted(given_runs)
    assert len({(exchange, first, last) for exchange, _, first, last in notes}) == len(notes)


@pytest.mark.parametrize(
    ("kind", "batch", "expected"),
    [
        (
            "timescaledb",
            [delivery(Interval.M1, 70), delivery(Interval.M1, 125)],
            START + timedelta(hours=2, minutes=58),
        ),
        ("timescaledb", [delivery(Interval.S1, 0), delivery(Interval.M1, 125)], START + 3 * HOUR + 58 * MINUTE),
        ("timescaledb", [delivery(Interval.M1, 125), delivery(Interval.M5, 60)], START + 2 * HOUR + 58 * MINUTE),
        ("timescaledb", [delivery(Interval.S1, 0)], None),
        ("postgresql", [delivery(Interval.M1, 70)], None),
    ],
)
async def test_when_a_note_is_needed(kind: str, batch: list[Delivery], expected: datetime | None) -> None:
    """From two minutes before the end of the hour after that of the oldest candle; a trigger notes on PostgreSQL."""
    connection = cast("Connection", OfKind(kind))
    assert await HourNotes(FakeClock()).needed_from(connection, batch) == expected


async def test_another_database_may_be_of_another_kind() -> None:
    """The kind is asked for once, and again after the connection was lost."""
    notes, database = HourNotes(FakeClock()), OfKind("postgresql")
    batch, connection = [delivery(Interval.M1, 0)], cast("Connection", database)
    assert await notes.needed_from(connection, batch) is None
    database.kind = "timescaledb"
    assert await notes.needed_from(connection, batch) is None
    notes.forget()
    assert await notes.needed_from(connection, batch) is not None
