"""A query means what is stored under a name, in any spelling; what is not stored is said."""

from collections.abc import Collection, Sequence

import pytest

from streamer.app.meaning import Meant, Names, Symbol, meant_series
from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.domain.rollup import Length, Rollup
from streamer.store.bulk import Bars, Relation, Stored

PERPETUAL = Instrument(
    exchange="okx", market=Market.LINEAR, kind=Kind.PERPETUAL, native_symbol="BTC-USDT-SWAP", symbol="BTC-USDT-PERP",
    base="BTC", quote="USDT", settle="USDT", status=Status.CLOSED,
)  # fmt: skip
NAMES = Names(
    ("binance", "okx"),
    [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("okx", "BTC-USDT")],
    [PERPETUAL],
)


class StoredOnly:
    """Has candles of the intervals given for each symbol."""

    def __init__(self, has: dict[Symbol, Collection[str]]) -> None:
        self.has = has

    async def stored(self, symbols: Sequence[Symbol], interval: Length) -> list[Stored]:
        """What there is of each symbol asked for; all rollups but that of 15m."""
        return [
            Stored(
                *one,
                interval in self.has.get(one, ()),
                interval in {"5m", "1h", "4h", "1d", "1w"} and "1m" in self.has.get(one, ()),
            )
            for one in symbols
        ]


SHELVES = StoredOnly(
    {
        ("binance", "BTC-USDT"): {"1m", "1h"},
        ("okx", "BTC-USDT"): {"1m"},
        ("binance", "ETH-USDT"): {"5m"},
        ("okx", "BTC-USDT-PERP"): {"1m"},
        ("okx", "XRP-USDT"): {"1m"},
    }
)


async def said(*spellings: str, interval: Length = Interval.M1) -> list[str]:
    """What is meant, as exchange, symbol and relation."""
    meant = await meant_series(SHELVES, NAMES, spellings, interval)
    assert all(one.series.interval.value == interval.value for one in meant)
    return [f"{one.series.exchange} {one.series.symbol} {one.relation}" for one in meant]


@pytest.mark.parametrize(
    "spelling", ["BTC-USDT-PERP", "btc-usdt-perp ", "BTC/USDT:USDT", "linear:btc-usdt-swap", "*-PERP"]
)
async def test_each_spelling_finds_an_instrument(spelling: str) -> None:
    """Also of an instrument that is closed by now: its candles are stored still."""
    assert await said(spelling) == ["okx BTC-USDT-PERP klines"]


async def test_a_name_means_what_is_stored_of_it_anywhere() -> None:
    """By exchange and symbol, each once; also what no list ever had."""
    assert await said("BTC-USDT", "BTC-*") == [
        "binance BTC-USDT klines", "okx BTC-USDT klines", "okx BTC-USDT-PERP klines",
    ]  # fmt: skip
    assert await said("XRP-USDT") == ["okx XRP-USDT klines"]


async def test_without_a_name_everything_known_is_meant() -> None:
    """As far as it has candles of the interval."""
    assert await said() == ["binance BTC-USDT klines", "okx BTC-USDT klines"]


async def test_a_rollup_stands_in_for_candles_of_ones_own() -> None:
    """Own candles come first; where a rollup is not kept there is nothing."""
    assert await said("BTC-USDT", interval=Interval.H1) == ["binance BTC-USDT klines", "okx BTC-USDT klines_1h"]
    assert await said("BTC-USDT", interval=Interval.D1) == ["binance BTC-USDT klines_1d", "okx BTC-USDT klines_1d"]
    assert await said("BTC-USDT", interval=Rollup.W1) == ["binance BTC-USDT klines_1w", "okx BTC-USDT klines_1w"]
    assert await said("*", interval=Interval.M5) == [
        "binance BTC-USDT klines_5m",
        "binance ETH-USDT klines",
        "okx BTC-USDT klines_5m",
        "okx BTC-USDT-PERP klines_5m",
    ]
    assert await meant_series(SHELVES, NAMES, ["BTC-USDT"], Interval.H4) == [
        Meant(Bars(exchange, "BTC-USDT", Rollup.H4), Relation.FOUR_HOURS) for exchange in ("binance", "okx")
    ]


@pytest.mark.parametrize(
    ("spellings", "interval", "sentence"),
    [
        (["BTC-USTD"], Interval.M1, "no 1m candles are stored of 'BTC-USTD'; the nearest is BTC-USDT"),
        (["BTC-USDT", "ZZZ"], Interval.M1, "no 1m candles are stored of 'ZZZ'"),
        (["ETH-USDT"], Interval.M1, "no 1m candles are stored of 'ETH-USDT'"),
        (["*-EUR"], Interval.M1, "no 1m candles are stored of '\\*-EUR'"),
        (["BTC-USDT"], Interval.M15, "no 15m candles are stored of 'BTC-USDT'"),
        ([], Interval.M3, "no 3m candles are stored: name the symbols"),
    ],
)
async def test_what_is_not_stored_is_said(spellings: list[str], interval: Interval, sentence: str) -> None:
    """One name without candles is a mistake, however many others have some."""
    with pytest.raises(ConfigurationError, match=sentence):
        await meant_series(SHELVES, NAMES, spellings, interval)
