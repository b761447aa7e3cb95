"""The limit: a process that receives frames with ``websockets`` alone and counts them. It knows nothing of candles.

Standard input: one line of JSON says what to connect to; each further line is answered with the number of frames so
far; its end ends the process.

As a plain author writes it, it takes text frames and the library's own options, but for compression and keepalive,
which the service and the simulator do without. ``--tuned`` is the harder rival: bytes, the service's queue, and a warm
allocator.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

_MAX_SIZE = 64 * 2**20  # the service's
_QUEUE_FRAMES = 1_024  # the service's


class Count:
    """Frames received by the whole process."""

    def __init__(self) -> None:
        self.frames = 0


async def receive_texts(connection: ClientConnection, count: Count) -> None:
    """Count text frames, for ever."""
    async for _ in connection:
        count.frames += 1


async def receive_bytes(connection: ClientConnection, count: Count) -> None:
    """Count frames without decoding UTF-8, for ever."""
    while True:
        await connection.recv(decode=False)
        count.frames += 1


def warm_allocator() -> None:
    """Teach glibc to keep buffers of 256 KiB, which asyncio asks for before each read.

    Until a larger block was freed once, glibc maps and unmaps such a buffer each time, a third of this loop's CPU. A
    process that ever held a larger answer, as the service does with its first instrument list, is past that.
    """
    del [bytes(2**20)][0]


async def _receive(plan: dict[str, Any], count: Count, *, tuned: bool) -> None:
    await asyncio.sleep(plan["after_s"])
    options: dict[str, Any] = {"max_queue": _QUEUE_FRAMES} if tuned else {}
    opening = connect(plan["url"], compression=None, ping_interval=None, max_size=_MAX_SIZE, **options)
    async with opening as connection, asyncio.TaskGroup() as tasks:
        tasks.create_task(_subscribe(connection, plan["messages"], plan["spacing_s"]))
        await (receive_bytes if tuned else receive_texts)(connection, count)


async def _subscribe(connection: ClientConnection, messages: Sequence[str], spacing_s: float) -> None:
    for message in messages:
        await connection.send(message)
        await asyncio.sleep(spacing_s)


async def _answer(lines: asyncio.StreamReader, count: Count, receiving: Sequence[asyncio.Task[None]]) -> None:
    while await lines.readline():
        print(count.frames, flush=True)
    for task in receiving:
        task.cancel()


async def _run(*, tuned: bool) -> None:
    if tuned:
        warm_allocator()
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plans = json.loads(await lines.readline())
    count = Count()
    async with asyncio.TaskGroup() as tasks:  # a connection that fails ends the process, and so the benchmark
        receiving = [tasks.create_task(_receive(plan, count, tuned=tuned)) for plan in plans]
        await _answer(lines, count, receiving)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuned", action="store_true")
    asyncio.run(_run(tuned=parser.parse_args().tuned))
