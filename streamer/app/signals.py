"""SIGINT and SIGTERM: the first asks for a drained stop, the second cuts it short, and what comes after is ignored."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether and how the process was asked to stop. ``cut_short`` is the second signal's number."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.reason = ""
        self.cut_short: int | None = None

    def ask(self, reason: str) -> None:
        """Ask for a drained stop."""
        self.reason = self.reason or reason
        self.asked.set()


@contextmanager
def listen_for_stop() -> Iterator[Stop]:
    """Catch both signals in the block; a second one cancels the task that entered it, once.

    After the block both are ignored until the process ends: to be asked for only around what a process is there for.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    stop = Stop()

    def caught(number: signal.Signals) -> None:
        if not stop.asked.is_set():
            stop.ask(number.name)
        elif task is not None and stop.cut_short is None:
            stop.cut_short = number
            task.cancel()

    for number in _CAUGHT:
        loop.add_signal_handler(number, caught, number)
    try:
        yield stop
    finally:
        if stop.cut_short is not None and task is not None:
            task.uncancel()
        _ignore(loop)


def _ignore(loop: asyncio.AbstractEventLoop) -> None:
    """From the loop's handlers to none, with no moment between in which a signal would kill."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)
    for number in _CAUGHT:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
