"""Binance's exchangeInfo: three products, statuses, dates, multipliers, and lines that are not understood."""

from datetime import UTC, datetime

import orjson
import pytest

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.exchanges.binance import BINANCE
from streamer.protocol.adapter import InstrumentPage
from tests.paths import FIXTURES


def listed(market: Market) -> InstrumentPage:
    """The hand-written list of ``market``, decoded."""
    body = (FIXTURES / "binance" / "rest" / f"exchange_info_{market}.json").read_bytes()
    return BINANCE.markets[market].rest.decode_instruments(body)


def by_native(market: Market) -> dict[str, Instrument]:
    """The instruments of the hand-written list by the exchange's spelling."""
    return {item.native_symbol: item for item in listed(market).instruments}


def test_spot_symbols_are_spelled_our_way() -> None:
    """Every spot line that is understood becomes BASE-QUOTE, Chinese names and multiplied bases included."""
    assert {native: item.symbol for native, item in by_native(Market.SPOT).items()} == {
        "BTCUSDT": "BTC-USDT",
        "ETHBTC": "ETH-BTC",
        "1000SATSUSDT": "1000SATS-USDT",
        "1INCHUSDT": "1INCH-USDT",
        "1MBABYDOGEUSDT": "1MBABYDOGE-USDT",
        "币安人生USDT": "币安人生-USDT",
        "LUNAUSDT": "LUNA-USDT",
        "XMRUSDT": "XMR-USDT",
        "NEWUSDT": "NEW-USDT",
    }


def test_linear_symbols_are_spelled_our_way() -> None:
    """Perpetuals end in PERP and dated contracts in their delivery day, read from the date and not from the name."""
    assert {native: item.symbol for native, item in by_native(Market.LINEAR).items()} == {
        "BTCUSDT": "BTC-USDT-PERP",
        "BTCUSDC": "BTC-USDC-PERP",
        "ETHBTC": "ETH-BTC-PERP",
        "BTCUSDT_260925": "BTC-USDT-20260925",
        "ETHUSDT_260626": "ETH-USDT-20260626",
        "1000PEPEUSDT": "1000PEPE-USDT-PERP",
        "1000000MOGUSDT": "1000000MOG-USDT-PERP",
        "1INCHUSDT": "1INCH-USDT-PERP",
        "TSLAUSDT": "TSLA-USDT-PERP",
        "XAUUSDT": "XAU-USDT-PERP",
        "FUNUSDT": "FUN-USDT-PERP",
        "OLDUSDT": "OLD-USDT-PERP",
        "SOONUSDT": "SOON-USDT-PERP",
    }


def test_inverse_symbols_are_spelled_our_way() -> None:
    """COIN-M is settled in the base coin and quoted in USD."""
    instruments = by_native(Market.INVERSE)
    assert {native: (item.symbol, item.settle, item.contract_size) for native, item in instruments.items()} == {
        "BTCUSD_PERP": ("BTC-USD-PERP", "BTC", 100.0),
        "LTCUSD_PERP": ("LTC-USD-PERP", "LTC", 10.0),
        "BTCUSD_260925": ("BTC-USD-20260925", "BTC", 100.0),
        "ETHUSD_261225": ("ETH-USD-20261225", "ETH", 10.0),
        "ETHUSD_260626": ("ETH-USD-20260626", "ETH", 10.0),
        "EOSUSD_PERP": ("EOS-USD-PERP", "EOS", 10.0),
        "NEWUSD_PERP": ("NEW-USD-PERP", "NEW", 10.0),
    }


@pytest.mark.parametrize(
    ("market", "skipped"),
    [
        (Market.SPOT, ("ODDUSDT", "line 11", "line 12", "ODDERUSDT")),
        (Market.LINEAR, ("BNBUSDT_2612", "FARUSDT", "WEIRDUSDT")),
        (Market.INVERSE, ("ODDUSD_PERP", "FLATUSD_PERP")),
    ],
)
def test_lines_that_are_not_understood_are_named(market: Market, skipped: tuple[str, ...]) -> None:
    """A line of an unknown type, without a date or a name is skipped by name, or by number where it has none."""
    assert listed(market).skipped == skipped


def test_a_contract_that_is_only_announced_is_left_out_without_a_word() -> None:
    """Before the launch the type may be empty; that is documented and worries nobody."""
    page = listed(Market.LINEAR)
    assert "OURAUSDT" not in page.skipped
    assert "OURAUSDT" not in by_native(Market.LINEAR)


def test_a_contract_of_the_other_product_is_left_to_its_own_list() -> None:
    """Each futures host may list both products; the same contract from two lists would clash with itself."""
    assert "BTCUSD_PERP" not in by_native(Market.LINEAR)
    assert "BTCUSDT" not in by_native(Market.INVERSE)
    symbols = [item.symbol for market in Market for item in listed(market).instruments]
    assert len(symbols) == len(set(symbols))


@pytest.mark.parametrize(
    ("market", "native", "status"),
    [
        (Market.SPOT, "BTCUSDT", Status.TRADING),
        (Market.SPOT, "LUNAUSDT", Status.HALTED),
        (Market.SPOT, "XMRUSDT", Status.HALTED),
        (Market.SPOT, "NEWUSDT", Status.HALTED),
        (Market.LINEAR, "XAUUSDT", Status.HALTED),
        (Market.LINEAR, "ETHUSDT_260626", Status.HALTED),
        (Market.LINEAR, "OLDUSDT", Status.HALTED),
        (Market.LINEAR, "FUNUSDT", Status.CLOSED),
        (Market.LINEAR, "SOONUSDT", Status.PRELAUNCH),
        (Market.INVERSE, "BTCUSD_PERP", Status.TRADING),
        (Market.INVERSE, "ETHUSD_260626", Status.CLOSED),
        (Market.INVERSE, "EOSUSD_PERP", Status.CLOSED),
        (Market.INVERSE, "NEWUSD_PERP", Status.PRELAUNCH),
    ],
)
def test_statuses_are_ours(market: Market, native: str, status: Status) -> None:
    """Every word of the three products has its meaning; a new word is a halt."""
    assert by_native(market)[native].status is status


def test_multipliers_come_from_the_table() -> None:
    """Known multiplied bases have their multiplier; 1INCH is a coin."""
    instruments = by_native(Market.SPOT) | by_native(Market.LINEAR)
    assert {item.base: item.multiplier for item in instruments.values() if item.base[0].isdigit()} == {
        "1000SATS": 1_000,
        "1MBABYDOGE": 1_000_000,
        "1000PEPE": 1_000,
        "1000000MOG": 1_000_000,
        "1INCH": 1,
    }


def test_stocks_and_commodities_are_not_crypto() -> None:
    """Patterns leave out what is a TRADIFI perpetual, and nothing else."""
    assert {item.native_symbol for item in listed(Market.LINEAR).instruments if not item.crypto} == {
        "TSLAUSDT",
        "XAUUSDT",
    }


def test_dates_are_read_in_milliseconds() -> None:
    """Listing and delivery are aware UTC; a perpetual that never ends has no expiry, one being wound up has."""
    instruments = by_native(Market.LINEAR)
    dated, perpetual = instruments["BTCUSDT_260925"], instruments["BTCUSDT"]
    assert dated.kind is Kind.DATED
    assert dated.expiry_time == datetime(2026, 9, 25, 8, tzinfo=UTC)
    assert dated.listed_time == datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert (perpetual.kind, perpetual.expiry_time) == (Kind.PERPETUAL, None)
    assert perpetual.listed_time == datetime(2019, 9, 25, 8, tzinfo=UTC)
    assert instruments["OLDUSDT"].expiry_time == datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert by_native(Market.SPOT)["BTCUSDT"].listed_time is None


def test_the_list_is_one_page() -> None:
    """There is no cursor to follow, whatever is asked."""
    for market, path in (
        (Market.SPOT, "/api/v3/exchangeInfo"),
        (Market.LINEAR, "/fapi/v1/exchangeInfo"),
        (Market.INVERSE, "/dapi/v1/exchangeInfo"),
    ):
        rest = BINANCE.markets[market].rest
        assert rest.instruments(None).path == path
        assert listed(market).cursor is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"symbols":{}}', b'{"code":-1003,"msg":"x"}']
)
@pytest.mark.parametrize("market", list(Market))
def test_what_is_no_list_is_a_malformed_answer(market: Market, body: bytes) -> None:
    """An error or a proxy's page must not look like an exchange without instruments."""
    with pytest.raises(MalformedAnswer):
        BINANCE.markets[market].rest.decode_instruments(body)


@pytest.mark.parametrize("date", [-1, 0, 4_133_404_800_000, 2**64 - 1, None])
def test_an_absurd_date_is_no_date(date: int | None) -> None:
    """A date before 1970 or beyond 2100 is none, and breaks nothing."""
    line = {
        "symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "marginAsset": "USDT", "deliveryDate": date, "onboardDate": date,
    }  # fmt: skip
    page = BINANCE.markets[Market.LINEAR].rest.decode_instruments(orjson.dumps({"symbols": [line]}))
    assert [(item.listed_time, item.expiry_time) for item in page.instruments] == [(None, None)]


def stated(market: Market, limits: object) -> dict[str, int]:
    """The limits by pool that a list of no symbols states."""
    page = BINANCE.markets[market].rest.decode_instruments(orjson.dumps({"symbols": [], "rateLimits": limits}))
    return {pool.name: pool.limit for pool in page.limits}


def weight(limit: object, interval: str = "MINUTE", number: int = 1, kind: str = "REQUEST_WEIGHT") -> dict[str, object]:
    """One line of the limits."""
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def test_the_weight_of_a_minute_is_read_from_the_list() -> None:
    """Other limits, and weights of other windows, are none of it."""
    others = [weight(50, "SECOND", 10, "ORDERS"), weight(61_000, number=5, kind="RAW_REQUESTS"), weight(9, "HOUR")]
    assert stated(Market.SPOT, [*others, weight(1_200)]) == {"binance_spot": 1_200}
    assert stated(Market.LINEAR, [weight(4_800), *others]) == {"binance_futures": 4_800}
    assert stated(Market.SPOT, others) == {}


def test_the_old_limit_of_coin_margined_futures_is_not_believed() -> None:
    """Its list states 6,000 of a pool that it shares with 2,400; less than these is taken."""
    assert stated(Market.INVERSE, [weight(6_000)]) == {}
    assert stated(Market.INVERSE, [weight(1_200)]) == {"binance_futures": 1_200}


@pytest.mark.parametrize("limits", [None, {}, [7], [weight("6000")], [weight(None)], [weight(0)], [weight(-1)], []])
def test_limits_that_are_none_break_no_list(limits: object) -> None:
    """Then the documented limit stays in force."""
    assert stated(Market.SPOT, limits) == {}
