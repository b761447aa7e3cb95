"""Every example in sql/examples answers right, on every kind of database, with the rights of a reader."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from math import log, sqrt
from statistics import stdev
from typing import Any

import pytest

from streamer.domain.candle import Candle, Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.store.contract import Finding, GapCause, GapStatus, Run
from streamer.store.ledger import DatabaseLedger
from streamer.store.statements import sql_folder
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import DAY, HOUR, MINUTE, OpenStore, open_store

FIVES = Series("okx", "FIVES-USDT", Interval.M5)  # lacks two candles of the day before yesterday
HOURS = Series("okx", "HOURS-USDT", Interval.H1)  # lacks none
EXCHANGES = ("binance", "bybit", "okx")
ABSENT, OPEN, UNKNOWN = range(100, 103), range(50, 51), range(40, 42)  # minutes ago
MINUTES = 26 * 60
LACKS = {*ABSENT, *OPEN, *UNKNOWN}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """A store with the last 26 hours of BTC-USDT on three exchanges, of which one lacks some minutes; and its rows."""

    store: OpenStore
    now: datetime
    candles: Mapping[str, list[Candle]]

    async def ask(self, name: str) -> list[Row]:
        """What the example answers, as the reading role sees it."""
        text = (sql_folder() / "examples" / f"{name}.sql").read_text(encoding="utf-8")
        async with self.store.connection.transaction(readonly=True):
            await self.store.connection.execute("set local role streamer_read")
            return [dict(row) for row in await self.store.connection.fetch(text)]

    def hours(self, exchange: str) -> dict[datetime, list[Candle]]:
        """The candles of each hour."""
        return {
            hour: list(found)
            for hour, found in groupby(self.candles[exchange], lambda one: Interval.H1.floor(one.open_time))
        }

    def hourly_returns(self, exchange: str) -> dict[datetime, float]:
        """The logarithm of the change of the close, which a trade set, over each hour that follows another."""
        closes = {
            hour: next((one.close for one in reversed(found) if one.volume > 0), found[-1].close)
            for hour, found in self.hours(exchange).items()
        }
        return {later: log(closes[later] / closes[hour]) for hour, later in pairwise(closes) if later - hour == HOUR}


def candle_of(exchange: str, open_time: datetime, ago: int, close_shift: float = 0.0) -> Candle:
    """A candle whose values depend on exchange and minute; every seventh had no trade."""
    price = 100.0 + EXCHANGES.index(exchange) + (ago * 37 % 101) / 10
    volume = 0.0 if ago % 7 == 0 else 1.0 + ago % 5
    prices = (price, price + 2, price - 2, price + 1 + close_shift)
    series = Series(exchange, "BTC-USDT", Interval.M1)
    return make_candle(series, to_ms(open_time), prices, volume, quote_volume=volume * price, trades=ago % 9)


@pytest.fixture
async def world(database: TestDatabase) -> AsyncIterator[World]:
    """Filled up to now, because examples ask for the last hours and days."""
    now = Interval.M1.floor(datetime.now(UTC))
    async with open_store(database) as store:
        candles = {
            exchange: [
                candle_of(exchange, now - ago * MINUTE, ago)
                for ago in range(MINUTES, 0, -1)
                if exchange != "binance" or ago not in LACKS
            ]
            for exchange in EXCHANGES
        }
        deliveries = [Delivery(one, Source.REST, now) for found in candles.values() for one in found]
        await store.writer.write(deliveries)
        yesterday = Interval.D1.floor(now) - 2 * DAY + 12 * HOUR
        old = Series("okx", "OLD-USDT", Interval.M1)
        await store.writer.write(
            [
                Delivery(make_candle(old, to_ms(yesterday + minute * MINUTE), (1, 1, 1, 1), 1.0), Source.REST, now)
                for minute in range(10)
            ]
        )
        await store.writer.write(
            [
                Delivery(make_candle(series, to_ms(time), (1, 1, 1, 1), 1.0), Source.REST, now)
                for series, days in ((FIVES, (2, 3)), (HOURS, (2,)))
                for time in _times(Interval.D1.floor(now), series.interval, days)
            ]
        )
        ledger = DatabaseLedger(store.pool)
        since = now - MINUTES * MINUTE
        for exchange in EXCHANGES:
            await ledger.follow(exchange, {candles[exchange][0].series: since}, now)
        binance = candles["binance"][0].series
        for minutes, status in ((ABSENT, GapStatus.ABSENT), (OPEN, GapStatus.OPEN)):
            run = Run(binance, now - minutes[-1] * MINUTE, now - minutes[0] * MINUTE)
            await ledger.record(run, [Finding(run, status, GapCause.BREAK, "no answer")], now)
        while (await store.rollups.refresh_due(now)).waiting:
            pass
        yield World(store, now, candles)


async def test_there_is_a_test_for_every_example() -> None:
    """And a sentence at the top of each that says what it is for."""
    files = {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in _examples()}
    assert set(files) == {name.removeprefix("test_") for name in globals() if name.removeprefix("test_") in files}
    assert len(files) > 10
    assert [name for name, text in files.items() if not (text.startswith("-- ") and text.endswith(";\n"))] == []


def _examples() -> list[Any]:
    return list((sql_folder() / "examples").iterdir())


async def test_latest_candles(world: World) -> None:
    """One row for each followed series: its newest."""
    assert [(row["exchange"], row["open_time"], row["close"]) for row in await world.ask("latest_candles")] == [
        (exchange, world.candles[exchange][-1].open_time, world.candles[exchange][-1].close) for exchange in EXCHANGES
    ]


async def test_last_year(world: World) -> None:
    """Every stored candle of one series, in order."""
    found = [(row["open_time"], row["close"], row["volume"]) for row in await world.ask("last_year")]
    assert found == [(one.open_time, one.close, one.volume) for one in world.candles["binance"]]


async def test_spread_between_exchanges(world: World) -> None:
    """Over the exchanges that have the minute."""
    rows = {row["open_time"]: row for row in await world.ask("spread_between_exchanges")}
    assert world.now - 24 * HOUR + 5 * MINUTE in rows
    for open_time, row in rows.items():
        closes = {name: one.close for name in EXCHANGES for one in world.candles[name] if one.open_time == open_time}
        assert {name: row[name] for name in EXCHANGES if row[name] is not None} == closes
        assert row["spread_bps"] == pytest.approx(10_000 * (max(closes.values()) / min(closes.values()) - 1))


async def test_returns(world: World) -> None:
    """Between neighbouring hours; the first has none."""
    rows = await world.ask("returns")
    for exchange in EXCHANGES:
        found = {row["open_time"]: row["log_return"] for row in rows if row["exchange"] == exchange}
        wanted = world.hourly_returns(exchange)
        assert {time: value for time, value in found.items() if value is not None} == pytest.approx(wanted)
        assert len(found) == len(wanted) + 1


async def test_volatility(world: World) -> None:
    """Of the returns of each day, in a year's terms."""
    rows = {(row["exchange"], row["day"]): row for row in await world.ask("volatility") if row["symbol"] == "BTC-USDT"}
    for exchange in EXCHANGES:
        for day, found in groupby(world.hourly_returns(exchange).items(), lambda one: Interval.D1.floor(one[0])):
            values = [value for _, value in found]
            row = rows[exchange, day]
            assert row["returns"] == len(values)
            if len(values) > 1:
                assert row["volatility"] == pytest.approx(stdev(values) * sqrt(8_760))


async def test_vwap(world: World) -> None:
    """Turnover over volume, of the hour and since midnight."""
    for row in await world.ask("vwap"):
        hours = world.hours(row["exchange"])
        since = [one for hour, found in hours.items() for one in found if _same_day(hour, row["open_time"])]
        assert row["vwap"] == pytest.approx(_average(hours[row["open_time"]]))
        assert row["vwap_since_midnight"] == pytest.approx(
            _average([one for one in since if one.open_time < row["open_time"] + HOUR])
        )


async def test_resampled(world: World) -> None:
    """Prices of minutes with trades; a quarter that lacks minutes says so."""
    rows = {row["open_time"]: row for row in await world.ask("resampled")}
    first = max(Interval.M15.floor(world.now - DAY) + 15 * MINUTE, world.candles["binance"][0].open_time)
    quarters = groupby(
        (one for one in world.candles["binance"] if one.open_time >= first),
        lambda one: Interval.M15.floor(one.open_time),
    )
    for quarter, found in quarters:
        candles = list(found)
        traded = [one for one in candles if one.volume > 0]
        row = rows[quarter]
        assert (row["open"], row["close"]) == (traded[0].open, traded[-1].close)
        assert (row["high"], row["low"]) == (max(one.high for one in traded), min(one.low for one in traded))
        assert row["volume"] == sum(one.volume for one in candles)
        assert row["complete"] == (len(candles) == 15)


async def test_most_traded(world: World) -> None:
    """The largest turnover of the last whole hours first, with the change over them."""
    rows = [row for row in await world.ask("most_traded") if row["symbol"] == "BTC-USDT"]
    end = Interval.H1.floor(world.now)
    wanted = []
    for exchange in EXCHANGES:
        traded = [one for one in world.candles[exchange] if end - DAY <= one.open_time < end]
        with_trades = [one for one in traded if one.volume > 0]
        turnover = sum(one.quote_volume or 0 for one in traded)
        wanted.append((turnover, exchange, with_trades[-1].close / with_trades[0].open - 1))
    assert [(row["exchange"], row["turnover"], row["change"]) for row in rows] == [
        (exchange, pytest.approx(turnover), pytest.approx(change))
        for turnover, exchange, change in sorted(wanted, reverse=True)
    ]


async def test_gaps(world: World) -> None:
    """What is open, and why."""
    [row] = await world.ask("gaps")
    assert (row["exchange"], row["first_open_time"], row["expected"], row["cause"], row["last_error"]) == (
        "binance", world.now - OPEN[0] * MINUTE, 1, "break", "no answer",
    )  # fmt: skip


async def test_completeness(world: World) -> None:
    """The worst first; what is absent is not expected."""
    rows = await world.ask("completeness")
    assert rows[0]["exchange"] == "binance"
    assert (rows[0]["missing_24h"], rows[0]["open_gaps"]) == (len(OPEN) + len(UNKNOWN), 1)
    assert {row["exchange"]: row["missing_24h"] for row in rows[1:]} == {"bybit": 0, "okx": 0}


async def test_missing_minutes(world: World) -> None:
    """Each run, and what is known of it."""
    rows = [tuple(row.values()) for row in await world.ask("missing_minutes")]
    assert rows == [
        ("binance", "BTC-USDT", world.now - ago[-1] * MINUTE, world.now - ago[0] * MINUTE, len(ago), known)
        for ago, known in ((ABSENT, "absent"), (OPEN, "open"), (UNKNOWN, "not looked at yet"))
    ]


async def test_incomplete_days(world: World) -> None:
    """By the candles that a day is built from, and not of the running day."""
    rows = await world.ask("incomplete_days")
    others = [tuple(row.values())[1:] for row in rows if row["symbol"] != "BTC-USDT"]
    day = Interval.D1.floor(world.now) - 2 * DAY
    assert others == [("FIVES-USDT", day, 5, 10), ("OLD-USDT", day, 1, 1_430)]
    assert {row["day"] for row in rows if row["day"] >= Interval.D1.floor(world.now)} == set()


async def test_revisions(world: World) -> None:
    """What was stored, and what is since."""
    before = world.candles["okx"][-10]
    after = candle_of("okx", before.open_time, 10, close_shift=0.5)
    await world.store.writer.write([Delivery(after, Source.REST, world.now + timedelta(seconds=1))])
    [row] = await world.ask("revisions")
    assert (row["open_time"], row["old_close"], row["new_close"]) == (before.open_time, before.close, after.close)


def _times(today: datetime, interval: Interval, days: Iterable[int]) -> list[datetime]:
    """Open times of whole days, so many days ago; of the one before yesterday 5m lacks two."""
    starts = [today - ago * DAY for ago in days]
    times = [start + number * interval.duration for start in starts for number in range(DAY // interval.duration)]
    return [
        one for one in times if interval is not Interval.M5 or one not in {today - 2 * DAY, today - DAY - 5 * MINUTE}
    ]


def _average(candles: list[Candle]) -> float:
    return sum(one.quote_volume or 0 for one in candles) / sum(one.volume for one in candles)


def _same_day(one: datetime, other: datetime) -> bool:
    return Interval.D1.floor(one) == Interval.D1.floor(other)
