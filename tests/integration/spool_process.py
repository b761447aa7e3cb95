"""A process that spools and stores without end, for a test that kills it; see ``test_spool_crash.py``.

It prints ``kept <number>`` once a candle is on the disk, and its database is a file to which it appends numbers.
"""

import asyncio
import sys
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.ingest.spool import Spool
from streamer.ingest.spool_slot import SpoolOptions
from streamer.telemetry.logs import configure_logs
from streamer.telemetry.metrics import Metrics
from streamer.telemetry.recorder import Recorder
from streamer.telemetry.status import StatusBoard
from streamer.timing.clock import SystemClock, now

MINUTES = 7  # number n is a frame of minute n % 7, so that later frames of a candle follow earlier ones


def open_spool(folder: Path) -> Spool:
    """A spool over a thread of its own, as in the service."""
    recorder = Recorder(Metrics(CollectorRegistry()), configure_logs(sys.stderr, "error"), StatusBoard())
    return Spool(SpoolOptions(folder), clock=SystemClock(), recorder=recorder)


def frame(number: int) -> Delivery:
    """The candle of a number; the number is its volume."""
    series = Series("test", "A-USDT", Interval.M1)
    candle = make_candle(series, number % MINUTES * 60_000, (1.0, 2.0, 1.0, 1.5), float(number))
    return Delivery(candle, Source.WS, now(SystemClock()))


async def store_some(spool: Spool, database: Path, most: int) -> bool:
    """Store the oldest frames of the spool; whether there were any."""
    taken, batch = await spool.take(most)
    if taken is None:
        return False
    with database.open("a", encoding="utf-8") as file:
        file.write("".join(f"{delivery.candle.volume:.0f}\n" for delivery in batch))
    await spool.forget(taken)
    return True


async def live_until_killed(folder: Path, database: Path, first: int, seed: int) -> None:
    """Spool frames from number ``first`` on, and store some now and then."""
    random = Random(seed)  # noqa: S311 - a test's choice
    spool = open_spool(folder)
    await spool.open()
    number = first
    while True:
        for _ in range(random.randint(1, 5)):
            count = random.randint(1, 400)
            if not await spool.append([frame(one) for one in range(number, number + count)]):
                raise AssertionError("the disk refused")
            number += count
            print(f"kept {number - 1}", flush=True)  # noqa: T201 - for the test that reads it
        for _ in range(random.randint(0, 5)):
            await store_some(spool, database, random.randint(1, 500))


if __name__ == "__main__":
    asyncio.run(live_until_killed(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
