"""The database's disk is full while a backfill brings candles: it waits, then says so, and the next run goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import orjson

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms
from streamer.simulator.simulator import Simulator
from tests.end_to_end.ailing import Store
from tests.end_to_end.places import Disk
from tests.end_to_end.process import command, service, until
from tests.end_to_end.test_places import placed
from tests.end_to_end.troubles import Place
from tests.end_to_end.world import MINUTE_MS, Followed, check_rows, rows, simulating, truth, write_settings
from tests.integration.servers import data_folder

RATE = 6.0  # the two minutes that a backfill waits at most are twenty seconds
PATIENCE_S = 90.0
BITCOIN = Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT")
CANDLES = 80_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A backfill to be run, the database that it fills, and the disk under that."""

    simulator: Simulator
    store: Store
    disk: Disk
    arguments: tuple[str | Path, ...]
    span: Span

    async def stored(self) -> int:
        """How many candles are stored; none while there is no table."""
        connection = await asyncpg.connect(self.store.url, timeout=30)
        try:
            if await connection.fetchval("select to_regclass('klines')") is None:
                return 0
            return int(await connection.fetchval("select count(*) from klines"))
        finally:
            await connection.close()

    async def partly(self) -> bool:
        """Whether something is stored."""
        return await self.stored() > 0

    async def check_whole(self) -> None:
        """Fail unless every published candle of the span is a row, and nothing else is."""
        published = truth(self.simulator, [BITCOIN], self.span)
        stored = await rows(self.store.url)
        check_rows(stored, published)
        assert {row.key for row in stored} == published.keys()
        assert len(stored) == CANDLES


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """The simulator with the history, and an empty database on a small disk."""
    with data_folder() as data:  # below a folder that the account of the database may enter
        async with (
            placed(data.parent, Place.STORE_DISK) as place,
            simulating(rate=RATE, history_days=120, latency_s=0.5, forming_every_s=0.0) as simulator,
        ):
            assert place.store_disk is not None
            store = Store(place.store_disk.folder)
            await store.start()
            try:
                yield _scene(simulator, store, place.store_disk)
            finally:
                place.store_disk.free()
                await store.revive()
                await store.end()


def _scene(simulator: Simulator, store: Store, disk: Disk) -> Scene:
    config = write_settings(
        disk.folder.parent, simulator.urls, {"binance": ["BTC-USDT"]}, database_url=store.url, rate=RATE
    )
    last_ms = Interval.M1.floor_ms(simulator.now_ms()) - 10 * MINUTE_MS
    first_ms = last_ms - (CANDLES - 1) * MINUTE_MS
    ends = ("--since", from_ms(first_ms).isoformat(), "--until", from_ms(last_ms + MINUTE_MS).isoformat())
    return Scene(simulator, store, disk, ("backfill", "--config", config, *ends), Span(first_ms, last_ms))


async def test_a_full_disk_ends_a_backfill_in_a_sentence(tmp_path: Path) -> None:
    """Exit 1 after a while, in the server's words and with what comes next; with room again a second run does so."""
    async with scene() as it:
        async with service(*it.arguments, folder=tmp_path) as running:
            await until(it.partly, "a part of it is stored", PATIENCE_S)
            it.disk.fill()
            assert await running.process.wait() == 1
        sentences = [line for line in running.errors if line.startswith("streamer: ")]
        assert sentences == running.errors[-1:]
        assert "the next run brings the rest" in sentences[0]
        assert running.output == []
        it.disk.free()
        await it.store.revive()
        stored = await it.stored()
        assert 0 < stored < CANDLES
        done = await command(*it.arguments, "--json", folder=tmp_path, patience_s=90.0)
        assert done.code == 0, done.errors
        [binance] = orjson.loads(done.output)["exchanges"]
        assert binance["stored"] == CANDLES - stored
        await it.check_whole()


async def test_a_disk_that_is_full_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    """With room again in time the same run ends well, and every candle is a row."""
    async with scene() as it:
        async with service(*it.arguments, folder=tmp_path) as running:
            await until(it.partly, "a part of it is stored", PATIENCE_S)
            it.disk.fill()
            await running.logged("database_unreachable", PATIENCE_S)
            it.disk.free()
            await it.store.revive()
            assert await running.process.wait() == 0, running.errors
        await it.check_whole()
