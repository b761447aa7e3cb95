"""Bybit's instrument lists: kinds, symbols, statuses, multipliers, and lines that are not understood."""

import json
import re
from typing import Any

import pytest

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import from_ms
from streamer.exchanges.bybit import BYBIT
from streamer.exchanges.bybit.instruments import MULTIPLIERS
from streamer.protocol.adapter import InstrumentPage
from tests.paths import FIXTURES

BODIES = FIXTURES / "bybit" / "rest"
LISTS = {
    Market.SPOT: ["instruments_spot.json"],
    Market.LINEAR: ["instruments_linear_page_1.json", "instruments_linear_page_2.json"],
    Market.INVERSE: ["instruments_inverse.json"],
}


def read(market: Market, name: str) -> InstrumentPage:
    """One page of a fixture."""
    return BYBIT.markets[market].rest.decode_instruments((BODIES / name).read_bytes())


def listed() -> dict[tuple[Market, str], Instrument]:
    """Every instrument of every page, by market and native symbol."""
    pages = [(market, read(market, name)) for market, names in LISTS.items() for name in names]
    return {(market, one.native_symbol): one for market, page in pages for one in page.instruments}


def linear(**changes: Any) -> InstrumentPage:
    """The page of a single linear line, BTCUSDT with some of its fields changed."""
    body = json.loads((BODIES / "instruments_linear_page_1.json").read_text())
    body["result"]["list"] = [body["result"]["list"][0] | changes]
    return BYBIT.markets[Market.LINEAR].rest.decode_instruments(json.dumps(body).encode())


def test_contract_lists_are_asked_in_pages() -> None:
    """The first page has no cursor, the next has the one that was given, a thousand lines each."""
    ask = BYBIT.markets[Market.LINEAR].rest.instruments
    assert (ask(None).path, ask(None).params) == (
        "/v5/market/instruments-info",
        {"category": "linear", "limit": "1000"},
    )
    assert ask("first%3DX").params == {"category": "linear", "limit": "1000", "cursor": "first%3DX"}


def test_spot_list_has_no_pages() -> None:
    """Spot knows neither limit nor cursor."""
    assert BYBIT.markets[Market.SPOT].rest.instruments(None).params == {"category": "spot"}
    assert read(Market.SPOT, "instruments_spot.json").cursor is None


def test_cursor_leads_to_the_last_page() -> None:
    """A page hands on its cursor as it came; an empty one ends the list."""
    first, last = (read(Market.LINEAR, name) for name in LISTS[Market.LINEAR])
    assert first.cursor == "first%3DBTCUSDT%26last%3DBIOUSDT"
    assert last.cursor is None


def test_page_without_lines_ends_the_list() -> None:
    """A cursor on an empty page is not followed for ever."""
    body = b'{"retCode":0,"result":{"category":"linear","list":[],"nextPageCursor":"again"}}'
    assert BYBIT.markets[Market.LINEAR].rest.decode_instruments(body) == InstrumentPage(())


@pytest.mark.parametrize(
    ("market", "native_symbol", "symbol", "settle"),
    [
        (Market.SPOT, "BTCUSDT", "BTC-USDT", "USDT"),
        (Market.SPOT, "ETHBTC", "ETH-BTC", "BTC"),
        (Market.LINEAR, "BTCUSDT", "BTC-USDT-PERP", "USDT"),
        (Market.LINEAR, "BTCPERP", "BTC-USDC-PERP", "USDC"),
        (Market.LINEAR, "1000PEPEUSDT", "1000PEPE-USDT-PERP", "USDT"),
        (Market.LINEAR, "SHIB1000USDT", "SHIB1000-USDT-PERP", "USDT"),
        (Market.LINEAR, "BTCUSDT-25SEP26", "BTC-USDT-20260925", "USDT"),
        (Market.LINEAR, "BTC-25SEP26", "BTC-USDC-20260925", "USDC"),
        (Market.INVERSE, "BTCUSD", "BTC-USD-PERP", "BTC"),
        (Market.INVERSE, "BTCUSDU26", "BTC-USD-20260925", "BTC"),
    ],
)
def test_native_symbols_get_our_spelling(market: Market, native_symbol: str, symbol: str, settle: str) -> None:
    """The symbol is made from base, quote, kind and delivery day, never read out of the native one."""
    instrument = listed()[market, native_symbol]
    assert (instrument.symbol, instrument.settle) == (symbol, settle)
    assert instrument.contract_size == 1.0


def test_our_symbols_are_unique_over_the_exchange() -> None:
    """No two lines of all pages and markets share a symbol."""
    instruments = listed()
    assert len({one.symbol for one in instruments.values()}) == len(instruments) == 21


def test_old_usdc_contract_quoted_in_dollars_is_not_taken_for_an_inverse_one() -> None:
    """A linear contract is quoted in what it settles in: USD on both sides would clash with BTCUSD."""
    [instrument] = linear(symbol="BTCPERP", quoteCoin="USD", settleCoin="USDC").instruments
    assert (instrument.symbol, instrument.quote) == ("BTC-USDC-PERP", "USDC")


@pytest.mark.parametrize(
    ("native_symbol", "multiplier"),
    [("1000PEPEUSDT", 1_000), ("10000LADYSUSDT", 10_000), ("SHIB1000USDT", 1_000), ("1INCHUSDT", 1), ("BTCUSDT", 1)],
)
def test_multiplier_is_looked_up_and_not_guessed(native_symbol: str, multiplier: int) -> None:
    """Prefix and suffix are known by name; 1INCH is a coin, and the base stays as Bybit spells it."""
    instrument = listed()[Market.LINEAR, native_symbol]
    assert instrument.multiplier == multiplier
    assert native_symbol.startswith(instrument.base)


def test_multiplier_needs_a_symbol_that_agrees() -> None:
    """A base of the table under another symbol is not believed."""
    [instrument] = linear(symbol="PEPEUSDT", baseCoin="1000PEPE").instruments
    assert instrument.multiplier == 1


def test_table_of_multipliers_agrees_with_its_spellings() -> None:
    """Every known base carries its number as prefix or suffix."""
    wrong = [
        base
        for base, multiplier in MULTIPLIERS.items()
        if not re.fullmatch(rf"{multiplier}[A-Z][A-Z0-9]*|[A-Z]+{multiplier}", base)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("native_symbol", "status"),
    [
        ("BTCUSDT", Status.TRADING),
        ("BIOUSDT", Status.PRELAUNCH),
        ("NEWUSDT", Status.PRELAUNCH),
        ("GONEUSDT", Status.CLOSED),
        ("OLDUSDT", Status.TRADING),
    ],
)
def test_statuses(native_symbol: str, status: Status) -> None:
    """Pre-market contracts are pre-launch even while they trade; one that is to be delisted still trades."""
    assert listed()[Market.LINEAR, native_symbol].status is status


def test_delivering_contract_no_longer_trades() -> None:
    """No candle is to be expected while positions are being delivered."""
    [instrument] = linear(status="Delivering").instruments
    assert instrument.status is Status.CLOSED


@pytest.mark.parametrize(
    ("market", "native_symbol", "crypto"),
    [
        (Market.LINEAR, "BTCUSDT", True),
        (Market.LINEAR, "1INCHUSDT", True),
        (Market.LINEAR, "AAPLUSDT", False),
        (Market.SPOT, "AAPLXUSDT", False),
        (Market.SPOT, "PEPEUSDT", True),
        (Market.INVERSE, "BTCUSD", True),
    ],
)
def test_only_coins_are_for_patterns(market: Market, native_symbol: str, crypto: bool) -> None:
    """Stocks are told by their region; the innovation and adventure zones hold coins."""
    assert listed()[market, native_symbol].crypto is crypto


def test_region_never_heard_of_is_no_coin() -> None:
    """What is not known to be a coin must be named to be followed."""
    [instrument] = linear(symbolType="moonstones").instruments
    assert not instrument.crypto


def test_times_of_listing_and_expiry() -> None:
    """Launch and delivery are aware UTC; "0" and absence mean none; a perpetual may have its delisting time."""
    instruments = listed()
    assert instruments[Market.LINEAR, "BTCUSDT"].listed_time == from_ms(1_585_526_400_000)
    assert instruments[Market.LINEAR, "BTCUSDT"].expiry_time is None
    assert instruments[Market.LINEAR, "BTCUSDT-25SEP26"].expiry_time == from_ms(1_790_323_200_000)
    assert instruments[Market.LINEAR, "OLDUSDT"].expiry_time == from_ms(1_784_887_200_000)
    assert instruments[Market.SPOT, "BTCUSDT"].listed_time is None
    assert {one.kind for one in instruments.values()} == set(Kind)


def test_lines_that_are_not_understood_are_named() -> None:
    """The rest of the page is read; each line left out says which and why."""
    page = read(Market.LINEAR, "instruments_linear_page_2.json")
    assert page.skipped == (
        "BTCUSDT-NODATE: a dated contract without its delivery time",
        "BTCUSDZ26: contract type 'InverseFutures' is not of the linear market",
        "ODDUSDT: status 'Napping' is not known",
        "BAREUSDT: 'baseCoin' is missing",
        "a line without a symbol: expected an object, got int",
    )
    assert len(page.instruments) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": ""},
        {"baseCoin": " "},
        {"quoteCoin": None},
        {"settleCoin": 7},
        {"launchTime": "soon"},
        {"launchTime": "9" * 5_000},
        {"deliveryTime": ["0"]},
        {"symbolType": ["stock"]},
    ],
)
def test_line_of_wrong_shape_is_left_out(changes: dict[str, Any]) -> None:
    """A field of another type or of no sense costs its own line only."""
    page = linear(**changes)
    assert (page.instruments, len(page.skipped)) == ((), 1)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"result":{"category":"spot","list":[]}}', b'{"result":{"list":[]}}'])
def test_list_of_another_market_is_malformed(body: bytes) -> None:
    """An answer that does not say that it is this market's list is not one."""
    with pytest.raises(MalformedAnswer):
        BYBIT.markets[Market.LINEAR].rest.decode_instruments(body)
