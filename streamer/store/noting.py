"""Notes the hours whose candles changed, in the transaction that changes them, and knows when nothing need be noted.

On TimescaleDB alone: on plain PostgreSQL a trigger of ``klines`` notes them. What is done with the notes is in rollups.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval
from streamer.store.kinds import Kind
from streamer.store.pool import Connection
from streamer.store.rows import Hours, by_key, hours_of
from streamer.store.statements import query
from streamer.timing.clock import Clock, now

_UNNOTED = timedelta(hours=1, minutes=58)  # from an hour's start, as in note_windows.sql: two hours less its margin

Note = tuple[str, list[str], datetime, datetime]


class HourNotes:
    """What is to be noted, by the caller's ``clock`` and by the server's, whichever is ahead."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ask_kind = query("database_kind")
        self._note_windows = query("note_windows")
        self._kind: str | None = None

    async def needed_from(self, connection: Connection, deliveries: Iterable[Delivery]) -> datetime | None:
        """From when on, by any clock, storing these takes a note: until then the views read their hours anew."""
        if not await self._on_timescaledb(connection):
            return None
        candles = (one.candle for one in deliveries)
        oldest = min((one.open_time for one in candles if one.series.interval is not Interval.S1), default=None)
        return None if oldest is None else Interval.H1.floor(oldest) + _UNNOTED

    async def note(self, connection: Connection, changed: Iterable[Delivery]) -> None:
        """Note the hours of what changed, in the caller's transaction."""
        if await self._on_timescaledb(connection):
            current_time = now(self._clock)
            notes = [(*note, current_time) for note in notes_of(hours_of(by_key(changed)))]
            await connection.executemany(self._note_windows, notes)

    def forget(self) -> None:
        """Ask anew for the kind of the database: the connection was lost, and another one may lie behind it."""
        self._kind = None

    async def _on_timescaledb(self, connection: Connection) -> bool:
        if self._kind is None:
            self._kind = await connection.fetchval(self._ask_kind)
        return self._kind == Kind.TIMESCALEDB


def notes_of(hours: Iterable[Hours]) -> list[Note]:
    """Exchange, symbols, first and last hour: the symbols of an exchange with the same run of hours share a note."""
    symbols_of: dict[tuple[str, datetime, datetime], list[str]] = {}
    for exchange, symbol, first, last in hours:
        symbols_of.setdefault((exchange, first, last), []).append(symbol)
    return [(exchange, symbols, first, last) for (exchange, first, last), symbols in symbols_of.items()]
