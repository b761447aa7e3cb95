"""Which series a command means, over several exchanges: nothing that was named is left out without a word."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from streamer.app.choosing import Choice, choose
from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.symbols.registry import Registry
from tests.fakes.rest import instrument

MINUTE, SECOND = Interval.M1, Interval.S1
SETTINGS = Settings.model_validate(
    {"exchanges": {"binance": {"symbols": ["BTC-USDT", "ETH-USDT"]}, "bybit": {"symbols": ["BTC-USDT"]}}}
)


def registry(exchange: str, *bases: str, intervals: tuple[Interval, ...] = (MINUTE,)) -> Registry:
    """An exchange whose spot market lists these."""
    listed = [replace(instrument(base), exchange=exchange) for base in bases]
    return Registry(exchange, listed, {Market.SPOT: frozenset(intervals)})


def both(*on_binance: str) -> dict[str, Registry]:
    """Binance, which has candles of a second, and Bybit, which has bitcoin and minutes alone."""
    return {
        "binance": registry("binance", *on_binance, intervals=(MINUTE, SECOND)),
        "bybit": registry("bybit", "BTC"),
    }


def chosen(choice: Choice) -> Mapping[str, list[str]]:
    """What is meant, by exchange."""
    return {
        name: [f"{one.instrument.base} {one.interval.value}" for one in series]
        for name, series in choice.series.items()
    }


def test_a_named_exchange_must_have_the_interval_of_what_it_knows() -> None:
    """Else its other intervals would be left out without a word."""
    with pytest.raises(ConfigurationError, match="bybit has no candles of 1s for BTC-USDT"):
        choose(SETTINGS, both("BTC"), ["BTC-USDT"], [MINUTE, SECOND], all_known=True, are_named=True)
    with pytest.raises(ConfigurationError, match="bybit has no candles of 1s for BTC-USDT"):
        choose(SETTINGS, both("BTC"), ["BTC-*"], [SECOND], all_known=True, are_named=True)


def test_a_symbol_that_a_named_exchange_does_not_know_asks_no_interval_of_it() -> None:
    """One exchange at least has it, at that length."""
    choice = choose(SETTINGS, both("BTC", "ETH"), ["ETH-USDT"], [SECOND], all_known=True, are_named=True)
    assert chosen(choice) == {"binance": ["ETH 1s"], "bybit": []}


def test_an_exchange_that_nobody_named_brings_the_lengths_that_it_has() -> None:
    """A length that none of them has is an error all the same."""
    choice = choose(SETTINGS, both("BTC"), ["BTC-USDT"], [MINUTE, SECOND], all_known=True)
    assert chosen(choice) == {"binance": ["BTC 1m", "BTC 1s"], "bybit": ["BTC 1m"]}
    with pytest.raises(ConfigurationError, match="no candles of 1h"):
        choose(SETTINGS, both("BTC"), ["BTC-USDT"], [MINUTE, Interval.H1], all_known=True)


@pytest.mark.parametrize("named", [True, False])
def test_a_name_that_was_delisted_meanwhile_stops_no_other(*, named: bool) -> None:
    """It is listed as lost, whether it was named or is followed; at first it is an error."""
    symbols = ["BTC-USDT", "ETH-USDT"] if named else []
    with pytest.raises(ConfigurationError, match="no symbol 'ETH-USDT'"):
        choose(SETTINGS, both("BTC"), symbols, [], all_known=True)
    choice = choose(SETTINGS, both("BTC"), symbols, [], all_known=True, lenient=True)
    assert chosen(choice) == {"binance": ["BTC 1m"], "bybit": ["BTC 1m"]}
    assert list(choice.lost) == ["ETH-USDT" if named else "binance ETH-USDT"]


def test_with_everything_delisted_there_is_something_to_say() -> None:
    """It is not as if nothing was meant."""
    choice = choose(SETTINGS, {"binance": registry("binance", "SOL")}, ["BTC-USDT"], [], all_known=True, lenient=True)
    assert not choice.is_empty
    assert chosen(choice) == {"binance": []}
