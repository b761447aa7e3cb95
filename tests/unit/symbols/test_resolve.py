"""What users may write, and what they are told when it is wrong."""

import pytest

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import resolve
from tests.fakes.rest import instrument

LISTED = [
    instrument("BTC"),
    instrument("ETH"),
    instrument("BTC", market=Market.LINEAR),
    instrument("ETH", market=Market.LINEAR),
    instrument("1000PEPE", market=Market.LINEAR),
    instrument("LUNA", market=Market.LINEAR, status=Status.HALTED),
    instrument("NEW", market=Market.LINEAR, status=Status.PRELAUNCH),
    instrument("TSLA", market=Market.LINEAR, crypto=False),
    instrument("BTC", "USD", Market.INVERSE, kind=Kind.PERPETUAL, native="BTCUSD_PERP", settle="BTC"),
    instrument("币安人生"),
    instrument("TWIN", native="TWIN1"),
    instrument("TWIN", native="TWIN2"),
]
OFFERED = {
    Market.SPOT: frozenset({Interval.S1, Interval.M1}),
    Market.LINEAR: frozenset({Interval.H1, Interval.M1}),
    Market.INVERSE: frozenset({Interval.M1}),
}


def symbols_of(*spellings: str, exclude: tuple[str, ...] = ()) -> list[str]:
    """The symbols that ``spellings`` mean at one minute."""
    chosen = resolve(Registry("test", LISTED, OFFERED), spellings, exclude, [Interval.M1])
    return [one.instrument.symbol for one in chosen]


def complaint(*spellings: str, exclude: tuple[str, ...] = (), intervals: tuple[Interval, ...] = (Interval.M1,)) -> str:
    """The sentence that ``spellings`` earn."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(Registry("test", LISTED, OFFERED), spellings, exclude, intervals)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("BTC-USDT", "BTC-USDT"),
        (" btc-usdt-perp ", "BTC-USDT-PERP"),
        ("spot:BTCUSDT", "BTC-USDT"),
        ("linear:btcusdt", "BTC-USDT-PERP"),
        ("inverse:BTCUSD_PERP", "BTC-USD-PERP"),
        ("BTC/USDT", "BTC-USDT"),
        ("BTC/USDT:USDT", "BTC-USDT-PERP"),
        ("BTC/USD:BTC", "BTC-USD-PERP"),
        ("币安人生-USDT", "币安人生-USDT"),
    ],
)
def test_an_instrument_may_be_written_in_three_ways(spelling: str, expected: str) -> None:
    """Ours, the exchange's with its market, and ccxt's."""
    assert symbols_of(spelling) == [expected]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*-USDT-PERP", ["1000PEPE-USDT-PERP", "BTC-USDT-PERP", "ETH-USDT-PERP"]),
        ("?TH-*", ["ETH-USDT", "ETH-USDT-PERP"]),
        ("[be]*-usdt", ["BTC-USDT", "ETH-USDT"]),
        ("*/USDT:USDT", ["1000PEPE-USDT-PERP", "BTC-USDT-PERP", "ETH-USDT-PERP"]),
        ("spot:*", ["BTC-USDT", "ETH-USDT", "币安人生-USDT"]),
    ],
)
def test_a_pattern_takes_crypto_that_trades(pattern: str, expected: list[str]) -> None:
    """Stocks, halted and pre-launch instruments and clashing symbols are left out, in every form."""
    assert symbols_of(pattern) == expected


@pytest.mark.parametrize("symbol", ["LUNA-USDT-PERP", "NEW-USDT-PERP", "TSLA-USDT-PERP"])
def test_what_patterns_leave_out_may_be_named(symbol: str) -> None:
    """Who names a stock or a halted contract gets it."""
    assert symbols_of(symbol) == [symbol]


def test_exclusions_thin_out_patterns() -> None:
    """In any form, as names or patterns; what no longer exists does no harm."""
    excluded = ("1000*", "ETH/USDT:USDT", "GONE-USDT-PERP")
    assert symbols_of("*-USDT-PERP", exclude=excluded) == ["BTC-USDT-PERP"]


def test_a_name_outlives_an_excluding_pattern() -> None:
    """What is named outright is meant."""
    assert symbols_of("ETH-USDT-PERP", "*-USDT-PERP", exclude=("ETH*",)) == [
        "ETH-USDT-PERP",
        "1000PEPE-USDT-PERP",
        "BTC-USDT-PERP",
    ]


def test_a_series_is_chosen_once() -> None:
    """However often and in however many ways it is written."""
    assert symbols_of("BTC-USDT", "BTC/USDT", "spot:BTC*", "btc-usdt") == ["BTC-USDT"]


def test_every_interval_makes_a_series() -> None:
    """Each named interval, of each instrument."""
    registry = Registry("test", LISTED, OFFERED)
    chosen = resolve(registry, ["BTC-USDT"], [], [Interval.S1, Interval.M1, Interval.M1])
    assert [one.series for one in chosen] == [
        Series("test", "BTC-USDT", Interval.S1),
        Series("test", "BTC-USDT", Interval.M1),
    ]


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        ("BTC-USTD", ["test has no symbol 'BTC-USTD'", "BTC-USDT"]),
        ("BTCUSDT", ["BTC-USDT (spot:BTCUSDT) or BTC-USDT-PERP (linear:BTCUSDT)"]),
        ("inverse:BTCUSDT", ["did you mean BTC-USDT"]),
        ("linear:ETHUSD", ["the nearest is linear:ETHUSDT"]),
        ("BTC/USDT:USTD", ["the nearest is BTC/USDT:USDT"]),
        ("DOGE-*", ["no crypto instrument", "'DOGE-*'"]),
        ("LUNA-*", ["no crypto instrument", "'LUNA-*'"]),
        ("TWIN-USDT", ["spot:TWIN1 and spot:TWIN2"]),
        ("spot:TWIN1", ["spot:TWIN1 and spot:TWIN2", "share a symbol"]),
    ],
)
def test_a_wrong_spelling_is_told_with_the_nearest_right_one(spelling: str, words: list[str]) -> None:
    """One sentence names the exchange, what was written, and what was perhaps meant."""
    said = complaint(spelling)
    assert all(word in said for word in ["test", *words]), said
    assert "\n" not in said


def test_nothing_alike_means_no_guess() -> None:
    """A wild guess would only confuse."""
    assert complaint("XYZXYZXYZ") == "test has no symbol 'XYZXYZXYZ'"


def test_an_interval_that_the_market_lacks_is_told() -> None:
    """With those that it has, in order of length."""
    said = complaint("BTC-USDT", "BTC-USDT-PERP", intervals=(Interval.S1,))
    assert said == "test has no candles of 1s for BTC-USDT-PERP: its linear market offers 1m, 1h"


def test_a_name_cannot_be_both_followed_and_excluded() -> None:
    """In whichever forms the contradiction is written."""
    assert "both" in complaint("BTC-USDT", exclude=("spot:BTCUSDT",))


def test_exclusions_may_not_leave_nothing() -> None:
    """Nothing to follow is a mistake, not a wish."""
    assert "nothing to follow" in complaint("ETH-*", exclude=("ETH-*",))


def test_every_instrument_is_found_by_each_name_it_is_shown_with() -> None:
    """What the list shows may be copied into the settings."""
    registry = Registry("test", LISTED, OFFERED)
    for one in registry.instruments:
        assert _resolved(registry, one.symbol) == one
        assert _resolved(registry, f"{one.market.value}:{one.native_symbol}") == one


def _resolved(registry: Registry, spelling: str) -> Instrument:
    return resolve(registry, [spelling], [], [Interval.M1])[0].instrument
