"""Keeps the rollups right: works off the hours that writes noted.

TimescaleDB: what lies behind a refresh is shown only after another one, so the noted windows are refreshed, shortest
rollup first because longer ones are built on it, in steps, outside a transaction, and forgotten only afterwards.
Nothing from the previous hour on is ever refreshed: the views read it from ``klines`` themselves, and writes there note
nothing. Hours that come to lie before it are swept, lest a later window hides them where the policies lag. Plain
PostgreSQL: the buckets of the noted hours are built anew, in the transaction that forgets them. Either way one
refresher works at a time, and a crash at any moment leaves the windows for the next one. Where candles may be dropped
nothing is built anew: bars outlive them. Windows whose stored values do not add up, which others wrote, go behind the
others and wait: on plain PostgreSQL they alone, with TimescaleDB all in the same steps.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from streamer.domain.errors import RowsRefused
from streamer.domain.rollup import Rollup
from streamer.store.faults import refusal
from streamer.store.kinds import Kind
from streamer.store.pool import Connection, Pool
from streamer.store.retention import not_before
from streamer.store.rows import Hours, join_hours
from streamer.store.statements import query

_STEP = timedelta(days=7)
_MOST_REFRESHED = 10_000  # notes per round: neighbours are refreshed together
_MOST_REBUILT = 500  # windows per transaction; more where one note has more
_PATIENCE_S = 3_600.0  # for one step over very many series

Range = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """How many windows, each a run of hours of one series, were worked off, and how many wait.

    ``busy`` when another refresher was in the way. ``is_behind`` when there may be more that waited before the round.
    ``refused`` is why some of those that wait cannot be worked off.
    """

    refreshed: int
    waiting: int
    busy: bool = False
    is_behind: bool = False
    refused: RowsRefused | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """So many windows were worked off, in this round; and why not all."""

    windows: int = 0
    is_behind: bool = False
    refused: asyncpg.DataError | None = None


class _Busy(Exception):
    """A policy refreshes the same hours, and TimescaleDB does not wait for it. Caught by the refresher."""


class Rollups:
    """Refreshes what is due. Two of them over one database do not disturb each other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._pending = query("rollup_pending")
        self._lock = query("try_lock_rollups")
        self._state = query("rollup_state")
        self._list = query("waiting_windows")
        self._forget = query("forget_windows")
        self._put_behind = query("put_behind")
        self._take = query("take_windows")
        self._oldest = query("oldest_chunk")
        self._bounds = query("window_bounds")
        self._refreshable_from = query("refreshable_from")
        self._refresh = query("refresh_rollup")
        self._rebuild = query("rebuild_rollup")
        self._note_again = query("note_again")
        self._swept_to: dict[Rollup, datetime] = {}

    async def refresh_due(self, current_time: datetime) -> RefreshReport:
        """Work off the windows that wait; nothing while another refresher or one of the policies works.

        ``current_time`` is the caller's wall time, aware UTC; it may run ahead of the server's, which counts as well.

        Raises:
            StoreUnavailable: the windows remain.

        Cancelling leaves the windows, which are refreshed again.
        """
        done, busy = _Done(), False
        async with self._pool.connection() as connection:
            waiting, names = await self._look(connection)
            swept = [self._swept_to.get(Rollup(name)) for name in names]
            is_swept = all(to is not None and to >= settled_before(current_time) for to in swept)
            if waiting or not is_swept:
                async with connection.transaction():
                    busy = not await connection.fetchval(self._lock)
                    if not busy:
                        try:
                            done = await self._work_off(connection, current_time)
                        except _Busy:
                            busy = True
            waiting, _ = await self._look(connection)
            refused = None if done.refused is None else refusal(done.refused, self._pool.where)
            return RefreshReport(done.windows, waiting, busy, done.is_behind and waiting > 0, refused)

    async def _look(self, connection: Connection) -> tuple[int, list[str]]:
        [(waiting, names)] = await connection.fetch(self._pending)
        return waiting, names

    async def waiting(self) -> tuple[int | None, int | None]:
        """The oldest and the newest window that waits, as numbers that grow; None where none does.

        Raises:
            StoreUnavailable: nothing is known.
        """
        async with self._pool.connection() as connection:
            [(oldest, newest)] = await connection.fetch(self._bounds)
        return oldest, newest

    async def _work_off(self, connection: Connection, current_time: datetime) -> _Done:
        _, names = await self._look(connection)  # now that nobody makes or drops one
        rollups = [Rollup(name) for name in names]
        [(kind, server_time)] = await connection.fetch(self._state)
        end = settled_before(max(current_time, server_time))
        bound = await connection.fetchval(self._refreshable_from, current_time)
        if kind == Kind.TIMESCALEDB:
            return await self._refresh_windows(connection, rollups, end, bound)
        self._swept_to = dict.fromkeys(rollups, end)
        return await self._rebuild_oldest(connection, rollups, bound)

    async def _refresh_windows(
        self, connection: Connection, rollups: Sequence[Rollup], end: datetime, bound: datetime | None
    ) -> _Done:
        windows = await connection.fetch(self._list, _MOST_REFRESHED)
        noted = [(first_hour, last_hour) for _, first_hour, last_hour, _ in windows]
        oldest = await connection.fetchval(self._oldest) or end
        held: list[Range] = []
        refused: asyncpg.DataError | None = None
        async with self._pool.connection_alone(command_timeout_s=_PATIENCE_S) as worker:
            try:
                for rollup in rollups:
                    swept_to = self._swept_to.get(rollup, oldest)
                    unswept = [(swept_to, end - Rollup.H1.duration)] if swept_to < end else []
                    kept = list(not_before(noted + unswept, bound))
                    failed = []
                    for since, until in refresh_ranges(kept, rollup, end):
                        try:
                            await worker.execute(self._refresh, rollup.value, since, until)
                        except asyncpg.DataError as error:
                            failed.append((since, until))
                            refused = error
                    self._swept_to[rollup] = max(swept_to, min((since for since, _ in failed), default=end))
                    held += failed
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                raise _Busy from None
        right: list[asyncpg.Record] = []
        wrong: list[asyncpg.Record] = []
        for one in windows:
            (wrong if _overlap((one["first_hour"], one["last_hour"]), held) else right).append(one)
        await connection.execute(self._forget, [one["id"] for one in right])
        if wrong:
            await connection.execute(self._put_behind, [one["id"] for one in wrong])
        return _Done(sum(one["series"] for one in right), len(windows) == _MOST_REFRESHED, refused)

    async def _rebuild_oldest(self, connection: Connection, rollups: Sequence[Rollup], bound: datetime | None) -> _Done:
        rows = await connection.fetch(self._take, _MOST_REBUILT)
        noted_at = {Hours(*window): at for *window, at in rows}
        taken = [Hours(*window) for *window, _ in rows]
        kept = [run._replace(first=first) for run in taken for first, _ in not_before([run[2:]], bound)]
        if await self._rebuilt(connection, rollups, kept) is None:
            return _Done(len(taken), is_behind=bool(taken))
        held, refused = [], None
        for run in kept:
            error = await self._rebuilt(connection, rollups, [run])
            if error is not None:
                held.append((*run, noted_at.get(run)))
                refused = error
        if held:
            await connection.execute(self._note_again, *map(list, zip(*held, strict=True)))
        return _Done(len(taken) - len(held), len(taken) > len(held), refused)

    async def _rebuilt(
        self, connection: Connection, rollups: Sequence[Rollup], runs: Sequence[Hours]
    ) -> asyncpg.DataError | None:
        """Build the buckets of these hours anew; all, or none and the reason why they cannot be."""
        try:
            async with connection.transaction():
                for rollup in rollups:
                    joined = _buckets(runs, rollup)
                    if joined:
                        await connection.execute(self._rebuild, rollup.value, *map(list, zip(*joined, strict=True)))
        except asyncpg.DataError as error:
            return error
        return None


def settled_before(current_time: datetime) -> datetime:
    """The start of the previous hour: writes before it note their hours, and only they may be refreshed."""
    return Rollup.H1.floor(current_time) - Rollup.H1.duration


def refresh_ranges(hours: Sequence[Range], rollup: Rollup, end: datetime) -> Iterator[Range]:
    """What to refresh of ``rollup``, from and until, for changed hours (first and last, both included).

    Joined, aligned outwards to buckets, in steps of at most seven days, and of whole buckets before ``end``.
    """
    for _, _, first, last in _buckets((Hours("", "", *run) for run in hours), rollup):
        since, until = first, min(last + rollup.duration, rollup.floor(end))
        while since < until:
            step_end = min(since + _STEP, until)
            yield since, step_end
            since = step_end


def _buckets(hours: Iterable[Hours], rollup: Rollup) -> list[Hours]:
    """The runs of buckets in which these hours are, joined; the last hour of a run may have several."""
    within = Rollup.H1.duration - Rollup.M5.duration
    runs = (run._replace(first=rollup.floor(run.first), last=rollup.floor(run.last + within)) for run in hours)
    return join_hours(runs, rollup.duration)


def _overlap(hours: Range, refreshes: Iterable[Range]) -> bool:
    """Whether one of ``refreshes``, from and until, has any of these hours, first and last."""
    return any(since <= hours[1] and hours[0] < until for since, until in refreshes)
