"""What tests need of a spool: a worker without a thread, deliveries, full disks and sudden ends."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streamer.domain.candle import Delivery, Source
from streamer.ingest.spool import Spool
from streamer.ingest.spool_file import SpoolFile
from streamer.ingest.spool_slot import Slot, SpoolOptions
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import candle_of

TIME = datetime(2026, 1, 1, tzinfo=UTC)


class InlineWorker(Executor):
    """Does a job when it is submitted, so that a test owns the order of everything; ``slow`` holds jobs back."""

    def __init__(self) -> None:
        self.slow = False
        self._held: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The job, finished unless it is held back."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - an executor hands on whatever the job raises
                future.set_exception(error)

        if self.slow:
            self._held.append(work)
        else:
            work()
        return future

    def catch_up(self) -> None:
        """Do what was held back, and hold nothing back any more."""
        self.slow = False
        while self._held:
            self._held.pop(0)()


def live(minute: int, topic: str = "a", close: float = 1.5) -> Delivery:
    """A candle off a stream, received when it had ended."""
    candle = candle_of(topic, minute, close)
    return Delivery(candle, Source.WS, TIME + timedelta(minutes=minute))


def make_spool(
    folder: Path,
    facts: Facts | None = None,
    *,
    candles: int = 1_000_000,
    size: int = 1 << 30,
    clock: Any = None,
    worker: InlineWorker | None = None,
) -> Spool:
    """A spool that is not open yet and works in the caller's thread."""
    return Spool(
        SpoolOptions(folder, candles, size),
        clock=clock or FakeClock(),
        recorder=(facts or Facts()).recorder,
        worker=worker or InlineWorker(),
    )


async def opened(folder: Path, facts: Facts | None = None, **options: Any) -> Spool:
    """A spool that is open."""
    spool = make_spool(folder, facts, **options)
    await spool.open()
    return spool


def own_slot(spool: Spool) -> Slot:
    """The slot in which a spool keeps what it is given."""
    assert spool._folder is not None
    return spool._folder._own


def own_file(spool: Spool) -> SpoolFile:
    """The file in which a spool keeps what it is given."""
    file = own_slot(spool)._file
    assert file is not None
    return file


def set_disk_full(file: SpoolFile, *, full: bool) -> None:
    """Let SQLite find no room for another page, or plenty."""
    pages = file._value("page_count")
    file._db.execute(f"pragma max_page_count = {pages if full else 1 << 30}")


def end_suddenly(spool: Spool) -> None:
    """Leave the files as a dead process does: nothing more is written, and the locks are gone."""
    assert spool._folder is not None
    for slot in (*spool._folder._orphans, spool._folder._own):
        if slot._file is not None:
            slot._file._db.close()
        os.close(slot._lock)
    spool._folder = None
