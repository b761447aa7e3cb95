"""Files against REST, over real sockets: the same candles row by row, and what files lack comes from REST."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple
from datetime import UTC, datetime
from random import Random

import pytest

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.gaps import Span, windows
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.exchanges.binance import BINANCE
from streamer.history.archive import ArchiveFetcher
from streamer.history.archive_report import ArchiveReport, Left, Why
from streamer.history.page import PageFetcher
from streamer.rest.archive import ArchiveClient
from streamer.rest.client import RestClient
from streamer.rest.session import make_session
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.symbols.load import load_registry
from streamer.symbols.resolve import Chosen, resolve
from streamer.timing.clock import SystemClock
from streamer.timing.server_time import ServerTime
from tests.fakes.facts import Facts

NOW = datetime(2025, 2, 10, 12, tzinfo=UTC)  # by the exchange's clock: two months after its listings
MARKETS = {"BTC-USDT": Market.SPOT, "1000PEPE-USDT-PERP": Market.LINEAR, "BTC-USD-PERP": Market.INVERSE}

THIN, CHINESE = "POWR-USDT", "币安人生-USDT"


class World:
    """Binance as simulated, asked for files and over REST; what comes is kept by source."""

    def __init__(self, simulator: Simulator, files: ArchiveFetcher, pages: PageFetcher, facts: Facts) -> None:
        self.simulator = simulator
        self.files = files
        self.pages = pages
        self.facts = facts
        self.delivered: list[Delivery] = []
        self.chosen: dict[str, Chosen] = {}

    def brought(self, source: Source) -> list[Candle]:
        """The candles from files, or over REST, in the order of delivery."""
        return [one.candle for one in self.delivered if one.source is source]

    async def over_rest(self, chosen: Chosen, spans: Sequence[Span]) -> None:
        """Ask REST for ``spans``."""
        for span in spans:
            for window in windows(chosen.interval, span, self.pages.page_rows(chosen)):
                await self.pages.fetch(chosen, window)

    def published(self, chosen: Chosen, span: Span) -> list[Candle]:
        """The truth."""
        item = chosen.instrument
        rows = self.simulator.published("binance", item.market, item.native_symbol, chosen.interval, span)
        return [Candle(chosen.series, from_ms(row.open_ms), *astuple(row)[1:10]) for row in rows]


@asynccontextmanager
async def world(interval: Interval, *faults: Fault) -> AsyncIterator[World]:
    """A world whose exchange believes that it is ``NOW``."""
    clock, facts = SystemClock(), Facts()
    options = SimulatorOptions(
        faults=faults,
        history_days=70,
        clock_offset_s=NOW.timestamp() - time.time(),
        enforce_limits=False,
        forming_every_s=0.0,
    )
    async with Simulator(options, clock) as simulator, make_session(["http://127.0.0.1"]) as session:
        server_time = ServerTime(clock)
        random = Random(1)  # noqa: S311 - jitter, not a secret
        client = RestClient(
            adapter=BINANCE,
            session=session,
            clock=clock,
            server_time=server_time,
            recorder=facts.recorder,
            random=random,
            bases={Market(name): urls["rest"] for name, urls in simulator.urls["binance"].items()},
        )
        archive = ArchiveClient(
            exchange="binance",
            base=simulator.archive_urls["binance"],
            session=session,
            clock=clock,
            recorder=facts.recorder,
            random=random,
        )

        async def deliver(deliveries: Sequence[Delivery]) -> None:
            place.delivered += deliveries

        pages = PageFetcher(
            client=client,
            adapter=BINANCE,
            clock=clock,
            server_time=server_time,
            deliver=deliver,
            recorder=facts.recorder,
        )
        files = ArchiveFetcher(
            client=archive, adapter=BINANCE, server_time=server_time, deliver=deliver, recorder=facts.recorder
        )
        place = World(simulator, files, pages, facts)
        registry = await load_registry(client, BINANCE, list(BINANCE.markets), facts.recorder)
        place.chosen = {one.series.symbol: one for one in resolve(registry, [*MARKETS, THIN, CHINESE], (), [interval])}
        await pages.ensure_time(next(iter(place.chosen.values())))
        yield place


def span_of(interval: Interval, since: datetime, until: datetime) -> Span:
    """The candles that open from ``since`` on and before ``until``."""
    return Span(to_ms(since), to_ms(until) - interval.milliseconds)


@pytest.mark.parametrize("symbol", MARKETS)
async def test_files_and_rest_are_the_same_candles(symbol: str) -> None:
    """Over the end of 2024, where spot changes its unit: a month, another, and the days since; volumes in our units."""
    interval = Interval.M15
    async with world(interval) as place:
        chosen = place.chosen[symbol]
        assert chosen.instrument.market is MARKETS[symbol]
        span = span_of(interval, datetime(2024, 12, 5, 6, tzinfo=UTC), datetime(2025, 2, 10, tzinfo=UTC))
        report = await place.files.fetch(chosen, span)
        young_ms = to_ms(datetime(2025, 2, 9, tzinfo=UTC))
        assert report.left == (Left(Span(young_ms, span.last_ms), Why.TOO_YOUNG),)
        assert report.files == 2 + 8
        from_files = place.brought(Source.FILE)
        await place.over_rest(chosen, [Span(span.first_ms, young_ms - interval.milliseconds)])
        assert from_files == place.brought(Source.REST)
        await place.over_rest(chosen, report.remaining)
        assert place.brought(Source.REST) == place.published(chosen, span)


async def test_a_month_of_minutes_is_taken_whole() -> None:
    """Forty-four thousand rows, zero volumes included, in order and without a hole."""
    async with world(Interval.M1) as place:
        chosen = place.chosen[THIN]
        span = span_of(Interval.M1, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
        report = await place.files.fetch(chosen, span)
        assert (report.candles, report.files, report.left) == (44_640, 1, ())
        assert place.brought(Source.FILE) == place.published(chosen, span)
        assert 1_000 < sum(candle.volume == 0 for candle in place.brought(Source.FILE)) < 44_000


async def test_before_the_listing_is_left_for_rest() -> None:
    """The file of the month of listing begins late, before it there is none; a name in Chinese is no hindrance."""
    async with world(Interval.H1) as place:
        chosen = place.chosen[CHINESE]
        span = span_of(Interval.H1, datetime(2024, 10, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
        report = await place.files.fetch(chosen, span)
        assert [one.reason for one in report.left] == [Why.NOT_PUBLISHED, Why.NOT_IN_FILE]
        [remaining] = report.remaining
        assert place.brought(Source.FILE) == place.published(chosen, span)
        assert place.published(chosen, remaining) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(FaultKind.ARCHIVE_DAMAGED, Why.CHECKSUM_FAILED), (FaultKind.ARCHIVE_MISSING, Why.NOT_PUBLISHED)],
)
async def test_bad_files_cost_no_candle(kind: FaultKind, reason: Why) -> None:
    """Nothing of them is delivered, and REST brings the span that they leave."""
    async with world(Interval.H1, Fault(kind=kind, market=Market.SPOT, symbol="BTC*")) as place:
        spans = span_of(Interval.H1, datetime(2024, 12, 10, tzinfo=UTC), datetime(2025, 2, 8, tzinfo=UTC))
        reports: dict[str, ArchiveReport] = {}
        for symbol in MARKETS:
            reports[symbol] = await place.files.fetch(place.chosen[symbol], spans)
        assert reports["BTC-USDT"].left == (Left(spans, reason),)
        assert reports["BTC-USD-PERP"].left == ()
        assert {one.series.symbol for one in place.brought(Source.FILE)} == MARKETS.keys() - {"BTC-USDT"}
        await place.over_rest(place.chosen["BTC-USDT"], reports["BTC-USDT"].remaining)
        assert place.brought(Source.REST) == place.published(place.chosen["BTC-USDT"], spans)
