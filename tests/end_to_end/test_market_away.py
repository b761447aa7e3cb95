"""A ban of one market's host from the start on: what is followed elsewhere starts, and the market joins afterwards."""

from dataclasses import replace
from pathlib import Path

import asyncpg

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind
from tests.end_to_end.process import command, service, until
from tests.end_to_end.world import MINUTE_MS, Followed, check_rows, rows, simulating, truth, write_settings
from tests.integration.servers import TestDatabase
from tests.slow import slow

RATE = 60.0
BAN_S = 900.0
SPOT = Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT")
PERP = Followed("binance", "BTC-USDT-PERP", Market.LINEAR, "BTCUSDT")
BAN = Fault(
    kind=FaultKind.RATE_LIMIT, exchange="binance", market=Market.SPOT, code=418, seconds=BAN_S, for_s=BAN_S - 5.0
)


async def stored(database: TestDatabase, one: Followed) -> set[int]:
    """The open times of what is stored of a series."""
    return {row.open_ms for row in await rows(database.url) if row.symbol == one.symbol}


async def test_a_banned_market_joins_when_the_ban_is_over(plain_database: TestDatabase, tmp_path: Path) -> None:
    """The perpetual is stored during the ban; nothing is asked in it; then spot is whole from the start on."""
    async with simulating(BAN, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, {"binance": ["BTC-USDT*"]}, database_url=plain_database.url, rate=RATE
        )
        begun_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            assert "418" in (await running.logged("exchange_unreachable"))["error"]

            async def goes_on() -> bool:
                return len(await stored(plain_database, PERP)) >= 5

            await until(goes_on, "the perpetual is followed")
            assert simulator.now_ms() < begun_ms + BAN_S * 1_000
            assert await stored(plain_database, SPOT) == set()
            joined = await running.logged("listings_changed", 60.0, joined=1)
            assert joined["exchange"] == "binance"

            async def whole() -> bool:
                have = await stored(plain_database, SPOT)
                since_ms = min(await stored(plain_database, PERP))
                return have >= set(range(since_ms, since_ms + 20 * MINUTE_MS, MINUTE_MS))

            await until(whole, "spot is whole from the start on")
            assert len(running.log("exchange_unreachable")) == 1
            assert await running.stopped() == 0
        assert sum(count for (_, _, status), count in simulator.answered.items() if status == 418) == 1
        check_rows(
            [row for row in await rows(plain_database.url) if row.symbol in {SPOT.symbol, PERP.symbol}],
            truth(simulator, (SPOT, PERP)),
        )


@slow
async def test_what_was_followed_before_a_ban_is_whole_after_it(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A service that starts in the ban ends no series of the market: its mark holds, and the hole is filled."""
    ban = Fault(
        kind=FaultKind.RATE_LIMIT, exchange="binance", market=Market.SPOT, code=418,
        at_s=300.0, seconds=BAN_S, for_s=BAN_S - 5.0,
    )  # fmt: skip
    async with simulating(ban, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, {"binance": ["BTC-USDT*"]}, database_url=plain_database.url, rate=RATE
        )
        begun_ms = simulator.now_ms()
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()

            async def followed() -> set[int]:
                return await stored(plain_database, SPOT)

            await until(followed, "spot is followed")
            assert await running.stopped() == 0
        await until(lambda: simulator.now_ms() > begun_ms + 310_000, "the ban has begun")
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("listings_changed", 60.0, joined=1)

            async def whole() -> bool:
                have = await stored(plain_database, SPOT)
                return have >= set(range(min(have), begun_ms + int(BAN_S) * 1_000, MINUTE_MS))

            await until(whole, "no minute is missing")
            connection = await asyncpg.connect(plain_database.url)
            try:
                closed = await connection.fetchval("select count(*) from instruments where status = 'closed'")
            finally:
                await connection.close()
            assert closed == 0
            assert await running.stopped() == 0


@slow
async def test_what_joins_after_a_ban_goes_on_where_a_backfill_ended(
    plain_database: TestDatabase, tmp_path: Path
) -> None:
    """As it does without the ban: the ten minutes between the backfill and the service are filled."""
    ban = replace(BAN, at_s=300.0)
    async with simulating(ban, rate=RATE) as simulator:
        config = write_settings(
            tmp_path, simulator.urls, {"binance": ["BTC-USDT*"]}, database_url=plain_database.url, rate=RATE
        )
        begun_ms = simulator.now_ms()
        brought = await command("backfill", "--config", config, "--latest", "20", folder=tmp_path)
        assert brought.code == 0, brought.errors
        await until(lambda: simulator.now_ms() > begun_ms + 600_000, "the ban has begun, and minutes are missing")
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.logged("listings_changed", 60.0, joined=1)

            async def whole() -> bool:
                have = await stored(plain_database, SPOT)
                return have >= set(range(min(have), begun_ms // MINUTE_MS * MINUTE_MS + 1_200_000, MINUTE_MS))

            await until(whole, "no minute is missing")
            assert await running.stopped() == 0
