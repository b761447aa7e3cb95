"""One budget of REST requests for the processes behind one address, where the settings name it. Wiring only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamer.app.database import Database
from streamer.rest.leasing import Leasing
from streamer.settings.model import Settings
from streamer.store.leases import DatabaseBudget
from streamer.store.pool import Pool
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock


def leasing_of(settings: Settings, clock: Clock, recorder: Recorder) -> Leasing | None:
    """Who keeps the leases of this process; None where no address is shared."""
    return None if settings.rest.egress is None else Leasing(clock=clock, recorder=recorder)


async def keep_leases(leasing: Leasing | None, database: Database, settings: Settings, clock: Clock) -> None:
    """Lease until cancelled, from when the database is ready; then give back."""
    if leasing is None or settings.rest.egress is None:
        return
    await database.ready.wait()
    await leasing.run(DatabaseBudget(database.pool, settings.rest.egress, clock))


@asynccontextmanager
async def leased(
    settings: Settings, pool: Pool, clock: Clock, recorder: Recorder, *, traceless: bool
) -> AsyncIterator[Leasing | None]:
    """The same for a short command with a migrated database, within the block; ``traceless``: it leaves no row."""
    leasing = leasing_of(settings, clock, recorder)
    if leasing is None or settings.rest.egress is None:
        yield None
        return
    budget = DatabaseBudget(pool, settings.rest.egress, clock, traceless=traceless)
    keeping = asyncio.create_task(leasing.run(budget))
    try:
        await clock.sleep(0)  # so that limits are divided from the first request on
        yield leasing
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        if not keeping.cancelled():
            keeping.result()
