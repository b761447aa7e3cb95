"""Makes, fills and drops the relations of rollups, so that there are those that the settings name. Part of migrating.

A rollup is filled while no refresher works, and counts as whole only then: what interrupts that is taken up by the next
migration. Until then nobody refreshes it, so that no newer refresh hides what is not filled yet. What is in use is not
waited for: its users would wait too, and so would all refreshers.
"""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass, field

import asyncpg

from streamer.domain.errors import StoreError
from streamer.domain.rollup import ALWAYS, Rollup
from streamer.store.kinds import Kind
from streamer.store.pool import Connection
from streamer.store.rollups import refresh_ranges, settled_before
from streamer.store.statements import query

_ABSENT, _FILLING, _WHOLE, _DROPPING = "absent", "filling", "whole", "dropping"
_LOCK_PATIENCE_MS = 5_000


@dataclass(frozen=True, slots=True)
class Settled:
    """Sentences: ``said`` about what came and went, ``undone`` with the cure about what others were in the way of."""

    said: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)


async def rollup_states(connection: Connection) -> dict[Rollup, str]:
    """The state of every rollup that this schema knows."""
    return {Rollup(name): state for name, state in await connection.fetch(query("rollup_states"))}


async def always_whole(connection: Connection) -> bool:
    """Whether the rollups that are always there are filled with all that was stored."""
    states = await rollup_states(connection)
    return all(states[rollup] == _WHOLE for rollup in ALWAYS)


def to_be(states: dict[Rollup, str], wanted: Collection[Rollup] | None) -> frozenset[Rollup]:
    """The rollups that there should be: what is wanted, or else what is there, and 1h and 1d."""
    there = (rollup for rollup, state in states.items() if state in {_FILLING, _WHOLE})
    return ALWAYS.union(there if wanted is None else wanted)


async def are_settled(connection: Connection, kind: Kind, wanted: Collection[Rollup] | None) -> bool:
    """Whether exactly those that should be are there, whole, and refreshed by TimescaleDB where that is to do it."""
    states = await rollup_states(connection)
    kept = to_be(states, wanted)
    if any(state != (_WHOLE if rollup in kept else _ABSENT) for rollup, state in states.items()):
        return False
    return not await _unrefreshed(connection, kind)


async def settle_rollups(
    lock: Connection, worker: Connection, kind: Kind, wanted: Collection[Rollup] | None
) -> Settled:
    """Bring the relations to those that should be, but for what is in use for longer than some seconds.

    ``worker`` has no limit on a command, and is whoever is to own the relations. Both are used alone meanwhile.

    Raises:
        StoreError: something of the user's is built on what is to go, or has the name of what is to come.

    Cancelling leaves what is done; the next call takes it up.
    """
    settled = Settled()
    async with lock.transaction():
        await lock.execute(query("lock_rollups"))
        states = await rollup_states(worker)
        kept = to_be(states, wanted)
        for rollup, state in states.items():
            if rollup not in kept and state != _ABSENT:
                if await _drop(worker, kind, rollup, is_retired=state == _DROPPING):
                    settled.said.append(f"klines_{rollup} was dropped: storage.rollups names it no longer")
                else:
                    settled.undone.append(await _in_use(worker, rollup))
            if rollup in kept and state in {_ABSENT, _DROPPING}:
                await _make(worker, kind, rollup, is_retired=state == _DROPPING)
        unfilled = [
            rollup for rollup, state in (await rollup_states(worker)).items() if rollup in kept and state == _FILLING
        ]
        for rollup in unfilled:
            await _fill(worker, kind, rollup)
            if rollup not in ALWAYS:
                settled.said.append(f"klines_{rollup} was built from all that is stored")
        for rollup in await _unrefreshed(worker, kind):
            if rollup in kept:
                settled.said.append(f"klines_{rollup} is refreshed by TimescaleDB again: its policy was not there")
                unfilled.append(rollup)
        for rollup in unfilled:  # a policy starts its job at once, which would be in the way of the fillings
            await worker.execute(query("finish_rollup"), rollup.value)
    return settled


async def _unrefreshed(connection: Connection, kind: Kind) -> list[Rollup]:
    """The rollups that are whole, and that TimescaleDB does not refresh."""
    if kind != Kind.TIMESCALEDB:
        return []
    return [Rollup(name) for (name,) in await connection.fetch(query("unrefreshed_rollups"))]


async def _drop(worker: Connection, kind: Kind, rollup: Rollup, *, is_retired: bool) -> bool:
    """Drop it; false where somebody uses it: then it is as it was, or at the worst shown no longer."""
    built = ", ".join(row["described"] for row in await worker.fetch(query("rollup_dependents"), rollup.value))
    if built:
        raise _built_on(rollup, built)
    try:
        async with nullcontext() if kind == Kind.TIMESCALEDB else worker.transaction():
            if not is_retired:
                await _impatiently(worker, "retire_rollup", rollup)
            await _impatiently(worker, "drop_rollup", rollup)
    except asyncpg.DependentObjectsStillExistError as error:
        raise _built_on(rollup, error.detail) from None
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _impatiently(worker: Connection, name: str, rollup: Rollup) -> None:
    async with worker.transaction():
        await worker.execute(query("limit_locks"), str(_LOCK_PATIENCE_MS))
        await worker.execute(query(name), rollup.value)


def _built_on(rollup: Rollup, what: str | None) -> StoreError:
    return StoreError(
        f"klines_{rollup} cannot be dropped because others are built on it ({what}): drop those, "
        "or name it in storage.rollups again"
    )


async def _in_use(worker: Connection, rollup: Rollup) -> str:
    found = await worker.fetch(query("rollup_users"), rollup.value, _LOCK_PATIENCE_MS)
    pids = ", ".join(str(row["pid"]) for row in found)
    return (
        f"klines_{rollup} was not dropped because others use it{f' (process {pids})' if pids else ''}: "
        "end their transactions, then run `streamer migrate`"
    )


async def _make(worker: Connection, kind: Kind, rollup: Rollup, *, is_retired: bool) -> None:
    """Make its relations, or show again what was not dropped to the end; to be filled afterwards."""
    try:
        if not is_retired:
            await worker.execute(query("create_rollup"), rollup.value)
            return
        if kind == Kind.TIMESCALEDB:
            await worker.execute(query("await_removed_jobs"))  # one would be in the way of the filling
        async with worker.transaction():
            await worker.execute(query("show_rollup"), rollup.value)
            await worker.execute(query("refill_rollup"), rollup.value)
    except asyncpg.DuplicateTableError as error:
        raise StoreError(
            f"klines_{rollup} cannot be made: {error.args[0]}, and is not streamer's; give that another name or drop "
            f"it, or take {rollup} out of storage.rollups"
        ) from None


async def _fill(worker: Connection, kind: Kind, rollup: Rollup) -> None:
    """Build all of it, in steps that end one by one: what comes first is oldest, and what is newer shows meanwhile."""
    if kind != Kind.TIMESCALEDB:
        for exchange, symbol, since in await worker.fetch(query("symbols_stored"), rollup.value):
            await worker.execute(query("rebuild_all"), rollup.value, exchange, symbol, since)
        return
    [(_, server_time)] = await worker.fetch(query("rollup_state"))
    end = settled_before(server_time)
    oldest = rollup.floor(await worker.fetchval(query("oldest_chunk")) or end)
    # Before the oldest chunk there are kept bars alone: not to be built anew from candles that were dropped.
    if rollup.duration > Rollup.H1.duration or await worker.fetchval(query("refreshable_from"), server_time) is None:
        await worker.execute(query("refresh_rollup"), rollup.value, None, min(oldest, rollup.floor(end)))
    for since, until in refresh_ranges([(oldest, end - Rollup.H1.duration)], rollup, end):
        await worker.execute(query("refresh_rollup"), rollup.value, since, until)
