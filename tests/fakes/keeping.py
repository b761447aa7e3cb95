"""A followed exchange whose truth is known, the database behind it, and services that keep it complete and may die."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streamer.domain.candle import Candle, Delivery
from streamer.domain.errors import HistoryError, StoreUnavailable
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.history.asking import Asker
from streamer.history.inquiries import Kept
from streamer.history.keeper import Keeper, KeeperOptions
from streamer.history.page import PageFetcher
from streamer.history.patience import LIVELY_CANDLES, Attention
from streamer.rest.client import RestOptions
from streamer.rest.transport import RawAnswer
from streamer.store.contract import Gap, GapFilter, GapStatus
from streamer.symbols.resolve import Chosen
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.ledger import MemoryLedger
from tests.fakes.rest import answer, instrument, make_adapter, make_client

NOON = 1_699_963_200.0  # 2023-11-14T12:00:00Z
NOON_MS = int(NOON) * 1_000
MINUTE = timedelta(minutes=1)


def at(minute: float) -> datetime:
    """So many minutes after noon."""
    return from_ms(NOON_MS + int(minute * 60_000))


@dataclass
class TrueExchange:
    """Serves what it published: ``volume`` of a symbol's minute after noon, None where there is no candle."""

    clock: FakeClock
    volume: Callable[[str, int], float | None] = lambda _symbol, _minute: 3.0
    unclosed: set[int] = field(default_factory=set)  # minutes that it does not call closed
    impossible: set[int] = field(default_factory=set)  # minutes whose candles cannot be
    unplaced: bool = False  # nor can be told when they opened
    failure: Callable[[str], HistoryError | None] = lambda _symbol: None
    most_rows: int | None = None  # it answers no more, and never more than asked for
    keeps_oldest: bool = False  # of more than that; else the newest
    held: asyncio.Event | None = None  # until it is set, nothing is answered
    asked: list[tuple[str, int, int]] = field(default_factory=list)  # symbol, first and last minute
    asked_at: list[float] = field(default_factory=list)  # seconds after the beginning

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The candles of one window, the forming one included."""
        assert url.endswith("/candles")
        assert timeout_s > 0
        assert body_bytes > 0
        symbol, now_ms = params["symbol"], int(self.clock.time() * 1_000)
        first, last = (int(params[end]) // 60_000 - NOON_MS // 60_000 for end in ("first", "last"))
        self.asked.append((symbol, first, last))
        self.asked_at.append(self.clock.monotonic())
        await asyncio.sleep(0)
        if self.held is not None:
            await self.held.wait()
        if (error := self.failure(symbol)) is not None:
            raise error
        minutes = range(first, min(last, (now_ms - NOON_MS) // 60_000) + 1)
        there = [(minute, volume) for minute in minutes if (volume := self.volume(symbol, minute)) is not None]
        most = min(int(params["limit"]), self.most_rows or 1_000_000)
        there = there[:most] if self.keeps_oldest else there[-most:]
        refused = [minute for minute, _ in there if minute in self.impossible]
        return answer({
            "rows": [
                (NOON_MS + minute * 60_000, False if minute in self.unclosed else None, volume)
                for minute, volume in there
                if minute not in self.impossible
            ],
            "refused": {"price_order": len(refused)} if refused else {},
            "refused_ms": [] if self.unplaced else [NOON_MS + minute * 60_000 for minute in refused],
        })  # fmt: skip


class Service:
    """One process over the world's database: what it knows dies with it."""

    def __init__(self, world: "KeptWorld", options: KeeperOptions | None = None) -> None:
        self._world = world
        started_ms = world.server_time.now_ms()
        self.attention = {series: Attention(started_ms) for series in world.chosen}
        self.shown: list[tuple[str, list[int]]] = []
        self.waiting: list[Delivery] = []  # fetched, and not stored yet
        self.backlog = False
        adapter = make_adapter(page_rows=world.page_rows)
        client = make_client(
            adapter,
            world.exchange,
            world.facts.recorder,
            clock=world.clock,
            server_time=world.server_time,
            options=RestOptions(attempts=1),
        )
        self.fetcher = PageFetcher(
            client=client,
            adapter=adapter,
            clock=world.clock,
            server_time=world.server_time,
            deliver=self._deliver,
            recorder=world.facts.recorder,
        )
        self.pace = Pace(world.spacing_s, world.clock)
        self._keeper = Keeper(
            Kept(exchange="test", chosen=world.chosen, attention=self.attention),
            asker=Asker(fetcher=self.fetcher, server_time=world.server_time),
            ledger=world.ledger,
            pace=self.pace,
            backlog=lambda: self.backlog,
            shown=self._show,
            clock=world.clock,
            server_time=world.server_time,
            recorder=world.facts.recorder,
            options=options,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, since: float = -10.0) -> "Service":
        """Keep, new series from so many minutes after noon."""
        self._task = asyncio.create_task(self._keeper.run(dict.fromkeys(self._world.chosen, at(since))))
        await self._world.clock.settle()
        return self

    async def end(self) -> None:
        """The process is gone, and what it had not stored with it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.waiting.clear()

    def connect(self, *symbols: str) -> None:
        """These series, or all, are delivered from now on."""
        for series in self._named(symbols):
            self.attention[series].settled(self._world.server_time.now_ms())

    def disconnect(self, *symbols: str) -> None:
        """The connection of these series, or of all, ended."""
        for series in self._named(symbols):
            self.attention[series].broken(self._world.server_time.now_ms())

    def trade(self, *symbols: str) -> None:
        """These series, or all, traded in each of their last ten candles."""
        for series in self._named(symbols):
            self.attention[series].remember([True] * LIVELY_CANDLES)

    def stream(self, minute: int, *symbols: str) -> None:
        """The closing frames of a minute came, and were stored."""
        for series in self._named(symbols):
            self._world.stored[series].add(at(minute))
            volume = self._world.exchange.volume(series.symbol.replace("-", ""), minute)
            self.attention[series].heard(traded=bool(volume))

    def flush(self) -> None:
        """What was fetched reaches the database."""
        for one in self.waiting:
            self._world.stored[one.candle.series].add(one.candle.open_time)
        self.waiting.clear()

    def _named(self, symbols: Sequence[str]) -> list[Series]:
        return [one for one in self._world.chosen if not symbols or one.symbol.split("-")[0] in symbols]

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.waiting += deliveries
        self._world.fetched += [(one.candle.series.symbol, minute_of(one.candle.open_time)) for one in deliveries]
        if not self._world.slow_store:
            self.flush()

    def _show(self, series: Series, candles: Sequence[Candle]) -> None:
        self.shown.append((series.symbol, [minute_of(candle.open_time) for candle in candles]))


class KeptWorld:
    """Series at one minute, noon being the beginning, unless told otherwise."""

    def __init__(self, *bases: str, start_minute: float = 0.0, page_rows: int = 100, spacing_s: float = 0.25) -> None:
        self.clock = FakeClock(NOON + start_minute * 60)
        self.server_time = ServerTime(self.clock)
        self.server_time.known = True
        self.facts = Facts()
        self.exchange = TrueExchange(self.clock)
        chosen = [Chosen(instrument(base), Interval.M1) for base in bases or ("BTC",)]
        self.chosen = {one.series: one for one in chosen}
        self.page_rows = page_rows
        self.spacing_s = spacing_s
        self.slow_store = False
        self.stored: dict[Series, set[datetime]] = {series: set() for series in self.chosen}
        self.fetched: list[tuple[str, int]] = []
        self.ledger = MemoryLedger(lambda series, time: time in self.stored[series], self.stored.__getitem__)

    def service(self, options: KeeperOptions | None = None) -> Service:
        """A process that is not started yet."""
        return Service(self, options)

    @property
    def minute(self) -> float:
        """Minutes since noon."""
        return (self.clock.time() - NOON) / 60

    async def go_to(self, minute: float) -> None:
        """Let time pass."""
        await self.clock.advance(NOON + minute * 60 - self.clock.time())

    def series(self, base: str = "BTC") -> Series:
        """One of the series."""
        [series] = [one for one in self.chosen if one.symbol.startswith(f"{base}-")]
        return series

    def store(self, first: int, last: int, *bases: str) -> None:
        """These minutes are stored already."""
        for series in self.chosen:
            if not bases or series.symbol.split("-")[0] in bases:
                self.stored[series] |= {at(minute) for minute in range(first, last + 1)}

    def minutes(self, base: str = "BTC") -> list[int]:
        """The minutes stored of a series, in order."""
        return sorted(map(minute_of, self.stored[self.series(base)]))

    def mark(self, base: str = "BTC") -> int:
        """The minute up to which the ledger says that a series is whole."""
        return minute_of(self.ledger.followed[self.series(base)].mark)

    def requests(self, base: str = "BTC") -> list[tuple[int, int]]:
        """First and last minute of each request for a symbol, witnesses included."""
        return [(first, last) for symbol, first, last in self.exchange.asked if symbol == f"{base}USDT"]

    async def gaps(self, status: GapStatus = GapStatus.OPEN) -> list[Gap]:
        """The listed gaps of one status; the database answers even when it is away."""
        away, self.ledger.away = self.ledger.away, None
        try:
            return await self.ledger.gaps(GapFilter(status=status), 100_000)
        finally:
            self.ledger.away = away

    async def runs(self, status: GapStatus = GapStatus.OPEN) -> list[tuple[int, int]]:
        """The listed gaps of one status as first and last minute."""
        return [(minute_of(gap.run.first_time), minute_of(gap.run.last_time)) for gap in await self.gaps(status)]

    def lose_database(self) -> None:
        """It does not answer until ``ledger.away`` is None again."""
        self.ledger.away = StoreUnavailable("away")


def minute_of(time: datetime) -> int:
    """Minutes after noon."""
    return (to_ms(time) - NOON_MS) // 60_000


def times_in(gap: Gap) -> range:
    """The minutes after noon of a gap."""
    return range(minute_of(gap.run.first_time), minute_of(gap.run.last_time) + 1)
