"""The whole: three exchanges on two ports of the loopback, put together from their parts."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from streamer.domain.errors import StartError
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.answering import Asked, RestSide
from streamer.simulator.binance_archive import BinanceArchive
from streamer.simulator.binance_rest import BinanceRest
from streamer.simulator.bybit_rest import BybitRest
from streamer.simulator.catalogue import invent
from streamer.simulator.faults import FaultPlan
from streamer.simulator.faulty_tape import FaultyTape
from streamer.simulator.ledger import Ledger, Published, published
from streamer.simulator.okx_rest import OkxRest
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.peer import Peer
from streamer.simulator.player import Player, RecordedTape, ReplayTime
from streamer.simulator.publisher import Publisher
from streamer.simulator.recording import read_recording
from streamer.simulator.rest_server import RestServer
from streamer.simulator.stage import Stage
from streamer.simulator.tape import InventedTape, Tape
from streamer.simulator.ws_server import WsServer
from streamer.timing.clock import Clock

Urls = Mapping[str, Mapping[str, Mapping[str, str]]]


class Simulator:
    """An asynchronous context: the exchanges listen inside it. ``urls`` are the bases by exchange and market.

    ``archive_urls`` are the bases of archives by exchange.
    """

    def __init__(self, options: SimulatorOptions, clock: Clock) -> None:
        """Put the parts together.

        Raises:
            ConfigurationError: the recording to replay cannot be read.
        """
        self._options = options
        self._stack = AsyncExitStack()
        self._ledger = Ledger()
        started_at = clock.monotonic()
        plan = FaultPlan(options.faults, lambda: clock.monotonic() - started_at)
        peers: set[Peer] = set()
        self._tape: Tape
        self._streams: Publisher | Player
        if options.replay is None:
            stage = Stage(options, clock, plan, lambda: clock.time() + options.clock_offset_s)
            self._tape = InventedTape(invent(options, stage.now_ms()))
            self._streams = Publisher(self._tape, self._ledger, stage)
        else:
            recording = read_recording(options.replay)
            time = ReplayTime(recording.start_s, clock)
            stage = Stage(options, clock, plan, time.time)
            self._tape = RecordedTape(recording)
            self._streams = Player(recording, time, self._ledger, peers, clock)
        self._stage = stage
        self._ws = WsServer(self._streams, self._tape.catalogue, peers, stage)
        shown = FaultyTape(self._tape, plan)
        sides: dict[str, RestSide] = {
            "binance": BinanceRest(shown, options.weights),
            "bybit": BybitRest(shown),
            "okx": OkxRest(shown),
        }
        self._rest = RestServer(sides, BinanceArchive(self._tape, plan), stage)
        self.urls: Urls = {}
        self.archive_urls: Mapping[str, str] = {}

    @property
    def rest_statuses(self) -> Mapping[tuple[str, int], int]:
        """How many REST answers each exchange gave of each HTTP status."""
        counted: Counter[tuple[str, int]] = Counter()
        for (exchange, _, status), count in self._rest.answered.items():
            counted[exchange, status] += count
        return counted

    def now_ms(self) -> int:
        """The exchanges' time in Unix milliseconds."""
        return self._stage.now_ms()

    @property
    def answered(self) -> Mapping[tuple[str, str, int], int]:
        """How many REST requests were answered so far, by exchange, last part of the path, and status."""
        return self._rest.answered

    @property
    def asked(self) -> Sequence[Asked]:
        """The last REST requests as they came, a few hundred thousand at most."""
        return self._rest.asked

    async def __aenter__(self) -> Self:
        """Listen and begin to publish; ``urls`` is known from here on.

        Raises:
            StartError: a port cannot be had.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._rest.close)
            stack.push_async_callback(self._ws.close)
            try:
                rest_port, ws_port = await self._rest.open(), await self._ws.open()
            except OSError as error:
                raise StartError(f"the simulator cannot listen on {self._options.host}: {error}") from None
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            background = (tasks.create_task(self._streams.run()), tasks.create_task(self._ws.strike()))
            for task in background:
                stack.callback(task.cancel)
            self._stack = stack.pop_all()
        rest = f"http://{self._options.host}:{rest_port}"
        self.urls = _urls(f"ws://{self._options.host}:{ws_port}", rest)
        self.archive_urls = {"binance": f"{rest}/binance"}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection and both ports."""
        await self._stack.__aexit__(kind, error, traceback)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Return when ``stop`` is set; cancelling loses nothing."""
        await stop.wait()

    def published(
        self, exchange: str, market: Market, native_symbol: str, interval: Interval, span: Span
    ) -> list[Published]:
        """The truth: the closed candles that the exchange published in ``span``, oldest first.

        Raises:
            KeyError: the exchange does not list that symbol.
        """
        listing = self._tape.catalogue.by_name[exchange, market, native_symbol]
        now_ms = self.now_ms()
        rows = self._tape.rows(
            listing, interval, span.first_ms, min(span.last_ms, interval.floor_ms(now_ms) - 1), now_ms
        )
        return [
            published(listing, row, sent_closed=self._ledger.was_sent(listing, interval, row.open_ms)) for row in rows
        ]


def _urls(ws: str, rest: str) -> Urls:
    markets = [market.value for market in Market]
    binance = {
        market: {
            "ws": f"{ws}/binance/{market}{'/market' if market == 'linear' else ''}",
            "rest": f"{rest}/binance/{market}",
        }
        for market in markets
    }
    others = {
        exchange: {market: {"ws": f"{ws}/{exchange}", "rest": f"{rest}/{exchange}"} for market in markets}
        for exchange in ("bybit", "okx")
    }
    return {"binance": binance, **others}
