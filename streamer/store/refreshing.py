"""When the rollups are refreshed: at once and to the end for a verb, by and by for a service. How is not known here."""

from collections.abc import Callable
from random import Random
from typing import NoReturn

from streamer.domain.errors import RowsRefused
from streamer.store.rollups import RefreshReport, Rollups
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock, now
from streamer.timing.retry import Health, Wait, keep_trying

_BUSY_PAUSE_S = 0.1
_REST = 4.0  # times as long as a round took: a backfill goes on for hours, and live candles need the processor
_LONGEST_REST_S = 600.0


async def catch_up(rollups: Rollups, *, clock: Clock) -> None:
    """Return when all that waits now is refreshed, by whomever: for a verb that ends, where no task goes on.

    A refresher that is killed may be at work in the database still, and forgets no window: so a busy one is waited for.

    Raises:
        StoreUnavailable: the windows remain.
        RowsRefused: those remain whose candles do not add up; the others are refreshed.

    Cancelling leaves the windows, which are refreshed again.
    """
    _, newest = await rollups.waiting()
    refused: RowsRefused | None = None
    while True:
        report = await rollups.refresh_due(now(clock))
        refused = report.refused or refused
        oldest, _ = await rollups.waiting()
        if not report.busy and (oldest is None or newest is None or oldest > newest):
            if refused is not None:
                raise refused
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

    After a long round it rests for longer. While history comes in series by series, every round builds the same buckets
    anew on TimescaleDB, which knows of changes by time alone: what is written meanwhile is then built once. The first
    round, which brings what was missed, is no reason to rest. Cancelling leaves the windows to the next start.
    """
    second = 1.0 / clock.real_seconds(1.0)  # the database works in the world's time, however fast the clock

    async def rounds(health: Health) -> NoReturn:
        is_first = True
        while True:
            began_at = clock.monotonic()
            report = await rollups.refresh_due(now(clock))
            took_s = clock.monotonic() - began_at
            health.report()
            refreshed(report)
            if not report.is_behind:
                rest_s = 0.0 if is_first else min(_REST * took_s, second * _LONGEST_REST_S)
                await clock.sleep(max(second * every_s, rest_s))
            is_first = False

    await keep_trying(
        rounds,
        retryable=lambda error: bool(getattr(error, "retryable", False)),
        clock=clock,
        backoff=Backoff(cap_s=30.0),
        random=random,
        before_wait=before_wait,
    )
    raise AssertionError("the rounds go on for ever")
