"""Makes, fills and drops the relations of rollups, so that there are those that the settings name. Part of migrating.

A rollup is filled while no refresher works, and counts as whole only then: what interrupts that is taken up by the next
migration. Until then nobody refreshes it, so that no newer refresh hides what is not filled yet.
"""

from collections.abc import Collection

import asyncpg

from streamer.domain.errors import StoreError
from streamer.domain.rollup import ALWAYS, Rollup
from streamer.store.kinds import Kind
from streamer.store.pool import Connection
from streamer.store.rollups import refresh_ranges, settled_before
from streamer.store.statements import query

_ABSENT, _FILLING, _WHOLE, _DROPPING = "absent", "filling", "whole", "dropping"


async def rollup_states(connection: Connection) -> dict[Rollup, str]:
    """The state of every rollup that this schema knows."""
    return {Rollup(name): state for name, state in await connection.fetch(query("rollup_states"))}


def to_be(states: dict[Rollup, str], wanted: Collection[Rollup] | None) -> frozenset[Rollup]:
    """The rollups that there should be: what is wanted, or else what is there, and 1h and 1d."""
    there = (rollup for rollup, state in states.items() if state in {_FILLING, _WHOLE})
    return ALWAYS.union(there if wanted is None else wanted)


def are_settled(states: dict[Rollup, str], wanted: Collection[Rollup] | None) -> bool:
    """Whether exactly those that should be are there and whole."""
    kept = to_be(states, wanted)
    return all(state == (_WHOLE if rollup in kept else _ABSENT) for rollup, state in states.items())


async def settle_rollups(
    lock: Connection, worker: Connection, kind: Kind, wanted: Collection[Rollup] | None
) -> list[str]:
    """Bring the relations to those that should be; sentences about those that came and went by the settings.

    ``worker`` has no limit on a command, and is whoever is to own the relations. Both are used alone meanwhile.

    Raises:
        StoreError: something of the user's is built on what is to go.

    Cancelling leaves what is done; the next call takes it up.
    """
    said: list[str] = []
    async with lock.transaction():
        await lock.execute(query("lock_rollups"))
        states = await rollup_states(worker)
        kept = to_be(states, wanted)
        for rollup, state in states.items():
            if state == _DROPPING or (rollup not in kept and state != _ABSENT):
                await _drop(worker, rollup, is_retired=state == _DROPPING)
                said.append(f"klines_{rollup} was dropped: storage.rollups names it no longer")
            if rollup in kept and state in {_ABSENT, _DROPPING}:
                await worker.execute(query("create_rollup"), rollup.value)
        unfilled = [rollup for rollup, state in (await rollup_states(worker)).items() if state == _FILLING]
        for rollup in unfilled:
            await _fill(worker, kind, rollup)
            if rollup not in ALWAYS:
                said.append(f"klines_{rollup} was built from all that is stored")
        for rollup in unfilled:  # a policy starts its job at once, which would be in the way of the fillings
            await worker.execute(query("finish_rollup"), rollup.value)
    return said


async def _drop(worker: Connection, rollup: Rollup, *, is_retired: bool) -> None:
    try:
        if not is_retired:
            await worker.execute(query("retire_rollup"), rollup.value)
        await worker.execute(query("drop_rollup"), rollup.value)
    except asyncpg.DependentObjectsStillExistError as error:
        raise StoreError(
            f"klines_{rollup} cannot be dropped ({error.detail}): drop what is built on it, "
            "or name it in storage.rollups again"
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
    await worker.execute(query("refresh_rollup"), rollup.value, None, min(oldest, rollup.floor(end)))  # kept bars alone
    for since, until in refresh_ranges([(oldest, end - Rollup.H1.duration)], rollup, end):
        await worker.execute(query("refresh_rollup"), rollup.value, since, until)
