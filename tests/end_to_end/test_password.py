"""A password is changed under a running service, as docs/operating.md describes it."""

from collections.abc import Callable
from pathlib import Path

import asyncpg

from streamer.domain.instrument import Market
from tests.end_to_end.process import service, until
from tests.end_to_end.world import (
    MINUTE_MS,
    Followed,
    check_rows,
    quiet,
    rows,
    sent,
    simulating,
    truth,
    write_settings,
)
from tests.integration.roles import PASSWORD, as_role, set_passwords
from tests.integration.servers import TestDatabase

RATE = 60.0
SERIES = [Followed("binance", "BTC-USDT", Market.SPOT, "BTCUSDT")]


async def test_a_new_password_costs_no_candle(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Open connections go on; new ones are refused and candles wait; a start with the new URL stores them all."""
    admin = await asyncpg.connect(plain_database.url, timeout=10)
    try:
        async with simulating(rate=RATE) as simulator:

            def settings(url: str) -> Path:
                symbols = {"binance": ["BTC-USDT"]}
                return write_settings(tmp_path, simulator.urls, symbols, database_url=url, rate=RATE)

            async def passes(minutes: int) -> None:
                begun_ms = simulator.now_ms()
                over: Callable[[], bool] = lambda: simulator.now_ms() - begun_ms > minutes * MINUTE_MS  # noqa: E731
                await until(over, f"{minutes} minutes pass")

            async with service("run", "--config", settings(plain_database.url), folder=tmp_path) as first:
                await first.ready()  # as the administrator, who makes the roles
                assert await first.stopped() == 0
            await set_passwords(admin)
            old = as_role(plain_database, "streamer")
            async with service("run", "--config", settings(old), folder=tmp_path) as running:
                await running.ready()
                await admin.execute("alter role streamer password 'another'")
                await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'streamer'")
                await passes(3)

                async def is_said() -> bool:
                    return any("password" in reason for reason in await running.reasons())

                await until(is_said, "the reason is said")
                await quiet(simulator)
                await running.stopped()
            new = old.replace(PASSWORD, "another")
            async with service("run", "--config", settings(new), folder=tmp_path) as again:
                await again.ready()

                async def everything() -> bool:
                    stored = {row.key for row in await rows(plain_database.url)}
                    return sent(simulator, SERIES) <= stored

                await until(everything, "all that was sent is stored")
                assert await again.stopped() == 0
            check_rows(await rows(plain_database.url), truth(simulator, SERIES))
    finally:
        await admin.close()
