"""The ledger over PostgreSQL: what is followed, up to where it is whole, what is missing, what broke.

It judges nothing: whether a candle is absent or only late is for those who ask the exchanges. How the rows of a series
change is in ``gap_rows``; here they are read and written, one writer of a series at a time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.store.contract import Break, Finding, Gap, GapCause, GapFilter, GapStatus, Run
from streamer.store.gap_rows import gap_of, row_of, settle, values_of
from streamer.store.pool import Connection, Pool
from streamer.store.statements import query

_LEASE = timedelta(minutes=10)
_ABSENT_AT_ONCE = 1_000
_ABSENT = (GapStatus.ABSENT,)
_LISTED = (GapStatus.OPEN, GapStatus.ABSENT)
_STATEMENTS = (
    "follow_series", "end_followed", "unfinished_series", "close_followed", "series_marks", "advance_marks", "holes",
    "lock_series_gaps", "gaps_near",
    "delete_gaps", "save_gaps", "due_gaps", "claim_gaps", "list_gaps", "stored_gaps", "note_break", "list_breaks",
    "open_gap_counts", "set_moment", "completeness_ratios", "nearest_stored", "absent_turn",
    "kept_from", "forget_expired",
)  # fmt: skip


class DatabaseLedger:
    """The ledger. Every method raises ``StoreUnavailable``; cancelling one changes nothing, or all of its call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = {name: query(name) for name in _STATEMENTS}
        self._looked_to = 0  # the absent gap at which the last turn ended
        self._forgotten_to: datetime | None = None  # what opens before is kept no longer

    async def follow(self, exchange: str, since: Mapping[Series, datetime], now: datetime) -> Mapping[Series, datetime]:
        """The marks of exactly these series of ``exchange``, which are followed from now on; new ones begin at theirs.

        Those followed before and not given end now. Those that come back keep their mark.
        """
        columns = _columns(since)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(self._sql["follow_series"], *columns, [since[one] for one in sorted(since)])
            await connection.execute(self._sql["end_followed"], exchange, columns[1], columns[2], now)
            rows = await connection.fetch(self._sql["series_marks"], exchange)
        marks = {Series(exchange, symbol, Interval(interval)): mark for exchange, symbol, interval, mark in rows}
        return {series: mark for series, mark in marks.items() if series in since}  # another process may follow more

    async def close(self, ends: Mapping[Series, datetime]) -> None:
        """Say when the last candle of delisted series ended: they are followed up to there, and lack nothing later."""
        async with self._pool.connection() as connection:
            steps = [one.interval.duration for one in sorted(ends)]
            await connection.execute(
                self._sql["close_followed"], *_columns(ends), [ends[one] for one in sorted(ends)], steps
            )

    async def unfinished(self, exchange: str) -> Mapping[Series, tuple[datetime, datetime]]:
        """Mark and end of each delisted series that is followed no longer, where its mark did not reach its end."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._sql["unfinished_series"], exchange)
        return {Series(exchange, symbol, Interval(interval)): (mark, end) for symbol, interval, mark, end in rows}

    async def holes(self, spans: Mapping[Series, tuple[datetime, datetime]], *, open_too: bool = False) -> list[Run]:
        """What opens in [since, until) of each series and is neither stored nor a listed gap, by series and time.

        With ``open_too``: and is neither stored nor absent; of an open gap, what is not stored by now. What is
        older than what is kept is not missing.
        """
        async with self._pool.connection() as connection:
            bound = await self._kept_from(connection, max((until for _, until in spans.values()), default=None))
            spans = {series: (max(since, bound or since), until) for series, (since, until) in spans.items()}
            runs = [run for series, span in spans.items() if (run := _whole_run(series, *span)) is not None]
            return await self._missing(connection, runs, _ABSENT if open_too else _LISTED)

    async def nearest(self, run: Run, within: timedelta) -> tuple[datetime | None, datetime | None]:
        """The open times of the last stored candle before ``run`` and of the first after it, no further than that."""
        async with self._pool.connection() as connection:
            [(before, after)] = await connection.fetch(
                self._sql["nearest_stored"], *run.series, run.first_time, run.last_time, within
            )
        return before, after

    async def advance(self, marks: Mapping[Series, datetime], ended: Collection[Series] = ()) -> None:
        """Move marks forward; one that is further already stays.

        Whoever moves the mark of a series follows it, whatever another process said, save those that ``ended``.
        """
        ordered = sorted(marks)
        live = [series not in ended for series in ordered]
        async with self._pool.connection() as connection:
            await connection.execute(
                self._sql["advance_marks"], *_columns(marks), [marks[one] for one in ordered], live
            )

    async def record(self, window: Run, findings: Sequence[Finding], now: datetime) -> None:
        """Write down one asking for ``window``: ``findings`` (inside it, none overlapping) is what it did not bring.

        What is stored by now closes gaps; what is neither stored nor found stays as it is, one attempt older. Findings
        join touching gaps of the same status and cause. Give one asking one ``now``: twice the same changes nothing.
        Of what is older than what is kept nothing is written down.
        """
        async with self._pool.connection() as connection, connection.transaction():
            bound = await self._kept_from(connection, now)
            await self._settle(connection, window, list(_not_before(findings, bound)), now, asked=True)

    async def due_gaps(self, exchange: str, series: Collection[Series], now: datetime, most: int) -> list[Gap]:
        """Gaps of these series of ``exchange`` to ask for again, the longest due first.

        Nobody else gets them for ten minutes, or until recorded.
        """
        _, symbols, intervals = _columns(series)
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._sql["due_gaps"], exchange, now, now + _LEASE, most, symbols, intervals)
        return [gap_of(row) for row in sorted(rows, key=lambda row: (row["next_attempt_at"], row["id"]))]

    async def claim(self, ids: Sequence[int], now: datetime) -> list[Gap]:
        """Those of these gaps, due or not, that are not repaired and that nobody else has: yours for ten minutes."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._sql["claim_gaps"], ids, now, now + _LEASE)
        return sorted(map(gap_of, rows), key=lambda gap: gap.run)

    async def gaps(self, wanted: GapFilter, most: int) -> list[Gap]:
        """At most ``most`` gaps, by series and time."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                self._sql["list_gaps"], wanted.exchange, wanted.symbol, wanted.interval, wanted.status, wanted.cause,
                wanted.since, wanted.until, most,
            )  # fmt: skip
        return [gap_of(row) for row in rows]

    async def reconcile(self, now: datetime) -> int:
        """Close what was stored meanwhile, from whatever source; how many listed gaps held such candles.

        Absent ones that nobody asks for are looked at by turns, a thousand at a time: they seldom change. Gaps of what
        is kept no longer are forgotten, and series begin where that ends.
        """
        async with self._pool.connection() as connection:
            await self._forget_expired(connection, now)
            looked_to: int | None = await connection.fetchval(
                self._sql["absent_turn"], self._looked_to, _ABSENT_AT_ONCE
            )
            rows = await connection.fetch(self._sql["stored_gaps"], self._looked_to, looked_to)
            for exchange, symbol, interval, first, last in rows:
                window = Run(Series(exchange, symbol, Interval(interval)), first, last)
                async with connection.transaction():
                    await self._settle(connection, window, (), now, asked=False)
        self._looked_to = looked_to or 0
        return len(rows)

    async def note_break(self, broken: Break) -> None:
        """Remember a break."""
        async with self._pool.connection() as connection:
            await connection.execute(
                self._sql["note_break"],
                broken.exchange, broken.connection, broken.series_count, broken.cause, broken.break_time,
            )  # fmt: skip

    async def breaks(self, most: int, exchange: str | None = None, since: datetime | None = None) -> list[Break]:
        """At most ``most`` breaks, the newest first."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._sql["list_breaks"], most, exchange, since)
        return [Break(*row) for row in rows]

    async def open_counts(self) -> Mapping[tuple[str, GapCause], int]:
        """How many gaps are open, by exchange and cause; what has none is left out."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._sql["open_gap_counts"])
        return {(exchange, GapCause(cause)): count for exchange, cause, count in rows}

    async def completeness(self, now: datetime) -> Mapping[str, float]:
        """The share of what is expected of the 24 hours before ``now`` that is stored, by exchange; 1.0 is whole."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(self._sql["set_moment"], now.isoformat())
            rows = await connection.fetch(self._sql["completeness_ratios"])
        return {row["exchange"]: row["ratio"] for row in rows}

    async def _settle(
        self, connection: Connection, window: Run, findings: Sequence[Finding], now: datetime, *, asked: bool
    ) -> None:
        """Bring the rows around ``window`` up to what is stored and what was found, in the caller's transaction."""
        series, step = window.series, window.series.interval.duration
        await connection.execute(self._sql["lock_series_gaps"], *series)
        missing = await self._missing(connection, [window])
        near = (window.first_time - step, window.last_time + step)
        before = [row_of(record) for record in await connection.fetch(self._sql["gaps_near"], *series, *near)]
        after = settle(before, missing, findings, window, now, asked=asked)
        gone = [row.id for row in before if row not in after]
        if gone:
            await connection.execute(self._sql["delete_gaps"], gone)
        changed = [values_of(row, step) for row in after if row not in before]
        if changed:
            await connection.execute(self._sql["save_gaps"], *series, *map(list, zip(*changed, strict=True)))

    async def _kept_from(self, connection: Connection, now: datetime | None) -> datetime | None:
        bound: datetime | None = await connection.fetchval(self._sql["kept_from"], now)
        return bound

    async def _forget_expired(self, connection: Connection, now: datetime) -> None:
        """Once for every bound, which moves at midnight."""
        bound = await self._kept_from(connection, now)
        if bound is not None and bound != self._forgotten_to:
            await connection.execute(self._sql["forget_expired"], bound)
            self._forgotten_to = bound

    async def _missing(self, connection: Connection, runs: Sequence[Run], but: Sequence[GapStatus] = ()) -> list[Run]:
        """The runs of open times in ``runs`` that are not stored, nor listed as gaps of one of these statuses."""
        if not runs:
            return []
        firsts, lasts = [run.first_time for run in runs], [run.last_time for run in runs]
        steps = [run.series.interval.duration for run in runs]
        series = ([run.series[part] for run in runs] for part in range(3))
        counts = [run.candles for run in runs]
        rows = await connection.fetch(
            self._sql["holes"], *series, firsts, lasts, steps, counts, but, min(firsts), max(lasts)
        )
        return [Run(Series(exchange, symbol, Interval(interval)), *ends) for exchange, symbol, interval, *ends in rows]


def _columns(series: Iterable[Series]) -> list[list[str]]:
    """The series as columns, in the order of the primary key: so two writers lock rows in one order."""
    ordered = sorted(series)
    return [[one[part] for one in ordered] for part in range(3)]


def _not_before(findings: Iterable[Finding], bound: datetime | None) -> Iterator[Finding]:
    """What of the findings opens at ``bound``, a midnight, or later."""
    for finding in findings:
        series, first_time, last_time = finding.run
        if bound is None or bound <= first_time:
            yield finding
        elif bound <= last_time:
            yield replace(finding, run=Run(series, bound, last_time))


def _whole_run(series: Series, since: datetime, until: datetime) -> Run | None:
    """The open times of ``series`` in [since, until); None where there are none."""
    step = series.interval.milliseconds
    first, end = (-(-to_ms(time) // step) * step for time in (since, until))
    return Run(series, from_ms(first), from_ms(end - step)) if first < end else None
