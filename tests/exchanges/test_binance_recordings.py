"""Binance's own frames and answers, tested where they lie."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.domain.candle import Candle
from streamer.domain.errors import MalformedAnswer, Refused
from streamer.domain.events import CandleClosed, CandleForming, FeedEvent, FrameIgnored
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.exchanges.binance import BINANCE
from streamer.protocol.adapter import Subscription
from tests.exchanges.binance_samples import instrument, subscribed
from tests.paths import recordings

QUOTES = ("USDT", "BUSD", "BTC", "BRL", "USD")
KLINES = {  # frames of candles, of them closed
    "binance_spot_2021-08-14": (17, 2),
    "binance_usdm_2021-07-22": (67, 4),
    "binance_coinm_2021-07-22": (33, 0),
    "binance_us_spot_2021-10-12": (5, 1),
    "binance_tr_spot_2023-04-10": (8, 4),
}
SINGLE = {"binance_2022_single_frames": 2, "binance_spot_2026-08-12_ccxt": 2, "binance_usdm_2026-08-12_ccxt": 2}
ANSWERS = {
    "binance_spot_BTCUSDT_1m_60rows_2020-05-06": 60,
    "binance_spot_BTCUSDT_1h_1000rows_2020-05": 1_000,
    "binance_spot_BTCUSDT_1h_2025-06": 720,
    "binance_spot_BTCUSDT_1h_2023-03_outage": 743,
    "binance_spot_BTCUSDT_1d_2024-2025": 731,
    "binance_spot_BTCUSDT_1d_2022-2023": 730,
    "binance_spot_BTCUSDT_15m_2025-06-02week": 672,
    "binance_spot_BTCUSDT_15m_2025-06-09week": 672,
    "binance_usdm_LTCUSDT_5m_500rows_2020-10": 500,
    "binance_usdm_BTCUSDT_1d_6rows_2023-01": 6,
    "binance_usdm_BTC_1h_2rows_2026-08-15": 2,
    "binance_coinm_BTCUSD_PERP_1d_6rows_2023-01": 6,
    "binance_coinm_LTCUSD_PERP_5m_2020-12": 5,
}


@pytest.fixture
def folder() -> Path:
    """The folder of recordings; a test that needs it is skipped where it is absent."""
    found = recordings()
    if found is None:
        pytest.skip("the folder of recordings is absent (STREAMER_TEST_DATA names another)")
    return found


def market_of(name: str) -> Market:
    """The market that a file's name tells."""
    return Market.INVERSE if "coinm" in name else Market.LINEAR if "usdm" in name else Market.SPOT


def instrument_of(market: Market, native: str) -> Instrument:
    """An instrument for a recorded symbol; a dated contract passes for a perpetual, which decoding never asks."""
    pair = native.partition("_")[0]
    quote = next(quote for quote in QUOTES if pair.endswith(quote))
    return instrument(market, native, pair.removesuffix(quote), quote)


def follow(market: Market, frames: list[bytes]) -> dict[str, Subscription]:
    """Subscriptions to every series that has a candle in ``frames``."""
    subscriptions: dict[str, Subscription] = {}
    for frame in frames:
        message = json.loads(frame)
        event = message.get("data", message)
        if event.get("e") == "kline":
            subscriptions |= subscribed(instrument_of(market, event["s"]), Interval(event["k"]["i"]))
    return subscriptions


def decoded(market: Market, frames: list[bytes]) -> list[FeedEvent]:
    """The events of all frames, one after the other."""
    subscriptions = follow(market, frames)
    return [event for frame in frames for event in BINANCE.markets[market].stream.decode(frame, subscriptions)]


def closing(frames: list[bytes]) -> list[bytes]:
    """The frames, each said to be closed."""
    return [frame.replace(b'"x":false', b'"x":true') for frame in frames]


def candles_of(events: list[FeedEvent]) -> list[Candle]:
    """The closed candles among the events."""
    return [event.candle for event in events if isinstance(event, CandleClosed)]


def assert_units(candle: Candle) -> None:
    """The average price, which is quote volume by volume, lies between low and high: only in the right units."""
    assert candle.quote_volume is not None
    assert candle.taker_buy_volume is not None
    assert candle.taker_buy_volume <= candle.volume
    if candle.volume > 0:
        assert candle.low * (1 - 1e-4) <= candle.quote_volume / candle.volume <= candle.high * (1 + 1e-4)


@pytest.mark.parametrize("name", KLINES)
def test_recorded_sessions_hold_the_candles_they_are_said_to(folder: Path, name: str) -> None:
    """Every frame of a session decodes; candles forming and closed are as many as the catalogue says."""
    frames = (folder / "frames" / "sessions" / f"{name}.jsonl").read_bytes().splitlines()
    counts = Counter(type(event) for event in decoded(market_of(name), frames))
    candles, closed = KLINES[name]
    assert (counts[CandleForming], counts[CandleClosed]) == (candles - closed, closed)
    assert counts[FrameIgnored] == len(frames) - candles
    assert counts.keys() <= {CandleForming, CandleClosed, FrameIgnored}


@pytest.mark.parametrize("name", KLINES)
def test_recorded_sessions_hold_no_unknown_stream(folder: Path, name: str) -> None:
    """Books and trades of the recordings are known by name, spot's nameless best bid and ask included."""
    frames = (folder / "frames" / "sessions" / f"{name}.jsonl").read_bytes().splitlines()
    kinds = {event.kind for event in decoded(market_of(name), frames) if isinstance(event, FrameIgnored)}
    assert kinds <= {"depthUpdate", "bookTicker", "aggTrade"}


@pytest.mark.parametrize("name", KLINES)
def test_recorded_closed_candles_have_the_values_of_their_frames(folder: Path, name: str) -> None:
    """What the exchange closed is what comes out, value by value, read here a second way."""
    frames = (folder / "frames" / "kline" / f"{name}.kline.jsonl").read_bytes().splitlines()
    candles = candles_of(decoded(market_of(name), frames))
    klines = [message["data"]["k"] for message in map(json.loads, frames) if message["data"]["k"]["x"]]
    assert len(candles) == KLINES[name][1]
    for candle, kline in zip(candles, klines, strict=True):
        assert to_ms(candle.open_time) == kline["t"]
        prices = [candle.open, candle.high, candle.low, candle.close]
        assert prices == [float(kline[key]) for key in "ohlc"]
        assert [candle.volume, candle.quote_volume] == [float(kline["v"]), float(kline["q"])]
        assert [candle.taker_buy_volume, candle.taker_buy_quote_volume] == [float(kline["V"]), float(kline["Q"])]
        assert candle.trades == kline["n"]


@pytest.mark.parametrize("name", KLINES)
def test_recorded_candles_are_in_base_and_quote_units(folder: Path, name: str) -> None:
    """Each recorded candle, taken for closed, has an average price between its low and its high: COIN-M's too."""
    frames = closing((folder / "frames" / "kline" / f"{name}.kline.jsonl").read_bytes().splitlines())
    candles = candles_of(decoded(market_of(name), frames))
    assert len(candles) == KLINES[name][0]
    for candle in candles:
        assert_units(candle)


@pytest.mark.parametrize("name", SINGLE)
def test_later_frames_are_forming_candles(folder: Path, name: str) -> None:
    """Frames of 2022 and of 2026, wrapped and not, are signs of life of their series."""
    frames = (folder / "frames" / "kline" / f"{name}.jsonl").read_bytes().splitlines()
    counts = Counter(type(event) for event in decoded(market_of(name), frames))
    assert (counts[CandleForming], counts[CandleClosed]) == (SINGLE[name], 0)
    assert sum(counts.values()) == len(frames)


@pytest.mark.parametrize("name", ["binance_spot_2026-08-12_ccxt", "binance_usdm_2026-08-12_ccxt"])
def test_another_project_reads_the_same_values(folder: Path, name: str) -> None:
    """Taken for closed, the frames of 2026 give the values that the project that saved them expects."""
    frames = closing((folder / "frames" / "kline" / f"{name}.jsonl").read_bytes().splitlines())
    expected: list[list[Any]] = json.loads((folder / "frames" / "kline" / f"{name}.expected.json").read_bytes())
    candles = candles_of(decoded(market_of(name), frames))
    values = [[to_ms(each.open_time), each.open, each.high, each.low, each.close, each.volume] for each in candles]
    assert values == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_recorded_answers_decode_whole(folder: Path, name: str) -> None:
    """Every recorded answer gives all its rows, oldest first, none refused, in base and quote units."""
    _, _, native, *rest = name.split("_")
    native = "BTCUSDT" if native == "BTC" else f"{native}_PERP" if rest[0] == "PERP" else native
    interval = Interval(rest[1] if rest[0] == "PERP" else rest[0])
    market = market_of(name)
    item = instrument_of(market, native)
    body = (folder / "rest" / f"{name}.json").read_bytes()
    page = BINANCE.markets[market].rest.decode_candles(body, Series("binance", item.symbol, interval), item)
    assert len(page.rows) == ANSWERS[name]
    assert page.refused == {}
    written = orjson.loads(body)
    assert [row.candle.open_time for row in page.rows] == [from_ms(row[0]) for row in written]
    for row, line in zip(page.rows, written, strict=True):
        assert row.closed is None
        assert row.candle.close == float(line[4])
        assert row.candle.trades == line[8]
        assert_units(row.candle)


def test_every_recorded_answer_is_tested(folder: Path) -> None:
    """A recording that is added must be looked at."""
    names = {path.stem for path in (folder / "rest").glob("binance_*.json")}
    assert names - {"binance_coinm_error_range_too_long"} == set(ANSWERS)


def test_the_recorded_error_is_a_refusal_and_never_a_page(folder: Path) -> None:
    """A range that is too long is refused under status 400, and no page even under 200."""
    body = (folder / "rest" / "binance_coinm_error_range_too_long.json").read_bytes()
    rest = BINANCE.markets[Market.INVERSE].rest
    item = instrument_of(Market.INVERSE, "BTCUSD_PERP")
    assert isinstance(rest.fault(400, {}, body), Refused)
    with pytest.raises(MalformedAnswer):
        rest.decode_candles(body, Series("binance", item.symbol, Interval.D1), item)
