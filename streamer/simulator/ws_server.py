"""The WebSocket side: one port for all exchanges, one conversation per connection, and the harm that faults do."""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from itertools import count
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from streamer.domain.instrument import Market
from streamer.simulator.catalogue import Catalogue
from streamer.simulator.conversation import Action, Close, Conversation, Lookup, Send, Subscribe, Unsubscribe
from streamer.simulator.doors import Door, converse, door_of
from streamer.simulator.faults import MOMENTARY, Fault, FaultKind
from streamer.simulator.keeping import keep
from streamer.simulator.limits import ConnectLimits
from streamer.simulator.listing import Listing
from streamer.simulator.peer import ControlledConnection, Peer
from streamer.simulator.stage import Stage

_OVERSIZED_BYTES = 2_000_000
_ABNORMAL = 1006
_MAX_FRAME = 1 << 20


class Streams(Protocol):
    """Who sends candles to peers: the invented market's publisher, or the player of a recording."""

    def subscribe(self, peer: Peer, wanted: Subscribe) -> None:
        """Send this series from now on."""
        ...

    def unsubscribe(self, peer: Peer, topic: str) -> None:
        """Stop sending it."""
        ...

    def forget(self, peer: Peer) -> None:
        """The peer is gone."""
        ...


class WsServer:
    """Accepts connections until it is closed."""

    def __init__(self, streams: Streams, catalogue: Catalogue, peers: set[Peer], stage: Stage) -> None:
        self._streams = streams
        self._catalogue = catalogue
        self._stage = stage
        self._peers = peers
        self._plan = stage.plan
        self._options = stage.options
        self._clock = stage.clock
        self._connects = ConnectLimits()
        self._numbers = count(1)
        self._server: Server | None = None

    async def open(self) -> int:
        """Listen; the port."""
        logger = logging.getLogger("streamer.simulator.ws")
        logger.setLevel(logging.CRITICAL)  # clients that vanish are what the simulator is for
        self._server = await serve(
            self._converse,
            self._options.host,
            self._options.ws_port,
            process_request=self._admit,
            create_connection=ControlledConnection,
            compression="deflate" if self._options.compression else None,
            ping_interval=None,
            close_timeout=self._clock.real_seconds(5.0),
            max_size=_MAX_FRAME,
            max_queue=None,
            logger=logger,
        )
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def close(self) -> None:
        """Close every connection and stop listening."""
        if self._server is None:
            return
        for peer in list(self._peers):
            if peer.half_open:
                peer.reset()
        self._server.close()
        await self._server.wait_closed()

    async def strike(self) -> None:
        """Do the momentary faults' harm at its times, for ever."""
        async with asyncio.TaskGroup() as strikes:
            for fault in self._plan.faults:
                if fault.kind in MOMENTARY:
                    strikes.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        await self._clock.sleep(fault.at_s)
        while True:
            struck = [peer for peer in self._peers if fault.concerns(peer.exchange, peer.market, fault.symbol)]
            for peer in struck:
                await self._harm(fault, peer)
            if fault.kind is FaultKind.SERVER_SHUTDOWN and fault.for_s is not None:
                await self._clock.sleep(fault.for_s)
                for peer in struck:
                    await peer.connection.close(1001, "going away")
            if fault.every_s is None:
                return
            await self._clock.sleep(max(0.0, fault.every_s - (fault.for_s or 0.0)))

    async def _harm(self, fault: Fault, peer: Peer) -> None:
        if fault.kind is FaultKind.DROP or (fault.kind is FaultKind.CLOSE and fault.code == _ABNORMAL):
            peer.reset()
        elif fault.kind is FaultKind.CLOSE:
            await peer.connection.close(fault.code or 1001, "closed by the fault script")
        elif fault.kind is FaultKind.HALF_OPEN:
            peer.freeze()
        elif fault.kind is FaultKind.OVERSIZED:
            peer.send('{"stream":"' + "x" * _OVERSIZED_BYTES + '"}')
        else:
            farewell = peer.conversation.farewell(self._stage.now_ms())
            if farewell is not None:
                peer.send(farewell)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        door = door_of(urlsplit(request.path).path)
        if door is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "Not Found\n")
        refused = self._plan.active(FaultKind.HANDSHAKE_REFUSED, door.exchange, door.market)
        if refused is not None:
            return connection.respond(HTTPStatus(int(refused.code or 503)), "refused by the fault script\n")
        if self._options.enforce_limits and not self._connects.admit(door.exchange, self._clock.monotonic()):
            return connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "Too many connection attempts\n")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        request = connection.request
        door = door_of(urlsplit(request.path).path) if request is not None else None
        if request is None or door is None:
            raise AssertionError("the handshake admits known paths only")
        if self._plan.active(FaultKind.ACCEPT_THEN_CLOSE, door.exchange, door.market):
            await connection.close(1001, "closed by the fault script")
            return
        conversation = converse(
            door,
            urlsplit(request.path).query,
            self._listed(door),
            next(self._numbers),
            enforce=self._options.enforce_limits,
        )
        peer = Peer(connection, conversation, door.exchange, door.market, self._stage)
        self._peers.add(peer)
        try:
            async with asyncio.TaskGroup() as tasks:

                def control() -> None:
                    for action in conversation.control_received(self._clock.monotonic()):
                        if isinstance(action, Close):
                            tasks.create_task(connection.close(action.code, action.reason))

                if isinstance(connection, ControlledConnection):
                    connection.on_control = control
                background = (tasks.create_task(keep(peer, self._clock)), tasks.create_task(peer.send_backlog()))
                await self._listen(connection, peer, conversation)
                for task in background:
                    task.cancel()
        finally:
            self._peers.discard(peer)
            self._streams.forget(peer)

    async def _listen(self, connection: ServerConnection, peer: Peer, conversation: Conversation) -> None:
        try:
            await self._perform(peer, conversation.opened())
            async for frame in connection:
                peer.heard_at = self._clock.monotonic()
                text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                await self._perform(peer, conversation.receive(text, self._clock.monotonic()))
        except ConnectionClosed:
            return
        finally:
            if isinstance(connection, ControlledConnection):
                connection.on_control = None

    async def _perform(self, peer: Peer, actions: Sequence[Action]) -> None:
        mute = self._plan.active(FaultKind.NO_ACK, peer.exchange, peer.market)
        for action in actions:
            match action:
                case Send():
                    if not (mute and action.confirms):
                        peer.send(action.text)
                case Subscribe():
                    listing = action.listing
                    if not self._plan.active(
                        FaultKind.ACK_THEN_SILENCE, listing.exchange, listing.market, listing.native
                    ):
                        self._streams.subscribe(peer, action)
                case Unsubscribe():
                    self._streams.unsubscribe(peer, action.topic)
                case Close():
                    await peer.connection.close(action.code, action.reason)

    def _listed(self, door: Door) -> Lookup:
        """The listings that this connection's exchange knows, without those that a fault refuses."""

        def lookup(market: Market, native: str) -> Listing | None:
            if self._plan.active(FaultKind.REFUSE_SYMBOL, door.exchange, market, native):
                return None
            return self._catalogue.find(door.exchange, market, native, self._stage.now_ms())

        return lookup
