"""How the server looks after a connection: its pings, its patience, the longest life it grants."""

import asyncio

from websockets.exceptions import ConnectionClosed

from streamer.simulator.peer import Peer
from streamer.timing.clock import Clock


async def keep(peer: Peer, clock: Clock) -> None:
    """Ping, and close what is idle or too old; returns when there is nothing left to look after."""
    care = peer.conversation.care
    async with asyncio.TaskGroup() as tasks:
        if care.ping_s is not None:
            tasks.create_task(_ping(peer, clock, care.ping_s, care.pong_s))
        if care.idle_s is not None:
            tasks.create_task(_watch(peer, clock, care.idle_s))
        if care.lifetime_s is not None:
            tasks.create_task(_cut(peer, clock, care.lifetime_s))


async def _ping(peer: Peer, clock: Clock, every_s: float, pong_s: float) -> None:
    while True:
        await clock.sleep(every_s)
        if peer.half_open:
            return
        try:
            answered = await peer.connection.ping()
            async with clock.timeout_at(clock.monotonic() + pong_s):
                await answered
        except TimeoutError:
            peer.reset()
            return
        except ConnectionClosed:
            return


async def _watch(peer: Peer, clock: Clock, idle_s: float) -> None:
    while True:
        left_s = peer.heard_at + idle_s - clock.monotonic()
        if peer.half_open:
            return
        if left_s <= 0:
            await peer.connection.close(*peer.conversation.care.idle_close)
            return
        await clock.sleep(left_s)


async def _cut(peer: Peer, clock: Clock, lifetime_s: float) -> None:
    await clock.sleep(lifetime_s)
    peer.reset()
