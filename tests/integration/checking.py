"""A simulator and a database marked as its own, for the verbs that check and repair."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

import yaml

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.settings.model import Settings
from streamer.simulator.faults import Fault
from streamer.simulator.simulator import Simulator
from streamer.store.ledger import DatabaseLedger
from streamer.store.marks import Mark, set_mark
from tests.end_to_end.world import simulating
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import OpenStore, open_store

RATE = 60.0  # a minute lasts a second
MINUTE = timedelta(minutes=1)
NATIVE = {
    Series("binance", "BTC-USDT", Interval.M1): (Market.SPOT, "BTCUSDT"),
    Series("binance", "1000PEPE-USDT-PERP", Interval.M1): (Market.LINEAR, "1000PEPEUSDT"),
    Series("bybit", "ETH-USD-PERP", Interval.M1): (Market.INVERSE, "ETHUSD"),
    Series("okx", "BTC-USDT-PERP", Interval.M1): (Market.LINEAR, "BTC-USDT-SWAP"),
}
BINANCE, PEPE, BYBIT, OKX = NATIVE


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds a command: the exchanges, the database, and settings that follow the four series."""

    simulator: Simulator
    store: OpenStore
    settings: Settings

    @property
    def ledger(self) -> DatabaseLedger:
        """The ledger over the same database."""
        return DatabaseLedger(self.store.pool)

    def settled_ms(self) -> int:
        """An open time whose candle ended some minutes ago."""
        return Interval.M1.floor_ms(self.simulator.now_ms()) - 5 * 60_000

    def published(self, series: Series, first_ms: int, last_ms: int) -> list[Candle]:
        """The truth about the candles of ``series`` that open from ``first_ms`` to ``last_ms``."""
        market, native = NATIVE[series]
        rows = self.simulator.published(series.exchange, market, native, series.interval, Span(first_ms, last_ms))
        return [Candle(series, from_ms(row.open_ms), *astuple(row)[1:10]) for row in rows]

    async def write(self, candles: Sequence[Candle], source: Source = Source.WS) -> None:
        """Store candles."""
        await self.store.writer.write([Delivery(one, source, one.open_time + MINUTE) for one in candles])

    async def stored(self, series: Series, first_ms: int, last_ms: int) -> list[Candle]:
        """What is stored of the same candles."""
        return await self.store.reader.candles(series, from_ms(first_ms), from_ms(last_ms) + MINUTE, 100_000)

    def settings_file(self, folder: Path) -> Path:
        """The same settings, for a process."""
        path = folder / "settings.yaml"
        path.write_text(yaml.safe_dump(self.settings.model_dump(mode="json", exclude_unset=True)))
        return path

    async def fill(self, minutes: int) -> tuple[int, int]:
        """Store the truth about every series, as the streams would; the first and the last open time."""
        last_ms = self.settled_ms()
        first_ms = last_ms - (minutes - 1) * 60_000
        for series in NATIVE:
            await self.write(self.published(series, first_ms, last_ms))
        return first_ms, last_ms


@asynccontextmanager
async def checked_world(
    database: TestDatabase, *faults: Fault, history_days: int = 2, latency_s: float = 0.0, rate: float = RATE
) -> AsyncIterator[World]:
    """A world in which the simulator plays ``faults``."""
    async with (
        open_store(database) as store,
        simulating(
            *faults, rate=rate, forming_every_s=0.0, history_days=history_days, latency_s=latency_s
        ) as simulator,
    ):
        await set_mark(store.pool, Mark.SIMULATED)
        exchanges = {
            name: {"symbols": [one.symbol for one in NATIVE if one.exchange == name], "urls": urls}
            for name, urls in simulator.urls.items()
        }
        settings = Settings.model_validate(
            {"database_url": database.url, "clock_rate": rate, "rest": {"share": 1.0}, "exchanges": exchanges}
        )
        yield World(simulator, store, settings)


def minute_ms(candle: Candle) -> int:
    """The open time in Unix milliseconds."""
    return to_ms(candle.open_time)
