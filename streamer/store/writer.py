"""Writes batches of candles: a straight COPY, and where a key is there already, one merge.

Every delivery gets exactly one outcome. Nothing is retried here but a lost race; the caller keeps the batch.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import RowsRefused, StoreUnavailable
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.store.contract import Rejection, WriteReport, Written
from streamer.store.encoder import COLUMNS, Encoder
from streamer.store.faults import encoding
from streamer.store.noting import HourNotes
from streamer.store.pool import Connection, Pool
from streamer.store.rows import by_key, has_repeats, key_of, rounds_of
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
        self._encoder = Encoder()
        self._notes = HourNotes(clock)
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
            except StoreUnavailable:
                self._notes.forget()
                raise
            except RowsRefused as refused:
                if len(part) == 1:
                    rejected.append(Rejection(part[0], refused.state))
                else:  # the earlier half first, so that candles of one key keep their order
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                continue
            fates = list(zip(part, outcomes, strict=True))
            counts.update((*one.candle.series[::2], one.source, outcome) for one, outcome in fates)
            if Outcome.KEPT in outcomes:
                contested += [one for one, outcome in fates if outcome is Outcome.KEPT and one.source is Source.WS]
        written = Counter({Written(*kind): count for kind, count in counts.items()})
        return WriteReport(written, tuple(contested), tuple(rejected))

    async def _store(self, part: Sequence[Delivery]) -> list[Outcome]:
        """Store a part in one transaction; what became of each.

        Raises:
            RowsRefused: the content of some row; nothing of the part is stored.
        """
        ordered = by_key(part)
        async with self._pool.connection() as connection:
            if not has_repeats(ordered):
                try:
                    await self._copy(connection, ordered)
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

    async def _copy(self, connection: Connection, ordered: Sequence[Delivery]) -> None:
        """One COPY; with what must be noted, which on TimescaleDB live candles have nothing of, a transaction."""
        noted_from = await self._notes.needed_from(connection, ordered)
        is_young = noted_from is None or now(self._clock) < noted_from
        if is_young and await self._copy_to(connection, "klines", ordered, before=noted_from):
            return
        async with connection.transaction():
            await self._copy_to(connection, "klines", ordered)
            await self._notes.note(connection, ordered)

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
                await self._copy_to(connection, "staged_klines", by_key(part[one] for one in positions))
                times = [key[3] for key in position_of]
                for *key, outcome in await connection.fetch(self._merge_klines, min(times), max(times)):
                    if outcome == _RACED:
                        raise _Raced
                    exchange, symbol, interval, open_time = key
                    outcomes[position_of[exchange, symbol, interval, open_time]] = Outcome(outcome)
            changed = (delivery for delivery, outcome in zip(part, outcomes, strict=True) if outcome in _CHANGES)
            await self._notes.note(connection, changed)
        return outcomes

    async def _copy_to(
        self, connection: Connection, table: str, ordered: Sequence[Delivery], *, before: datetime | None = None
    ) -> int:
        """COPY; how many were stored: none of them when it is ``before`` or later by the server's clock.

        The condition saves asking the server first. COPY takes no parameters: the text is made of a time of ours alone.
        """
        with encoding():
            status = await connection.copy_to_table(
                table,
                source=self._encoder.copy_stream(ordered),
                columns=COLUMNS,
                format="binary",
                where=f"now() < '{before.isoformat()}'" if before else None,
            )
        return int(status.removeprefix("COPY "))
