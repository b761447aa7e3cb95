"""SIGINT and SIGTERM: the first asks for a drained stop, the second cuts it short."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
    """Catch both signals in the block; a second one cancels the task that entered it."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    stop = Stop()

    def caught(number: signal.Signals) -> None:
        if not stop.asked.is_set():
            stop.ask(number.name)
        elif task is not None:
            stop.cut_short = number
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
