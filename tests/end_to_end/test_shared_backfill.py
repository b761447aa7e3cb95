"""Backfills beside each other, and beside a service: what the exchange allows is divided, a ban is everybody's."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from streamer.domain.instrument import Market
from streamer.domain.interval import from_ms
from streamer.simulator.answering import Asked
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.simulator import Simulator
from tests.end_to_end.process import service, until
from tests.end_to_end.world import MINUTE_MS, Followed, minute_s, rows, sent, simulating, write_settings
from tests.integration.servers import TestDatabase
from tests.slow import slow

FUTURES = "binance futures"
SHARE = 0.05
TOTAL = 120  # of the weight of a minute
HOUR = ("--interval", "1m", "--interval", "3m", "--interval", "5m")  # candles of an hour are a request each
CANDLES = 60 + 20 + 12
LIVE = Followed("binance", "BTC-USDT-PERP", Market.LINEAR, "BTCUSDT")


def names(first: int, last: int) -> list[str]:
    """Symbols that the simulator invents."""
    return [f"X{number:04d}-USDT-PERP" for number in range(first, last)]


def backfill(config: Path, exchange: str, symbols: Sequence[str], since: str) -> tuple[str | Path, ...]:
    """The verb for an hour of these symbols."""
    span = ("--since", f"{since}T00:00", "--until", f"{since}T01:00")
    return ("backfill", "--config", config, "--exchange", exchange, "--symbols", ",".join(symbols), *HOUR, *span)


def yesterday(simulator: Simulator) -> str:
    """A day that is over, as the exchange sees it."""
    return from_ms(simulator.now_ms() - 36 * 60 * MINUTE_MS).date().isoformat()


def of_pool(simulator: Simulator, pool: str = FUTURES) -> list[Asked]:
    """What was asked out of one pool."""
    return [one for one in simulator.asked if one.pool == pool]


def is_asked(simulator: Simulator, symbols: Sequence[str]) -> bool:
    """Whether candles of any of these were asked for."""
    natives = {symbol.replace("-PERP", "").replace("-", "") for symbol in symbols}
    return not natives.isdisjoint(one.symbol for one in simulator.asked)


def by_minute(asked: Sequence[Asked]) -> Counter[int]:
    """The weight of each minute of the exchange."""
    spent: Counter[int] = Counter()
    for one in asked:
        spent[one.at_ms // MINUTE_MS] += one.weight
    return spent


async def all_stored(database: TestDatabase, symbols: Sequence[str]) -> bool:
    """Whether every candle of the hour is there for each of them."""
    stored = Counter(row.symbol for row in await rows(database.url))
    return all(stored[symbol] == CANDLES for symbol in symbols)


@slow
async def test_two_divide_the_share_and_who_is_left_has_it_whole(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Together they spend no more than the share and nearly all of it; when one is killed, the other does."""
    mine, its = names(0, 300), names(300, 500)
    async with simulating(symbols=1_100, latency_s=0.08, rate=30.0) as simulator:
        rest = {"share": SHARE, "egress": "office"}
        config = write_settings(
            tmp_path, simulator.urls, {"binance": mine}, database_url=plain_database.url, rate=30.0, rest=rest
        )

        def minutes_of(share: float, since: int) -> list[int]:
            whole = simulator.now_ms() // MINUTE_MS
            return [
                minute
                for minute, weight in by_minute(of_pool(simulator)).items()
                if since < minute < whole and weight >= share * TOTAL
            ]

        async with (
            service(*backfill(config, "binance", mine, yesterday(simulator)), folder=tmp_path) as staying,
            service(*backfill(config, "binance", its, yesterday(simulator)), folder=tmp_path) as killed,
        ):
            await until(
                lambda: is_asked(simulator, mine) and is_asked(simulator, its),
                "both ask",
            )
            both = simulator.now_ms() // MINUTE_MS + 1
            await until(lambda: len(minutes_of(0.9, both)) >= 2, "both together spend the share")
            killed.process.kill()
            await killed.process.wait()
            alone = simulator.now_ms() // MINUTE_MS + 1
            await until(lambda: minutes_of(0.9, alone), "the other spends the share")
            assert await staying.ended(60.0) == 0
        assert max(by_minute(of_pool(simulator)).values()) <= TOTAL
        assert {one.status for one in simulator.asked} == {200}
    assert await all_stored(plain_database, mine)


def check_silence(asked: Sequence[Asked], ban_s: float) -> tuple[int, list[Asked]]:
    """Fail if anything was asked during the ban, once all had heard of it; when that began and what came afterwards."""
    banned_ms = next(one.at_ms for one in asked if one.status != 200)
    end_ms = banned_ms + int(ban_s * 1_000)
    assert not [one for one in asked if banned_ms + 8_000 < one.at_ms < end_ms]
    return banned_ms, [one for one in asked if one.at_ms >= end_ms]


@slow
async def test_after_a_ban_live_repair_goes_first(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Nothing leaves during it, of either process; then the service asks, then the backfill, and all comes."""
    symbols, ban_s, rate = names(0, 180), 70.0, 10.0  # over four minutes' worth: the ban comes in the fourth at latest
    at_s = minute_s(150.0) + 20.0
    faults = (
        Fault(kind=FaultKind.DROP, exchange="binance", at_s=at_s),
        Fault(kind=FaultKind.HANDSHAKE_REFUSED, exchange="binance", at_s=at_s, for_s=15.0),
        Fault(kind=FaultKind.RATE_LIMIT, exchange="binance", code=418, seconds=ban_s, at_s=at_s + 5.0, for_s=20.0),
    )
    async with simulating(*faults, symbols=400, latency_s=0.08, rate=rate) as simulator:
        config = write_settings(
            tmp_path,
            simulator.urls,
            {"binance": [LIVE.symbol]},
            database_url=plain_database.url,
            rate=rate,
            rest={"share": SHARE, "egress": "office"},
        )
        async with service("run", "--config", config, folder=tmp_path) as running:
            await running.ready()
            async with service(*backfill(config, "binance", symbols, yesterday(simulator)), folder=tmp_path) as filling:
                assert await filling.ended(90.0) == 0
            _, after = check_silence(of_pool(simulator), ban_s)
            assert after[0].symbol == LIVE.native
            await until(lambda: is_whole(simulator, plain_database), "the service has repaired what it missed")
            assert await running.stopped() == 0
    assert await all_stored(plain_database, symbols)


async def is_whole(simulator: Simulator, database: TestDatabase) -> bool:
    """Whether all that the service was owed is stored."""
    return not sent(simulator, [LIVE]) - {row.key for row in await rows(database.url)}


@slow
async def test_a_backfill_outlasts_a_ban_of_bybit(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Ten minutes at least, in which nothing is asked."""
    symbols, rate = names(0, 160), 60.0
    fault = Fault(kind=FaultKind.RATE_LIMIT, exchange="bybit", at_s=480.0, for_s=30.0)
    async with simulating(fault, symbols=400, rate=rate) as simulator:
        config = write_settings(
            tmp_path,
            simulator.urls,
            {"bybit": symbols},
            database_url=plain_database.url,
            rate=rate,
            rest={"share": 0.006},
        )
        async with service(*backfill(config, "bybit", symbols, yesterday(simulator)), folder=tmp_path) as filling:
            assert await filling.ended(90.0) == 0
        check_silence(of_pool(simulator, "bybit"), 600.0)
    assert await all_stored(plain_database, symbols)
