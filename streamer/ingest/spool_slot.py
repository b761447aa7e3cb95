"""One slot of the spool's folder: its lock, its file and its journal; damage is set aside, and what it held suspected.

Two processes on one folder hold two slots; the lock dies with its process, so a slot that is free and holds something
is an orphan.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple, TypeVar

from streamer.domain.candle import Delivery
from streamer.ingest.losses import Loss, Losses
from streamer.ingest.spool_file import Damaged, DiskRefused, SpoolFile
from streamer.ingest.spool_journal import Journal
from streamer.timing.clock import Clock, now

T = TypeVar("T")
_PARTS = ("", "-wal", "-shm")  # of an SQLite database


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """The folder, and how much one file may hold."""

    folder: Path
    most_candles: int = 5_000_000
    most_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Damage:
    """A spool file that is lost to us, where it lies now, and how many series it may have held.

    ``sure`` is False when there may have been others: the journal is damaged or gone too.
    """

    path: Path
    reason: str
    series: int
    sure: bool


class Taken(NamedTuple):
    """Deliveries that were read, and what to say to be done with them."""

    slot: int
    file: SpoolFile
    last_id: int
    deliveries: list[Delivery]


def lock_slot(folder: Path, number: int) -> int | None:
    """The descriptor that locks a slot; closing it, or dying, unlocks. None: another process holds it.

    Raises:
        OSError: the folder cannot be written, or its file system knows no locks.
    """
    descriptor = os.open(folder / f"spool-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Slot:
    """A locked slot, used by one thread. Its file may be away while the disk refuses; losses wait in memory then."""

    def __init__(self, options: SpoolOptions, number: int, lock: int, clock: Clock) -> None:
        """Open what lies in the slot; damage is set aside.

        Raises:
            DiskRefused, OSError: the disk does not let us.
        """
        self.number = number
        self._options = options
        self._path = options.folder / f"spool-{number}.db"
        self._lock = lock
        self._clock = clock
        self._pending = Losses()  # not yet in the file
        self._file: SpoolFile | None = None
        self.damages: list[Damage] = []
        self.refusal: str | None = None  # the disk's last word; None: it did what was asked
        self._journal = Journal(self._path.with_suffix(".series"))
        try:
            if self._open().is_new and self._journal:
                self._report(self._path, "it is gone or was emptied")
        except Damaged as damage:
            self._put_aside(str(damage))
        self._keep_losses()
        self._empty_journal()

    def __len__(self) -> int:
        return 0 if self._file is None else len(self._file)

    def append(self, deliveries: Sequence[Delivery], *, ahead: bool = False) -> list[Delivery] | None:
        """Keep deliveries; what had to give way for them, which is among the losses now. None: the disk refused."""
        losses = self._pending.take()
        starts = [(delivery.candle.series, delivery.candle.open_time) for delivery in deliveries]
        starts += [(loss.series, loss.first_time) for loss in losses]

        def keep(file: SpoolFile) -> list[Delivery]:
            self._journal.note(starts)
            return file.append(deliveries, losses, ahead=ahead)

        dropped = self._change(keep)
        if dropped is None:
            self._pending.add(losses)
        return dropped

    @property
    def has_losses(self) -> bool:
        """Whether any losses are known to this slot."""
        return bool(self._pending) or (self._file is not None and self._file.has_losses)

    def note(self, losses: Sequence[Loss]) -> bool:
        """Keep losses; whether they are on the disk now, or wait in memory for it."""
        self._pending.add(losses)
        self._keep_losses()
        return not self._pending

    def take(self, most: int) -> Taken | None:
        """The oldest deliveries that can be read; None when there are none. What cannot be read is suspected."""
        while (file := self._file) is not None:
            try:
                rows = file.take(most)
                if rows is None:
                    return None
                if rows.damaged:
                    self.note(self._journal.suspects(now(self._clock)))
                if rows.deliveries:
                    return Taken(self.number, file, rows.last_id, rows.deliveries)
                if file is self._file:
                    file.forget(rows.last_id)
            except (Damaged, DiskRefused) as trouble:  # whatever the cause, we cannot wait for what cannot be read
                self._put_aside(str(trouble))
        return None

    def forget(self, taken: Taken) -> None:
        """Be done with what was taken."""
        if taken.file is self._file:
            try:
                taken.file.forget(taken.last_id)
            except (Damaged, DiskRefused) as trouble:
                self._put_aside(str(trouble))
            self._empty_journal()

    def losses(self) -> list[Loss]:
        """The losses known to this slot."""
        found = Losses(self._pending)
        if self._file is not None:
            try:
                found.add(self._file.losses())
            except (Damaged, DiskRefused) as trouble:
                self._put_aside(str(trouble))
                return list(self._pending)
        return list(found)

    def clear_losses(self, losses: Sequence[Loss]) -> None:
        """Forget the losses that did not grow since they were read."""
        if self._file is not None:
            self._keep_losses()
            self._change(lambda file: file.clear_losses(losses))
        self._pending.remove(losses)
        self._empty_journal()

    def head_time(self) -> datetime | None:
        """When the oldest row was received; None where that cannot be told."""
        try:
            return None if self._file is None else self._file.head_time()
        except (Damaged, DiskRefused):
            return None

    def close(self) -> None:
        """Close the file and unlock the slot."""
        if self._file is not None:
            self._file.close()
            self._file = None
        os.close(self._lock)

    def remove(self) -> None:
        """Delete the emptied files and unlock the slot. The lock's own file stays: others may wait at it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with suppress(OSError):
            self._path.with_suffix(".series").unlink(missing_ok=True)  # first: it must not outlive its file
            for part in _PARTS:
                self._path.with_name(self._path.name + part).unlink(missing_ok=True)
        os.close(self._lock)

    def _open(self) -> SpoolFile:
        file = SpoolFile(self._path, most_candles=self._options.most_candles, most_bytes=self._options.most_bytes)
        if file.is_new:  # what the journal tells of is gone
            self._pending.add(self._journal.suspects(now(self._clock)))
        self._file = file
        return file

    def _empty_journal(self) -> None:
        if self._file is not None and not (len(self._file) or self.has_losses):
            self._journal.clear()

    def _keep_losses(self) -> None:
        if self._pending:
            self.append([])

    def _change(self, act: Callable[[SpoolFile], T]) -> T | None:
        """What ``act`` gives, on a new file if this one turns out to be damaged; None when the disk refuses."""
        for attempt in range(2):
            try:
                result = act(self._open() if self._file is None else self._file)
            except Damaged as damage:
                if attempt:
                    self.refusal = str(damage)
                else:
                    self._put_aside(str(damage))
            except (DiskRefused, OSError) as refusal:
                self.refusal = _words(refusal)
                return None
            else:
                self.refusal = None
                return result
        return None

    def _put_aside(self, reason: str) -> None:
        """Rename the damaged file, suspect all it may have held, and begin another if the disk lets us."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._pending.add(self._journal.suspects(now(self._clock)))
        stem = f"{self._path.stem}.damaged-{now(self._clock):%Y%m%dT%H%M%S}"
        names = (f"{stem}{more}{self._path.suffix}" for more in chain([""], (f"-{number}" for number in count(2))))
        aside = next(path for path in map(self._path.with_name, names) if not path.exists())
        try:
            for part in _PARTS:
                with suppress(FileNotFoundError):
                    self._path.with_name(self._path.name + part).rename(aside.with_name(aside.name + part))
            self._report(aside, reason)
            self._open()
        except (Damaged, DiskRefused, OSError) as trouble:
            self.refusal = _words(trouble)

    def _report(self, path: Path, reason: str) -> None:
        known = len(self._journal)
        self.damages.append(Damage(path, reason, known, sure=bool(known) and not self._journal.damaged))


def _words(trouble: Exception) -> str:
    """The system's words without its numbers."""
    return (isinstance(trouble, OSError) and trouble.strerror) or str(trouble)
