"""Keeps klines_1h and klines_1d right: works off the hours that writes noted.

TimescaleDB: what lies behind a refresh is shown only after another one, so the noted windows are refreshed, hours
first, in steps, outside a transaction, and forgotten only afterwards. Nothing from the previous hour on is ever
refreshed: the views read it from ``klines`` themselves, and writes there note nothing. Hours that come to lie before
it are swept, lest a later window hides them where the policies lag. Plain PostgreSQL: the noted hours and their days
are built anew, in the transaction that forgets them. Either way one refresher works at a time, and a crash at any
moment leaves the windows for the next one. Where candles may be dropped nothing is built anew: bars outlive them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import NoReturn

import asyncpg

from streamer.domain.interval import Interval
from streamer.store.kinds import Kind
from streamer.store.pool import Connection, Pool
from streamer.store.retention import not_before
from streamer.store.rows import Hours, join_hours
from streamer.store.statements import query
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock, now
from streamer.timing.retry import Health, Wait, keep_trying

_STEP = timedelta(days=7)
_MOST_REFRESHED = 10_000  # notes per round: neighbours are refreshed together
_MOST_REBUILT = 500  # windows per transaction; more where one note has more
_BUSY_PAUSE_S = 0.1
_PATIENCE_S = 3_600.0  # for one step over very many series

Range = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """How many windows, each a run of hours of one series, were worked off, and how many wait.

    ``busy`` when another refresher was in the way.
    """

    refreshed: int
    waiting: int
    busy: bool = False


class _Busy(Exception):
    """A policy refreshes the same hours, and TimescaleDB does not wait for it. Caught by the refresher."""


class Rollups:
    """Refreshes what is due. Two of them over one database do not disturb each other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting = query("rollup_pending")
        self._lock = query("try_lock_rollups")
        self._state = query("rollup_state")
        self._list = query("waiting_windows")
        self._forget = query("forget_windows")
        self._take = query("take_windows")
        self._oldest = query("oldest_chunk")
        self._bounds = query("window_bounds")
        self._refreshable_from = query("refreshable_from")
        self._swept_to: datetime | None = None
        self._refresh = {Interval.H1: query("refresh_klines_1h"), Interval.D1: query("refresh_klines_1d")}
        self._rebuild = {Interval.H1: query("rebuild_klines_1h"), Interval.D1: query("rebuild_klines_1d")}

    async def refresh_due(self, current_time: datetime) -> RefreshReport:
        """Work off the windows that wait; nothing while another refresher or one of the policies works.

        ``current_time`` is the caller's wall time, aware UTC; it may run ahead of the server's, which counts as well.

        Raises:
            StoreUnavailable: the windows remain.

        Cancelling leaves the windows, which are refreshed again.
        """
        refreshed, busy = 0, False
        async with self._pool.connection() as connection:
            is_swept = self._swept_to is not None and self._swept_to >= settled_before(current_time)
            if not is_swept or await connection.fetchval(self._waiting):
                async with connection.transaction():
                    busy = not await connection.fetchval(self._lock)
                    if not busy:
                        try:
                            refreshed = await self._work_off(connection, current_time)
                        except _Busy:
                            busy = True
            return RefreshReport(refreshed, await connection.fetchval(self._waiting), busy)

    async def waiting(self) -> tuple[int | None, int | None]:
        """The oldest and the newest window that waits, as numbers that grow; None where none does.

        Raises:
            StoreUnavailable: nothing is known.
        """
        async with self._pool.connection() as connection:
            [(oldest, newest)] = await connection.fetch(self._bounds)
        return oldest, newest

    async def _work_off(self, connection: Connection, current_time: datetime) -> int:
        [(kind, server_time)] = await connection.fetch(self._state)
        end = settled_before(max(current_time, server_time))
        bound = await connection.fetchval(self._refreshable_from, current_time)
        if kind != Kind.TIMESCALEDB:
            self._swept_to = end
            return await self._rebuild_oldest(connection, bound)
        windows = await connection.fetch(self._list, _MOST_REFRESHED)
        ranges = [(first_hour, last_hour) for _, first_hour, last_hour, _ in windows]
        swept_to = self._swept_to or await connection.fetchval(self._oldest) or end
        if swept_to < end:
            ranges.append((swept_to, end - Interval.H1.duration))
        async with self._pool.connection_alone(command_timeout_s=_PATIENCE_S) as worker:
            try:
                for interval, statement in self._refresh.items():
                    for since, until in refresh_ranges(list(not_before(ranges, bound)), interval, end):
                        await worker.execute(statement, since, until)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                raise _Busy from None
        await connection.execute(self._forget, [identity for identity, *_ in windows])
        self._swept_to = end
        return sum(series for *_, series in windows)

    async def _rebuild_oldest(self, connection: Connection, bound: datetime | None) -> int:
        taken = [Hours(*window) for window in await connection.fetch(self._take, _MOST_REBUILT)]
        kept = [run._replace(first=first) for run in taken for first, _ in not_before([run[2:]], bound)]
        for interval, statement in self._rebuild.items():
            runs = (run._replace(first=interval.floor(run.first), last=interval.floor(run.last)) for run in kept)
            joined = join_hours(runs, interval.duration)
            if joined:
                await connection.execute(statement, *map(list, zip(*joined, strict=True)))
        return len(taken)


def settled_before(current_time: datetime) -> datetime:
    """The start of the previous hour: writes before it note their hours, and only they may be refreshed."""
    return Interval.H1.floor(current_time) - Interval.H1.duration


def refresh_ranges(hours: Sequence[Range], interval: Interval, end: datetime) -> Iterator[Range]:
    """What to refresh in the view of ``interval``, from and until, for changed hours (first and last, both included).

    Joined, aligned outwards to buckets, in steps of at most seven days, and of whole buckets before ``end``.
    """
    buckets = (Hours("", "", interval.floor(first), interval.floor(last)) for first, last in hours)
    for _, _, first, last in join_hours(buckets, interval.duration):
        since, until = first, min(last + interval.duration, interval.floor(end))
        while since < until:
            step_end = min(since + _STEP, until)
            yield since, step_end
            since = step_end


async def catch_up(rollups: Rollups, *, clock: Clock) -> None:
    """Return when all that waits now is refreshed, by whomever: for a verb that ends, where no task goes on.

    A refresher that is killed may be at work in the database still, and forgets no window: so a busy one is waited for.

    Raises:
        StoreUnavailable: the windows remain.

    Cancelling leaves the windows, which are refreshed again.
    """
    _, newest = await rollups.waiting()
    while True:
        report = await rollups.refresh_due(now(clock))
        oldest, _ = await rollups.waiting()
        if not report.busy and (oldest is None or newest is None or oldest > newest):
            return
        if report.busy:
            await clock.sleep(_BUSY_PAUSE_S / clock.real_seconds(1.0))


async def keep_fresh(
    rollups: Rollups,
    *,
    clock: Clock,
    random: Random,
    refreshed: Callable[[RefreshReport], None],
    before_wait: Callable[[Wait], None],
    every_s: float = 1.0,
) -> NoReturn:
    """Refresh what is due, about every ``every_s`` seconds of the world, for ever; ``refreshed`` hears of each round.

    Cancelling leaves the windows to the next start.
    """
    pause_s = every_s / clock.real_seconds(1.0)  # the database works in the world's time, however fast the clock

    async def rounds(health: Health) -> NoReturn:
        while True:
            report = await rollups.refresh_due(now(clock))
            health.report()
            refreshed(report)
            if not (report.refreshed and report.waiting):
                await clock.sleep(pause_s)

    await keep_trying(
        rounds,
        retryable=lambda error: bool(getattr(error, "retryable", False)),
        clock=clock,
        backoff=Backoff(cap_s=30.0),
        random=random,
        before_wait=before_wait,
    )
    raise AssertionError("the rounds go on for ever")
