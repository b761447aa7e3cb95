"""Keeps the memory of a long-lived process at what it uses: what is free goes back to the system. It knows no candles.

Two things make it creep, though no object grows. glibc keeps freed blocks: every read of a socket takes 256 KiB and
gives nearly all of it back, and what small blocks happen to lie between stops the heap from shrinking; once one huge
frame was freed, blocks of its size come from the heap and stay there. And failures leave cycles of exceptions, frames
and connections to Python's collector, which comes seldom while it counts everything that was imported as its own.
A smaller mmap threshold would cost an mmap for each read of a socket, so the heap is trimmed now and then instead.
"""

import ctypes
import gc
from collections.abc import Callable

from streamer.timing.clock import Clock

_EVERY_S = 60.0  # a trim takes below a millisecond, some more after a storm
_FULL_AFTER = 2  # collections of the middle generation; a full one is cheap without what is frozen


def set_aside_imports() -> None:
    """Spare the collector what lives as long as the process, and have it look at the rest more often.

    It stops everything for some 50 ms, so it belongs before the first connection.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _FULL_AFTER)


async def keep_trimmed(clock: Clock, trim: Callable[[], None] | None = None) -> None:
    """Give free memory back every minute until cancelled; at once over where the C library has no way to."""
    trim = trim or heap_trim()
    while trim is not None:
        await clock.sleep(_EVERY_S)
        trim()


def heap_trim() -> Callable[[], None] | None:
    """What gives the free memory of the heap back to the system; None where the C library is not glibc."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is None:
        return None

    def trim() -> None:
        malloc_trim(ctypes.c_size_t(0))

    return trim
