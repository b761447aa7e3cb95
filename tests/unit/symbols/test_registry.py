"""Which instruments a registry knows, and which it leaves out."""

from datetime import UTC, datetime

from streamer.domain.instrument import Kind, Market
from streamer.symbols.registry import Registry
from streamer.symbols.spellings import Form
from tests.fakes.rest import instrument

BTC = instrument("BTC")
BTC_PERP = instrument("BTC", market=Market.LINEAR)
ETH = instrument("ETH")


def test_an_instrument_is_found_by_each_of_its_names() -> None:
    """One native symbol on two markets is two instruments; case does not matter to users' spellings."""
    registry = Registry("test", [BTC, BTC_PERP], {})
    assert registry.by_symbol("BTC-USDT") is BTC
    assert registry.by_native(Market.LINEAR, "BTCUSDT") is BTC_PERP
    assert registry.named(Form.OURS, "btc-usdt-perp") == (BTC_PERP,)
    assert registry.named(Form.NATIVE, "Linear:btcusdt") == (BTC_PERP,)
    assert registry.named(Form.CCXT, "btc/usdt:usdt") == (BTC_PERP,)


def test_the_unknown_is_not_found() -> None:
    """Every way of asking says so in its own way."""
    registry = Registry("test", [BTC], {})
    assert registry.by_symbol("ETH-USDT") is None
    assert registry.by_native(Market.LINEAR, "BTCUSDT") is None
    assert registry.named(Form.OURS, "ETH-USDT") == ()


def test_instruments_that_share_a_symbol_are_both_left_out() -> None:
    """Their candles would share a key; the rest is not touched."""
    twin = instrument("BTC", native="BTCUSDT2")
    registry = Registry("test", [BTC, twin, ETH], {})
    assert registry.instruments == (ETH,)
    assert registry.clashes == {"BTC-USDT": (BTC, twin)}
    assert registry.by_symbol("BTC-USDT") is None
    assert registry.by_native(Market.SPOT, "BTCUSDT") is None


def test_symbols_that_differ_only_in_case_clash() -> None:
    """Users' spellings do not tell them apart."""
    registry = Registry("test", [instrument("ABC"), instrument("aBC", native="aBCUSDT")], {})
    assert len(registry) == 0


def test_a_line_that_comes_twice_is_one_instrument() -> None:
    """Pages may overlap."""
    assert Registry("test", [BTC, BTC], {}).instruments == (BTC,)


def test_dated_contracts_are_told_apart_by_their_delivery() -> None:
    """Two deliveries of one pair are two symbols in every form."""
    september, december = datetime(2026, 9, 25, 8, tzinfo=UTC), datetime(2026, 12, 25, 8, tzinfo=UTC)
    contracts = [
        instrument("BTC", market=Market.LINEAR, kind=Kind.DATED, native=f"BTC-{at:%d}-{at:%b}", expiry_time=at)
        for at in (september, december)
    ]
    registry = Registry("test", contracts, {})
    assert [one.symbol for one in registry.instruments] == ["BTC-USDT-20260925", "BTC-USDT-20261225"]
    assert registry.named(Form.CCXT, "BTC/USDT:USDT-261225") == (contracts[1],)
