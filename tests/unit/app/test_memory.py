"""Free memory goes back to the system, and the collector leaves alone what lives as long as the process."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.app.memory import heap_trim, keep_trimmed, set_aside_imports
from tests.fakes.clock import FakeClock

BLOCK = bytes(16_384)  # large enough for the heap of the C library, too small for a mapping of its own
BLOCKS = 4_096


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector's own settings, restored afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def resident_bytes() -> int:
    """What this process has in memory of what is its own."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [anonymous] = [line for line in lines if line.startswith("RssAnon:")]
    return int(anonymous.split()[1]) * 1_024


def test_a_heap_full_of_holes_is_given_back() -> None:
    """Small blocks that live on keep glibc from shrinking the heap; a trim gives back the pages between them."""
    trim = heap_trim()
    if trim is None:
        pytest.skip("the C library is not glibc: there is nothing to trim")
    held = [bytearray(BLOCK) for _ in range(BLOCKS)]
    full = resident_bytes()
    kept = held[::64]
    del held
    holed = resident_bytes()
    trim()
    assert len(kept) == BLOCKS // 64
    given_back = BLOCKS * len(BLOCK) * 9 // 10
    assert full - holed < given_back <= full - resident_bytes()


async def test_the_heap_is_trimmed_every_minute() -> None:
    """Not before the first one is over, and until cancelled."""
    clock, trimmed_at = FakeClock(), list[float]()
    trimming = asyncio.create_task(keep_trimmed(clock, lambda: trimmed_at.append(clock.monotonic())))
    await clock.advance(200.0)
    trimming.cancel()
    assert trimmed_at == [60.0, 120.0, 180.0]


@pytest.mark.usefixtures("collector")
def test_imports_are_set_aside() -> None:
    """The collector sees none of them any more, and is told to come more often for the rest."""
    set_aside_imports()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 1_000
    assert gc.get_threshold()[2] == 2
