"""A backfill as a process: one round, or one every so often until a signal ends it. What a round does is elsewhere."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from math import inf

from streamer.app.backfill_request import BackfillRequest
from streamer.app.backfilling import BackfillReport, backfill
from streamer.app.filling import Screen
from streamer.app.signals import Stop, listen_for_stop
from streamer.app.standing import Standings
from streamer.domain.errors import StreamerError
from streamer.rest.client import PATIENCE_S
from streamer.settings.model import Settings
from streamer.timing.clock import Clock, make_clock

DONE, FAILED, INTERRUPTED = 0, 1, 130

Showing = Callable[[], AbstractContextManager[Screen]]


async def backfill_repeatedly(
    settings: Settings,
    request: BackfillRequest,
    showing: Showing,
    told: Callable[[BackfillReport], None],
    failed: Callable[[StreamerError], None],
    *,
    every: timedelta | None,
) -> int:
    """The exit code: of the one round, or of the last one when a signal comes between two.

    ``told`` hears what became of each round, ``failed`` why a later one came to nothing: the next goes on. A beat that
    comes while a round is at work is left out. What is kept no longer is refused in the first round alone. Bans, and
    what was spent of limits, hold over rounds.

    Raises:
        StreamerError: of the first round, as :func:`~streamer.app.backfilling.backfill`.
    """
    clock = make_clock(settings.clock_rate)
    standings = Standings(clock, patience_of(every))
    with listen_for_stop() as stop:
        try:
            beat_at = clock.monotonic()
            is_first = True
            while True:
                try:
                    code = await _round(settings, request, showing, told, stop, standings=standings)
                except (StreamerError, ExceptionGroup) as problem:
                    error = _ours(problem)
                    if is_first or error is None:
                        raise
                    failed(error)
                    code = FAILED
                if every is None or code == INTERRUPTED:
                    return code
                is_first, request = False, replace(request, is_repeated=True)
                beat_at = next_beat_at(beat_at, clock.monotonic(), every.total_seconds())
                if await _stopped_before(beat_at, stop, clock):
                    return code
        except asyncio.CancelledError:
            if stop.cut_short is None:
                raise
            return 128 + stop.cut_short


def patience_of(every: timedelta | None) -> float:
    """How many seconds of a ban a round waits for: no longer than its period, where a pause for pace is no ban."""
    return inf if every is None else max(PATIENCE_S, every.total_seconds())


def next_beat_at(last_at: float, now_at: float, every_s: float) -> float:
    """The first beat after ``now_at``, in step with the last one."""
    return last_at + every_s * max(1, (now_at - last_at) // every_s + 1)


async def _round(
    settings: Settings,
    request: BackfillRequest,
    showing: Showing,
    told: Callable[[BackfillReport], None],
    stop: Stop,
    *,
    standings: Standings,
) -> int:
    """One round's exit code. A stop before anything is fetched ends it at once; after that it stores what it has."""
    begun = asyncio.Event()
    with showing() as screen:
        working = asyncio.ensure_future(backfill(settings, request, screen, stop, begun, standings=standings))
        stopping = asyncio.ensure_future(stop.asked.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and not begun.is_set():
                working.cancel()
            await asyncio.wait({working})
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
    if working.cancelled():
        return INTERRUPTED
    report = working.result()
    told(report)
    if report.interrupted:
        return INTERRUPTED
    return DONE if report.is_whole else FAILED


async def _stopped_before(beat_at: float, stop: Stop, clock: Clock) -> bool:
    try:
        async with clock.timeout_at(beat_at):
            await stop.asked.wait()
    except TimeoutError:
        return False
    return True


def _ours(problem: Exception) -> StreamerError | None:
    """The error of ours that ``problem`` is or holds; None for a group that holds anything else too."""
    while isinstance(problem, ExceptionGroup):
        if problem.split(StreamerError)[1] is not None:
            return None
        problem = problem.exceptions[0]
    return problem if isinstance(problem, StreamerError) else None
