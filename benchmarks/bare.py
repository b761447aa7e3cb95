"""The limit: a process that receives frames with ``websockets`` alone and counts them. It knows nothing of candles.

Standard input: one line of JSON says what to connect to; each further line is answered with the number of frames so
far; its end ends the process. ``--as-streamer`` takes the service's options and leaves frames as bytes; otherwise the
options are the library's own, but for compression and keepalive, which the simulator and the service do without.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

MAX_SIZE = 64 * 2**20  # the service's, for either way
_AS_STREAMER: dict[str, Any] = {"max_queue": 1_024}


class Count:
    """Frames received by the whole process."""

    def __init__(self) -> None:
        self.frames = 0


async def receive_texts(connection: ClientConnection, count: Count) -> None:
    """What a plain program does: text frames, one after another, for ever."""
    async for _ in connection:
        count.frames += 1


async def receive_bytes(connection: ClientConnection, count: Count) -> None:
    """The same without decoding UTF-8."""
    while True:
        await connection.recv(decode=False)
        count.frames += 1


async def _receive(plan: dict[str, Any], count: Count, *, as_streamer: bool) -> None:
    await asyncio.sleep(plan["after_s"])
    options = _AS_STREAMER if as_streamer else {}
    async with connect(plan["url"], compression=None, ping_interval=None, max_size=MAX_SIZE, **options) as connection:
        subscribing = asyncio.create_task(_subscribe(connection, plan["messages"], plan["spacing_s"]))
        await (receive_bytes if as_streamer else receive_texts)(connection, count)
        await subscribing


async def _subscribe(connection: ClientConnection, messages: Sequence[str], spacing_s: float) -> None:
    for message in messages:
        await connection.send(message)
        await asyncio.sleep(spacing_s)


async def _run(*, as_streamer: bool) -> None:
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plans = json.loads(await lines.readline())
    count = Count()
    tasks = [asyncio.create_task(_receive(plan, count, as_streamer=as_streamer)) for plan in plans]
    while await lines.readline():
        for task in tasks:
            if task.done():
                task.result()
        print(count.frames, flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-streamer", action="store_true")
    parser.add_argument("--uvloop", action="store_true")
    chosen = parser.parse_args()
    if chosen.uvloop:
        import uvloop

        uvloop.run(_run(as_streamer=chosen.as_streamer))
    else:
        asyncio.run(_run(as_streamer=chosen.as_streamer))
