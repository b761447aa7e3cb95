"""Measures how late the event loop wakes: what everything else is late by."""

from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

_EVERY_S = 1.0


async def watch_loop(clock: Clock, recorder: Recorder) -> None:
    """Record the loop's lag every second until cancelled."""
    while True:
        asked_at = clock.monotonic() + _EVERY_S
        await clock.sleep(_EVERY_S)
        recorder.loop_lagged(max(0.0, clock.monotonic() - asked_at))
