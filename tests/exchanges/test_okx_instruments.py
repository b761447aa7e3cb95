"""OKX's instrument list in our words, from lines written by hand to the documented shape."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.exchanges.okx import OKX
from streamer.protocol.adapter import InstrumentPage

LISTED_MS, DELIVERY_MS = 1_606_468_572_000, 1_790_323_200_000  # 2020-11-27, 2026-09-25 08:00 UTC


def spot_line(**changes: Any) -> dict[str, Any]:
    """The line of a spot pair."""
    line = {
        "instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "settleCcy": "", "uly": "",
        "instFamily": "", "ctType": "", "ctVal": "", "ctMult": "", "ctValCcy": "", "listTime": str(LISTED_MS),
        "expTime": "", "state": "live", "ruleType": "normal", "instCategory": "1", "instIdCode": None,
        "tradeQuoteCcyList": ["USDT"],
    }  # fmt: skip
    return {**line, **changes}


def swap_line(**changes: Any) -> dict[str, Any]:
    """The line of a perpetual contract."""
    line = {
        "instType": "SWAP", "instId": "BTC-USDT-SWAP", "baseCcy": "", "quoteCcy": "", "settleCcy": "USDT",
        "uly": "BTC-USDT", "instFamily": "BTC-USDT", "ctType": "linear", "ctVal": "0.01", "ctMult": "1",
        "ctValCcy": "BTC", "listTime": str(LISTED_MS), "expTime": "", "state": "live", "ruleType": "normal",
        "instCategory": "1",
    }  # fmt: skip
    return {**line, **changes}


def inverse_line(**changes: Any) -> dict[str, Any]:
    """The line of a coin-margined perpetual contract."""
    own = {"instId": "BTC-USD-SWAP", "settleCcy": "BTC", "uly": "BTC-USD", "instFamily": "BTC-USD", "ctType": "inverse"}
    return swap_line(**{**own, "ctVal": "100", "ctValCcy": "USD", **changes})


def dated_line(**changes: Any) -> dict[str, Any]:
    """The line of a contract with a delivery date."""
    return swap_line(**{"instType": "FUTURES", "instId": "BTC-USDT-260925", "expTime": str(DELIVERY_MS), **changes})


def page(*lines: Any, market: Market = Market.LINEAR) -> InstrumentPage:
    """What a market reads from a list."""
    body = json.dumps({"code": "0", "msg": "", "data": lines}).encode()
    return OKX.markets[market].rest.decode_instruments(body)


def one(line: dict[str, Any], market: Market = Market.LINEAR) -> Instrument:
    """The only instrument of a list of one line."""
    found = page(line, market=market)
    assert found.skipped == ()
    (instrument,) = found.instruments
    return instrument


def test_spot_is_one_page_and_contracts_are_two() -> None:
    """Spot asks once; linear and inverse ask for swaps, then by the cursor for futures, then no more."""
    assert OKX.markets[Market.SPOT].rest.instruments(None).params == {"instType": "SPOT"}
    assert page(spot_line(), market=Market.SPOT).cursor is None
    for market in (Market.LINEAR, Market.INVERSE):
        rest = OKX.markets[market].rest
        assert rest.instruments(None).params == {"instType": "SWAP"}
        cursor = page(swap_line(), inverse_line(), market=market).cursor
        assert cursor is not None
        assert rest.instruments(cursor).params == {"instType": "FUTURES"}
        assert page(dated_line(), market=market).cursor is None
        assert page(market=market).cursor is None


def test_a_spot_pair_in_our_words() -> None:
    """Currencies come from their own fields; a pair settles in its quote."""
    assert one(spot_line(), Market.SPOT) == Instrument(
        exchange="okx",
        market=Market.SPOT,
        kind=Kind.SPOT,
        native_symbol="BTC-USDT",
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        settle="USDT",
        status=Status.TRADING,
        listed_time=datetime(2020, 11, 27, 9, 16, 12, tzinfo=UTC),
    )


def test_a_swap_in_our_words() -> None:
    """A contract's currencies come from its family, its size from value and multiplier."""
    instrument = one(swap_line(ctVal="0.1", ctMult="10"))
    assert (instrument.symbol, instrument.kind, instrument.market) == ("BTC-USDT-PERP", Kind.PERPETUAL, Market.LINEAR)
    assert (instrument.base, instrument.quote, instrument.settle) == ("BTC", "USDT", "USDT")
    assert (instrument.contract_size, instrument.multiplier) == (1.0, 1)


def test_a_dated_contract_is_named_by_its_delivery_day() -> None:
    """The symbol has the UTC day of delivery in full."""
    instrument = one(dated_line())
    assert (instrument.symbol, instrument.kind) == ("BTC-USDT-20260925", Kind.DATED)
    assert instrument.expiry_time == datetime(2026, 9, 25, 8, tzinfo=UTC)


def test_a_usd_margined_contract_does_not_clash_with_the_inverse_one() -> None:
    """Both have the underlying BTC-USD; their families tell them apart, underscore and all."""
    margined = one(swap_line(instId="BTC-USD_UM-SWAP", uly="BTC-USD", instFamily="BTC-USD_UM", settleCcy="USDⓈ"))
    assert (margined.symbol, margined.quote, margined.settle) == ("BTC-USD_UM-PERP", "USD_UM", "USDⓈ")
    assert one(inverse_line(), Market.INVERSE).symbol == "BTC-USD-PERP"


def test_each_market_keeps_its_own_lines() -> None:
    """The same page gives the linear market its contracts and the inverse market the others."""
    lines = (swap_line(), inverse_line(), swap_line(instId="ETH-USDT-SWAP", instFamily="ETH-USDT"))
    assert [each.symbol for each in page(*lines).instruments] == ["BTC-USDT-PERP", "ETH-USDT-PERP"]
    inverse = page(*lines, market=Market.INVERSE)
    assert [(each.symbol, each.contract_size) for each in inverse.instruments] == [("BTC-USD-PERP", 100.0)]
    assert inverse.skipped == ()


@pytest.mark.parametrize(
    ("state", "rule", "status"),
    [
        ("live", "normal", Status.TRADING),
        ("live", "xperp", Status.TRADING),
        ("live", None, Status.TRADING),
        ("live", "pre_market", Status.PRELAUNCH),
        ("live", "rebase_contract", Status.PRELAUNCH),
        ("preopen", "normal", Status.PRELAUNCH),
        ("test", "normal", Status.PRELAUNCH),
        ("suspend", "normal", Status.HALTED),
        ("suspend", "pre_market", Status.HALTED),
        ("rebase", "normal", Status.HALTED),
        ("post_only", "normal", Status.HALTED),
        ("settling", "normal", Status.HALTED),
    ],
)
def test_state_and_rule_give_the_status(state: str, rule: str | None, status: Status) -> None:
    """Only a live instrument under normal rules trades."""
    assert one(swap_line(state=state, ruleType=rule)).status is status


@pytest.mark.parametrize(
    ("category", "crypto"),
    [("1", True), ("", True), (None, True), ("3", False), ("4", False), ("5", False), ("6", False)],
)
def test_other_assets_than_coins_are_marked(category: str | None, crypto: bool) -> None:
    """Stocks, commodities, currencies and bonds are no crypto; an unsaid category is."""
    assert one(swap_line(instCategory=category)).crypto is crypto
    unsaid = swap_line()
    del unsaid["instCategory"]
    assert one(unsaid).crypto is True


def test_an_announced_end_of_a_swap_is_kept() -> None:
    """A perpetual contract that will be taken off the list keeps its name and says when."""
    instrument = one(swap_line(expTime=str(DELIVERY_MS)))
    assert (instrument.symbol, instrument.expiry_time) == ("BTC-USDT-PERP", datetime(2026, 9, 25, 8, tzinfo=UTC))


def test_a_mere_announcement_is_left_out_in_silence() -> None:
    """Before its listing a line may be all but empty: nothing to follow, nothing to report."""
    announced = {"instType": "SWAP", "instId": "NEW-USDT-SWAP", "listTime": str(LISTED_MS), "state": "preopen"}
    empty = swap_line(state="preopen", instFamily="", ctType="", settleCcy="", ctVal="", ctMult="")
    dated = dated_line(state="preopen", instId="")
    pair = spot_line(state="preopen", baseCcy="", quoteCcy="")
    assert page(announced, empty, dated, pair).skipped == ()
    assert page(announced, empty, dated, pair).instruments == ()


def test_an_announced_contract_with_its_fields_is_listed() -> None:
    """Once its fields are there, a contract is listed before it trades, its size known or not."""
    instrument = one(swap_line(state="preopen", ctVal="", ctMult=""))
    assert (instrument.status, instrument.contract_size) == (Status.PRELAUNCH, 1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"instType": "OPTION"},
        {"state": "dancing"},
        {"state": None},
        {"ctType": ""},
        {"ctType": "quanto"},
        {"instFamily": ""},
        {"instFamily": "BTC"},
        {"instFamily": "BTC-USD-T"},
        {"settleCcy": ""},
        {"ctVal": "x"},
        {"ctVal": "inf"},
        {"ctVal": "0"},
        {"listTime": "yesterday"},
        {"listTime": "9" * 5_000},
        {"listTime": 5},
        {"instCategory": 1},
    ],
)
def test_a_line_that_is_not_understood_is_named_and_the_rest_is_kept(changes: dict[str, Any]) -> None:
    """One odd line costs itself alone, in whichever market it might belong to."""
    odd = swap_line(**{"instId": "ODD-USDT-SWAP", **changes})
    for market, line in ((Market.LINEAR, swap_line()), (Market.INVERSE, inverse_line())):
        found = page(odd, line, market=market)
        assert [each.native_symbol for each in found.instruments] == [line["instId"]]
        assert len(found.skipped) == 1
        assert found.skipped[0].startswith("ODD-USDT-SWAP: ")


@pytest.mark.parametrize("line", [None, 1, "line", [], {}, {"instId": []}])
def test_a_line_without_a_name_is_named_by_its_number(line: object) -> None:
    """What has no name is still reported."""
    (skipped,) = page(swap_line(), line).skipped
    assert skipped.startswith("line 2: ")


def test_a_dated_contract_without_delivery_is_not_understood() -> None:
    """Without its day a dated contract has no name of ours."""
    assert len(page(dated_line(expTime="")).skipped) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"code":"50011","data":[]}', b'{"code":"0","data":{}}'])
def test_what_is_no_list_is_malformed(body: bytes) -> None:
    """Other answers are malformed."""
    with pytest.raises(MalformedAnswer):
        OKX.markets[Market.SPOT].rest.decode_instruments(body)


@given(
    st.dictionaries(
        st.sampled_from(sorted(swap_line())),
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["", "1", "-1", "1e999", "BTC-USD", "live", "SWAP"])
        | st.lists(st.integers(), max_size=2),
    )
)
def test_any_change_to_a_line_gives_an_instrument_or_a_report(changes: dict[str, Any]) -> None:
    """Whatever a field holds, the line becomes an instrument of its market, is left out or is reported."""
    for market in Market:
        found = page(swap_line(**changes), market=market)
        assert len(found.instruments) + len(found.skipped) <= 1
        assert all(each.market is market for each in found.instruments)
