"""The three REST sides: which rows, in which order, with which errors, in which units."""

from typing import Any

import orjson
import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.answering import Question, RestSide
from streamer.simulator.binance_rest import BinanceRest
from streamer.simulator.bybit_rest import BybitRest
from streamer.simulator.okx_rest import OkxRest
from streamer.simulator.tape import InventedTape
from tests.simulator.markets import MINUTE_MS, NOW_MS, RUNNING_MS, catalogue

TAPE = InventedTape(catalogue(symbols=800))
BINANCE, BYBIT, OKX = BinanceRest(TAPE), BybitRest(TAPE), OkxRest(TAPE)
KLINES = {Market.SPOT: "/api/v3/klines", Market.LINEAR: "/fapi/v1/klines", Market.INVERSE: "/dapi/v1/klines"}
SYMBOLS = {Market.SPOT: "BTCUSDT", Market.LINEAR: "BTCUSDT", Market.INVERSE: "BTCUSD_PERP"}


def ask(side: RestSide, path: str, market: Market = Market.SPOT, **params: Any) -> Any:
    """The decoded body of an answer."""
    question = Question(market, path, {name: str(value) for name, value in params.items()}, NOW_MS)
    return orjson.loads(side.answer(question).body)


def klines(market: Market, **params: Any) -> Any:
    """Binance's 1m candles of bitcoin."""
    return ask(BINANCE, KLINES[market], market, **{"symbol": SYMBOLS[market], "interval": "1m", **params})


def opens(rows: Any) -> list[int]:
    """Minutes before the running one, in the order of the answer."""
    return [(RUNNING_MS - int(row[0])) // MINUTE_MS for row in rows]


@pytest.mark.parametrize("market", list(Market))
def test_binance_gives_the_newest_rows_oldest_first(market: Market) -> None:
    """Without bounds: the last rows, the forming one included, 500 by default."""
    assert opens(klines(market, limit=3)) == [2, 1, 0]
    assert len(klines(market)) == 500


def test_binance_cuts_a_range_that_is_too_long_at_different_ends() -> None:
    """Both bounds and too small a limit: spot keeps the oldest, COIN-M the newest."""
    bounds: dict[str, Any] = {"startTime": RUNNING_MS - 10 * MINUTE_MS, "endTime": RUNNING_MS - MINUTE_MS, "limit": 3}
    assert opens(klines(Market.SPOT, **bounds)) == [10, 9, 8]
    assert opens(klines(Market.LINEAR, **bounds)) == [10, 9, 8]
    assert opens(klines(Market.INVERSE, **bounds)) == [3, 2, 1]


def test_binance_rounds_bounds_inwards_and_includes_them() -> None:
    """The start rounds up and the end down to an open time."""
    bounds: dict[str, Any] = {"startTime": RUNNING_MS - 5 * MINUTE_MS - 1, "endTime": RUNNING_MS - 2 * MINUTE_MS - 1}
    assert opens(klines(Market.SPOT, **bounds)) == [5, 4, 3]
    assert opens(klines(Market.SPOT, startTime=RUNNING_MS - 5 * MINUTE_MS, limit=2)) == [5, 4]
    assert opens(klines(Market.SPOT, endTime=RUNNING_MS - 5 * MINUTE_MS, limit=2)) == [6, 5]


def test_binance_limits_its_pages() -> None:
    """Spot clamps to 1,000, futures refuse more than 1,500."""
    assert len(klines(Market.SPOT, limit=5_000)) == 1_000
    assert len(klines(Market.LINEAR, limit=1_500)) == 1_500
    assert klines(Market.LINEAR, limit=1_501)["code"] == -1130


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOSUCH"}, -1121),
        ({"symbol": ""}, -1102),
        ({"interval": "7m"}, -1120),
        ({"start": 5}, -1104),
        ({"startTime": "soon"}, -1100),
    ],
)
def test_binance_refuses_what_makes_no_sense(params: dict[str, Any], code: int) -> None:
    """Each mistake has its documented code and HTTP 400."""
    assert klines(Market.SPOT, **params)["code"] == code


def test_binance_coin_margined_ranges_end_at_200_days() -> None:
    """A longer one gets the recorded error."""
    refused = klines(Market.INVERSE, startTime=NOW_MS - 201 * 86_400_000, endTime=NOW_MS)
    assert refused == {"code": -4088, "msg": "Maximum time interval is 200 days."}


@pytest.mark.parametrize(("limit", "weight"), [(1, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1_000, 5), (1_001, 10)])
def test_binance_futures_weigh_by_limit(limit: int, weight: int) -> None:
    """Both futures draw on one pool; spot has its own, at two a call."""
    for market in (Market.LINEAR, Market.INVERSE):
        cost = BINANCE.cost(Question(market, KLINES[market], {"limit": str(limit)}, NOW_MS))
        assert (cost.pool, cost.weight) == ("binance futures", weight)
    spot = BINANCE.cost(Question(Market.SPOT, KLINES[Market.SPOT], {"limit": str(limit)}, NOW_MS))
    assert (spot.pool, spot.weight) == ("binance spot", 2)


def test_coin_margined_turnover_is_in_coins() -> None:
    """Contracts of 100 dollars over the price give the base volume, as in the documentation's example."""
    (row,) = klines(Market.INVERSE, limit=1, endTime=RUNNING_MS - 1)
    assert float(row[5]) * 100 / float(row[4]) == pytest.approx(float(row[7]), rel=0.01)


def bybit(**params: Any) -> Any:
    """Bybit's 1m candles of bitcoin."""
    return ask(BYBIT, "/v5/market/kline", **{"category": "linear", "symbol": "BTCUSDT", "interval": "1", **params})


def test_bybit_rows_are_newest_first() -> None:
    """The forming candle comes first; both bounds are included, the newest rows survive."""
    assert opens(bybit(limit=3)["result"]["list"]) == [0, 1, 2]
    bounds: dict[str, Any] = {"start": RUNNING_MS - 9 * MINUTE_MS, "end": RUNNING_MS - 5 * MINUTE_MS}
    assert opens(bybit(**bounds)["result"]["list"]) == [5, 6, 7, 8, 9]
    assert opens(bybit(**bounds, limit=2)["result"]["list"]) == [5, 6]
    assert opens(bybit(start=RUNNING_MS - 9 * MINUTE_MS, limit=1)["result"]["list"]) == [9]
    assert len(bybit()["result"]["list"]) == 200


def test_bybit_errors_are_in_the_envelope() -> None:
    """An unknown symbol, interval or category is 10001; startTime is not a name that Bybit knows."""
    assert bybit(symbol="NOSUCH")["retCode"] == 10_001
    assert bybit(interval="1m")["retCode"] == 10_001
    assert bybit(category="moon")["retCode"] == 10_001
    assert opens(bybit(startTime=RUNNING_MS - 9 * MINUTE_MS, limit=1)["result"]["list"]) == [0]


def test_bybit_inverse_counts_dollars() -> None:
    """Volume is USD, turnover coins."""
    row = bybit(category="inverse", symbol="BTCUSD", limit=1, end=RUNNING_MS - 1)["result"]["list"][0]
    assert float(row[5]) / float(row[4]) == pytest.approx(float(row[6]), rel=0.01)


def test_bybit_pages_its_contracts_with_a_cursor() -> None:
    """Every trading contract comes once; spot comes whole and without a cursor."""
    names, cursor = [], ""
    while True:
        page = ask(BYBIT, "/v5/market/instruments-info", category="linear", limit=100, cursor=cursor)["result"]
        names += [one["symbol"] for one in page["list"]]
        assert len(page["list"]) <= 100
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    trading = [
        one.native for one in TAPE.catalogue.of_market("bybit", Market.LINEAR, NOW_MS) if one.native != "NEWCOINUSDT"
    ]
    assert names == trading
    assert len(names) > 300
    spot = ask(BYBIT, "/v5/market/instruments-info", category="spot", limit=1)["result"]
    assert len(spot["list"]) > 300
    assert "nextPageCursor" not in spot


def okx(endpoint: str = "candles", **params: Any) -> Any:
    """OKX's 1m candles of bitcoin."""
    return ask(OKX, f"/api/v5/market/{endpoint}", **{"instId": "BTC-USDT", "bar": "1m", **params})


def test_okx_bounds_are_exclusive_and_inverted() -> None:
    """``after`` means older than, ``before`` newer than; rows are newest first."""
    assert opens(okx(limit=3)["data"]) == [0, 1, 2]
    assert opens(okx(after=RUNNING_MS - 5 * MINUTE_MS, limit=2)["data"]) == [6, 7]
    assert opens(okx(before=RUNNING_MS - 3 * MINUTE_MS)["data"]) == [0, 1, 2]
    between: dict[str, Any] = {"before": RUNNING_MS - 9 * MINUTE_MS - 1, "after": RUNNING_MS - 6 * MINUTE_MS + 1}
    assert opens(okx(**between)["data"]) == [6, 7, 8, 9]


def test_okx_flags_the_forming_row_and_history_leaves_it_out() -> None:
    """Only the running candle has confirm 0; history lags a minute behind."""
    assert [row[8] for row in okx(limit=2)["data"]] == ["0", "1"]
    assert opens(okx("history-candles", limit=2)["data"]) == [2, 3]


def test_okx_limits_its_pages_and_its_reach() -> None:
    """100 rows by default and 300 at most; /candles ends 1,440 rows back, history does not."""
    assert (len(okx()["data"]), len(okx(limit=999)["data"])) == (100, 300)
    old: dict[str, Any] = {"after": RUNNING_MS - 2_000 * MINUTE_MS, "limit": 5}
    assert okx(**old)["data"] == []
    assert len(okx("history-candles", **old)["data"]) == 5


@pytest.mark.parametrize(
    ("params", "code"),
    [({"instId": "NO-SUCH"}, "51001"), ({"instId": ""}, "50014"), ({"bar": "1h"}, "51000"), ({"bar": "1s"}, "51000")],
)
def test_okx_refuses_what_makes_no_sense(params: dict[str, Any], code: str) -> None:
    """Each mistake has its documented code."""
    assert okx(**params)["code"] == code


@pytest.mark.parametrize(("name", "worth"), [("BTC-USDT-SWAP", 0.01), ("BTC-USD-SWAP", 100.0), ("PEPE-USDT-SWAP", 1e7)])
def test_okx_contracts_have_their_value(name: str, worth: float) -> None:
    """Coins, then money: contracts times their value, in coins or in dollars."""
    row = okx(instId=name, after=RUNNING_MS, limit=1)["data"][0]
    close, contracts, coins, money = (float(row[index]) for index in (4, 5, 6, 7))
    if name == "BTC-USD-SWAP":
        assert money == pytest.approx(contracts * worth)
    else:
        assert coins == pytest.approx(contracts * worth)
    assert money == pytest.approx(coins * close, rel=0.01)


def test_the_peculiar_instruments_are_listed() -> None:
    """Stocks, pre-launch, halted, multiplied, not ASCII, and OKX's USD-margined family."""
    spot = {one["symbol"]: one for one in ask(BINANCE, "/api/v3/exchangeInfo")["symbols"]}
    assert spot["LUNAUSDT"]["status"] == "HALT"
    assert "币安人生USDT" in spot
    linear = {one["symbol"]: one for one in ask(BINANCE, "/fapi/v1/exchangeInfo", Market.LINEAR)["symbols"]}
    assert linear["TSLAUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    assert linear["NEWCOINUSDT"]["status"] == "PENDING_TRADING"
    assert linear["1000PEPEUSDT"]["baseAsset"] == "1000PEPE"
    inverse = {one["symbol"]: one for one in ask(BINANCE, "/dapi/v1/exchangeInfo", Market.INVERSE)["symbols"]}
    assert (inverse["BTCUSD_PERP"]["contractSize"], inverse["ETHUSD_PERP"]["contractSize"]) == (100, 10)
    assert "status" not in inverse["BTCUSD_PERP"]
    swaps = {one["instId"]: one for one in ask(OKX, "/api/v5/public/instruments", instType="SWAP")["data"]}
    assert swaps["BTC-USD_UM-SWAP"]["instFamily"] == "BTC-USD_UM"
    assert swaps["BTC-USD_UM-SWAP"]["uly"] == "BTC-USD"
    assert swaps["BTC-USDT-SWAP"]["baseCcy"] == ""
    assert swaps["TSLA-USDT-SWAP"]["instCategory"] == "3"
    pre = ask(BYBIT, "/v5/market/instruments-info", category="linear", status="PreLaunch")["result"]["list"]
    assert [one["symbol"] for one in pre] == ["NEWCOINUSDT"]


def test_every_exchange_tells_its_time() -> None:
    """In its own unit and place."""
    assert ask(BINANCE, "/api/v3/time") == {"serverTime": NOW_MS}
    assert ask(BYBIT, "/v5/market/time")["result"]["timeNano"] == str(NOW_MS * 1_000_000)
    assert ask(OKX, "/api/v5/public/time")["data"] == [{"ts": str(NOW_MS)}]


def test_bybit_trades_at_no_seconds_and_binance_futures_neither() -> None:
    """1s candles exist on Binance spot and in OKX's history only."""
    assert len(ask(BINANCE, KLINES[Market.SPOT], symbol="BTCUSDT", interval=Interval.S1, limit=70)) == 70
    assert klines(Market.LINEAR, interval="1s")["code"] == -1120
    assert len(okx("history-candles", bar="1s", limit=70)["data"]) == 70
