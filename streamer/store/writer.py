"""Writes batches of candles: a straight COPY, and where a key is there already, one merge.

Every delivery gets exactly one outcome. Nothing is retried here but a lost race; the caller keeps the batch.
"""

from collections import Counter
from collections.abc import Sequence

import asyncpg

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import RowsRefused, StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.store.contract import Rejection, WriteReport, Written
from streamer.store.faults import encoding
from streamer.store.pool import Connection, Pool
from streamer.store.rows import COLUMNS, Row, has_repeats, hours_of, key_of, rounds_of, rows_of
from streamer.store.statements import query
from streamer.timing.clock import Clock, now

_MERGE_ATTEMPTS = 5
_RACED = "raced"
_CHANGES = frozenset({Outcome.INSERTED, Outcome.FILLED, Outcome.REPLACED})


class _Raced(Exception):
    """Another session inserted a key between the merge's look and its write. Caught by the writer."""


class Writer:
    """The candle sink over PostgreSQL. ``clock`` only tells which hours may lie behind a refresh."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._note_windows = query("note_windows")
        self._must_note = query("must_note")
        self._merge_steps = [query(name) for name in ("lock_merges", "stage_klines")]
        self._clear_staged = query("clear_staged")
        self._merge_klines = query("merge_klines")

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """The fate of every delivery of ``batch``, once all of it is committed.

        Raises:
            StoreUnavailable: nothing is known of the batch; write the whole of it again.

        Cancelling loses the answer, not the batch: write it again.
        """
        counts: Counter[tuple[str, Interval, Source, Outcome]] = Counter()
        contested: list[Delivery] = []
        rejected: list[Rejection] = []
        waiting = [batch] if batch else []
        while waiting:
            part = waiting.pop()
            try:
                outcomes = await self._store(part)
            except RowsRefused as refused:
                if len(part) == 1:
                    rejected.append(Rejection(part[0], str(refused)))
                else:  # the earlier half first, so that candles of one key keep their order
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                continue
            fates = list(zip(part, outcomes, strict=True))
            counts.update((*one.candle.series[::2], one.source, outcome) for one, outcome in fates)
            contested += [one for one, outcome in fates if outcome is Outcome.KEPT and one.source is Source.WS]
        written = Counter({Written(*kind): count for kind, count in counts.items()})
        return WriteReport(written, tuple(contested), tuple(rejected))

    async def _store(self, part: Sequence[Delivery]) -> list[Outcome]:
        """Store a part in one transaction; what became of each.

        Raises:
            RowsRefused: the content of some row; nothing of the part is stored.
        """
        rows = rows_of(part)
        async with self._pool.connection() as connection:
            if not has_repeats(rows):
                try:
                    await self._copy(connection, rows)
                except asyncpg.UniqueViolationError:
                    pass  # the constraint's name is the chunk's, so it says nothing
                else:
                    return [Outcome.INSERTED] * len(part)
            rounds = rounds_of(part)
            for _ in range(_MERGE_ATTEMPTS):
                try:
                    return await self._merge(connection, part, rounds)
                except _Raced:
                    continue
        raise StoreUnavailable(f"{self._pool.where}: other sessions keep inserting the same candles")

    async def _copy(self, connection: Connection, rows: Sequence[Row]) -> None:
        """One COPY; with what must be noted, which live candles have nothing of, a transaction."""
        oldest = min((row[3] for row in rows if row[2] != Interval.S1), default=None)
        if oldest is None or not await connection.fetchval(self._must_note, oldest, now(self._clock)):
            await self._copy_rows(connection, rows)
            return
        async with connection.transaction():
            await self._copy_rows(connection, rows)
            await self._note(connection, rows)

    async def _copy_rows(self, connection: Connection, rows: Sequence[Row]) -> None:
        with encoding():
            await connection.copy_records_to_table("klines", records=rows, columns=COLUMNS)

    async def _merge(
        self, connection: Connection, part: Sequence[Delivery], rounds: Sequence[Sequence[int]]
    ) -> list[Outcome]:
        outcomes = [Outcome.DUPLICATE] * len(part)
        async with connection.transaction():
            for step in self._merge_steps:
                await connection.execute(step)
            for turn, positions in enumerate(rounds):
                if turn:
                    await connection.execute(self._clear_staged)
                position_of = {key_of(part[position]): position for position in positions}
                rows = rows_of(part[position] for position in positions)
                with encoding():
                    await connection.copy_records_to_table("staged_klines", records=rows, columns=COLUMNS)
                times = [key[3] for key in position_of]
                for *key, outcome in await connection.fetch(self._merge_klines, min(times), max(times)):
                    if outcome == _RACED:
                        raise _Raced
                    exchange, symbol, interval, open_time = key
                    outcomes[position_of[exchange, symbol, interval, open_time]] = Outcome(outcome)
            changed = [delivery for delivery, outcome in zip(part, outcomes, strict=True) if outcome in _CHANGES]
            await self._note(connection, rows_of(changed))
        return outcomes

    async def _note(self, connection: Connection, changed: Sequence[Row]) -> None:
        """Note the hours that changed, in the transaction that changed them."""
        hours = hours_of(changed)
        if hours:
            await connection.execute(self._note_windows, *map(list, zip(*hours, strict=True)), now(self._clock))
