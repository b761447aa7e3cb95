"""The spool's folder as one process sees it: a slot of its own, and the orphans that others left, oldest first.

Everything here is synchronous, meant for one worker thread. What is notable gathers as news for the event loop's side.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from streamer.domain.candle import Delivery
from streamer.domain.errors import StartError
from streamer.ingest.losses import Loss, Losses
from streamer.ingest.spool_file import DiskRefused
from streamer.ingest.spool_slot import Damage, Slot, SpoolOptions, Taken, lock_slot
from streamer.timing.clock import Clock

_MOST_SLOTS = 64
_NAME = re.compile(r"spool-(\d{1,2})\.(?:db|series)")
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class News:
    """How things stand after an act, and what happened in it."""

    candles: int
    has_losses: bool
    dropped: Counter[str]
    damages: tuple[Damage, ...]
    refusal: str | None


class SpoolFolder:
    """Every spool file of one process. Deliveries go into its own; they are taken from all."""

    def __init__(self, options: SpoolOptions, clock: Clock) -> None:
        """Lock a free slot, open what lies in it, and adopt what dead processes left in others.

        Raises:
            StartError: the folder cannot be written, or every slot is taken.
        """
        self._options = options
        self._clock = clock
        self._dropped: Counter[str] = Counter()
        self._orphans: list[Slot] = []
        try:
            options.folder.mkdir(parents=True, exist_ok=True)
            self._own = self._claim()
            self._adopt()
        except (OSError, DiskRefused) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise StartError(f"the spool's folder {options.folder} cannot be used: {reason}") from error

    def _claim(self) -> Slot:
        for number in range(_MOST_SLOTS):
            if (slot := self._locked(number)) is not None:
                return slot
        raise StartError(f"the spool's folder {self._options.folder} is in use by {_MOST_SLOTS} streamers already")

    def _locked(self, number: int) -> Slot | None:
        lock = lock_slot(self._options.folder, number)
        if lock is None:
            return None
        try:
            return Slot(self._options, number, lock, self._clock)
        except (OSError, DiskRefused):
            os.close(lock)
            raise

    def _adopt(self) -> None:
        found = {int(match[1]) for path in self._options.folder.iterdir() if (match := _NAME.fullmatch(path.name))}
        for number in sorted(found - {self._own.number}):
            with suppress(OSError, DiskRefused):  # it stays where it is, for another start
                slot = self._locked(number)
                if slot is not None:
                    self._orphans.append(slot)
                    self._bury(slot)

    def _bury(self, orphan: Slot) -> None:
        """Take over an orphan's losses; once it holds nothing else, it goes."""
        self._take_over_losses(orphan)
        if not (orphan or orphan.has_losses):
            self._own.damages += orphan.damages
            self._orphans.remove(orphan)
            orphan.remove()

    def _take_over_losses(self, orphan: Slot) -> None:
        if (losses := orphan.losses()) and self._own.note(losses):
            orphan.clear_losses(losses)

    def news(self) -> News:
        """How things stand, and what happened since the last news."""
        slots = [*self._orphans, self._own]
        dropped, self._dropped = self._dropped, Counter()
        damages = tuple(damage for slot in slots for damage in slot.damages)
        for slot in slots:
            slot.damages.clear()
        candles = sum(len(slot) for slot in slots)
        return News(candles, any(slot.has_losses for slot in slots), dropped, damages, self._own.refusal)

    def append(self, deliveries: Sequence[Delivery], losses: Sequence[Loss], *, ahead: bool) -> bool:
        """Whether the deliveries are on the disk now; ``ahead`` puts them before those of our own slot.

        Losses are kept in any case, in memory while the disk refuses.
        """
        self._own.note(losses)
        dropped = self._own.append(deliveries, ahead=ahead)
        if dropped is None:
            return False
        self._dropped.update(delivery.candle.series.exchange for delivery in dropped)
        return True

    def take(self, most: int) -> Taken | None:
        """The oldest deliveries of the slot whose head came first; None when there are none."""
        slots = [slot for slot in (*self._orphans, self._own) if slot]
        if len(slots) > 1:
            slots.sort(key=lambda slot: slot.head_time() or _NEVER)
        return next((taken for slot in slots if (taken := slot.take(most)) is not None), None)

    def forget(self, taken: Taken) -> None:
        """Be done with what was taken."""
        for slot in (*self._orphans, self._own):
            if slot.number == taken.slot:
                slot.forget(taken)
        for orphan in self._orphans[:]:
            if not orphan:
                self._bury(orphan)

    def losses(self) -> list[Loss]:
        """The losses known to this process."""
        return list(Losses(loss for slot in (*self._orphans, self._own) for loss in slot.losses()))

    def clear_losses(self, losses: Sequence[Loss]) -> None:
        """Forget the losses that did not grow since they were read."""
        for orphan in self._orphans:
            self._take_over_losses(orphan)
        self._own.clear_losses(losses)

    def close(self) -> None:
        """Close every file and unlock every slot."""
        for slot in (*self._orphans, self._own):
            slot.close()
