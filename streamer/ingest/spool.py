"""The spool: what memory cannot hold while the database is away, kept on disk, in order of arrival.

One worker thread does all of its work, so the event loop never waits for the disk. Nothing here raises once it is
open: what the disk refuses stays with the caller, what is lost is remembered as losses, and both are recorded.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from streamer.domain.candle import Delivery
from streamer.ingest.losses import Loss, Losses, loss_of
from streamer.ingest.spool_folder import News, SpoolFolder
from streamer.ingest.spool_slot import SpoolOptions, Taken
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

T = TypeVar("T")


class Spool:
    """The spool of one process. Cancelling any of its calls loses the answer: the worker finishes what it began."""

    def __init__(
        self, options: SpoolOptions, *, clock: Clock, recorder: Recorder, worker: Executor | None = None
    ) -> None:
        """Take the options; nothing is opened. ``worker`` (None: a thread of its own) runs one job at a time."""
        self._options = options
        self._clock = clock
        self._recorder = recorder
        self._worker = worker or ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._folder: SpoolFolder | None = None
        self._candles = 0
        self._lost = Losses()  # in memory, until the next append takes them along
        self._has_losses = False

    def __len__(self) -> int:
        return self._candles

    @property
    def has_overflow(self) -> bool:
        """Whether ``overflowed`` has something to tell."""
        return self._has_losses or bool(self._lost)

    async def open(self) -> None:
        """Lock a slot of the folder and find what an earlier run left; a damaged file is set aside.

        Raises:
            StartError: the folder cannot be written, or is full of other processes.
        """
        loop = asyncio.get_running_loop()
        self._folder = await loop.run_in_executor(self._worker, SpoolFolder, self._options, self._clock)
        await self._on_disk(lambda _: None)
        if self._candles:
            self._recorder.spool.found(self._candles)

    def lost(self, delivery: Delivery) -> None:
        """Remember a delivery that memory had to give up. Never waits."""
        self._lost.add([loss_of(delivery)])

    async def append(self, deliveries: Sequence[Delivery], *, ahead: bool = False) -> bool:
        """Whether the deliveries are on the disk now, behind all others (``ahead``: before them); if not, none is."""
        losses = self._lost.take()
        self._has_losses = self._has_losses or bool(losses)
        return await self._on_disk(lambda folder: folder.append(deliveries, losses, ahead=ahead))

    async def take(self, most: int) -> tuple[Taken | None, list[Delivery]]:
        """The oldest deliveries, at most so many, and what to hand to ``forget`` once they are stored.

        They stay until then, so that asking again gives them again. Their ``received_at`` is worked out anew.
        """
        if not self._candles:
            return None, []
        taken = await self._on_disk(lambda folder: folder.take(most))
        if taken is None:
            return None, []
        epoch_s = self._clock.time() - self._clock.monotonic()
        return taken, [replace(one, received_at=one.received_time.timestamp() - epoch_s) for one in taken.deliveries]

    async def forget(self, taken: Taken) -> None:
        """The deliveries that were taken are stored: be done with them."""
        await self._on_disk(lambda folder: folder.forget(taken))

    async def overflowed(self) -> list[Loss]:
        """What was lost, at most one run per series: dropped for want of room, or in a file that was damaged."""
        losses = self._lost.take()

        def gather(folder: SpoolFolder) -> list[Loss]:
            folder.append([], losses, ahead=False)
            return folder.losses()

        return await self._on_disk(gather)

    async def clear_overflow(self, losses: Sequence[Loss]) -> None:
        """Someone else keeps these losses now; those that grew since ``overflowed`` stay."""
        await self._on_disk(lambda folder: folder.clear_losses(losses))

    async def close(self) -> None:
        """Close the files and free their slots; what they hold is found at the next start."""
        if self._folder is not None:
            losses = self._lost.take()
            if losses:
                await self._on_disk(lambda folder: folder.append([], losses, ahead=False))
            folder, self._folder = self._folder, None
            await asyncio.get_running_loop().run_in_executor(self._worker, folder.close)
        self._worker.shutdown(wait=False)

    async def _on_disk(self, job: Callable[[SpoolFolder], T]) -> T:
        folder = self._folder
        if folder is None:
            raise AssertionError("the spool is used before it is opened")
        answer, news = await asyncio.get_running_loop().run_in_executor(self._worker, _with_news, folder, job)
        self._absorb(news)
        return answer

    def _absorb(self, news: News) -> None:
        self._candles = news.candles
        self._has_losses = news.has_losses
        self._recorder.spool.filled(news.candles)
        for exchange, count in news.dropped.items():
            self._recorder.candles_dropped(exchange, count)
        for damage in news.damages:
            self._recorder.spool.damaged(str(damage.path), damage.reason, damage.series, sure=damage.sure)
        if news.refusal is not None:
            self._recorder.spool.refused(news.refusal)
        else:
            self._recorder.spool.accepted()


def _with_news(folder: SpoolFolder, job: Callable[[SpoolFolder], T]) -> tuple[T, News]:
    return job(folder), folder.news()
