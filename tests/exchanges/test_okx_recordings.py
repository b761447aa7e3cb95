"""Frames and answers that OKX and its sister venue OKCoin really sent, read where they lie."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamer.domain.errors import MalformedFrame
from streamer.domain.events import CandleClosed, CandleForming, FrameIgnored, SubscriptionConfirmed
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.okx import OKX
from tests.exchanges.okx_samples import OPEN_MS, decode, follow, series_of, spot, swap
from tests.paths import recordings

OKCOIN_PAIRS = (spot("USDC"), spot("ETH", "USD"), spot("BTC", "USD"), spot("USDT", "USD"))
OKCOIN_OPEN_MS = 1_685_221_620_000


@pytest.fixture
def folder() -> Path:
    """The folder of recordings."""
    found = recordings()
    if found is None:
        pytest.skip("the folder of recordings is absent (STREAMER_TEST_DATA)")
    return found


def lines_of(path: Path) -> list[str]:
    """The frames of a recording, one a line."""
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "name", ["frames/kline/okcoin_v5_spot_2023-05-27.kline.jsonl", "frames/sessions/okcoin_v5_spot_2023-05-27.jsonl"]
)
def test_the_okcoin_session_closes_one_candle_of_each_pair(folder: Path, name: str) -> None:
    """Across a minute's end, each of four pairs gives one closed candle and two forming ones."""
    subscriptions = follow(*OKCOIN_PAIRS)
    stream = OKX.markets[Market.SPOT].stream
    events = [event for line in lines_of(folder / name) for event in stream.decode(line, subscriptions)]
    closed = [event for event in events if isinstance(event, CandleClosed)]
    assert sorted(event.candle.series.symbol for event in closed) == ["BTC-USD", "ETH-USD", "USDC-USDT", "USDT-USD"]
    assert {to_ms(event.candle.open_time) for event in closed} == {OKCOIN_OPEN_MS}
    assert {(event.candle.volume, event.candle.quote_volume) for event in closed} == {(0.0, 0.0)}
    bitcoin = next(event.candle for event in closed if event.candle.series.symbol == "BTC-USD")
    assert (bitcoin.open, bitcoin.high, bitcoin.low, bitcoin.close) == (26800.0, 26800.0, 26800.0, 26800.0)
    assert sum(isinstance(event, CandleForming) for event in events) == 8


def test_the_okcoin_session_acknowledges_each_topic_four_times(folder: Path) -> None:
    """Acknowledgements name their topic, come again, and those of other channels name theirs."""
    lines = lines_of(folder / "frames/sessions/okcoin_v5_spot_2023-05-27.jsonl")
    events = [event for line in lines for event in decode(line, *OKCOIN_PAIRS)]
    topics = Counter(event.topic for event in events if isinstance(event, SubscriptionConfirmed))
    assert {topic: count for topic, count in topics.items() if (topic or "").startswith("candle")} == dict.fromkeys(
        follow(*OKCOIN_PAIRS), 4
    )
    assert "books:USDC-USDT" in topics
    ignored = Counter(event.kind for event in events if isinstance(event, FrameIgnored))
    assert ignored == {"tickers": 8, "books": 6, "trades": 4}


@pytest.mark.parametrize(
    ("name", "instrument"), [("okx_spot_2026-08-12_ccxt", spot()), ("okx_swap_2026-08-12_ccxt", swap())]
)
def test_captured_frames_hold_the_values_that_their_source_expects(
    folder: Path, name: str, instrument: Instrument
) -> None:
    """Prices and base volumes agree; the swap's expected volume is in coins, as ours, and not in contracts."""
    expected = json.loads((folder / f"frames/kline/{name}.expected.json").read_text(encoding="utf-8"))
    found: list[list[Any]] = []
    confirmed = 0
    for line in lines_of(folder / f"frames/kline/{name}.jsonl"):
        (event,) = decode(line, instrument)
        if isinstance(event, SubscriptionConfirmed):
            confirmed += 1
            continue
        assert event == CandleForming(series_of(instrument))
        frame = json.loads(line)
        frame["data"][0][8] = "1"  # all were captured while forming: only a closed candle's figures are read
        (closed,) = decode(json.dumps(frame), instrument)
        assert isinstance(closed, CandleClosed)
        candle = closed.candle
        found.append(
            [to_ms(candle.open_time), candle.open, candle.high, candle.low, candle.close, candle.volume],
        )
        assert candle.quote_volume == float(frame["data"][0][7])
    assert found == expected
    assert confirmed == 1


def test_rows_of_seven_elements_never_become_candles(folder: Path) -> None:
    """Frames of 2022 say neither their quote volume nor whether they are closed: malformed, all three."""
    dated = swap(Market.INVERSE)
    subscriptions = follow(spot(), swap(), dated)
    subscriptions["candle1m:BTC-USD-220624"] = subscriptions["candle1m:BTC-USD-SWAP"]
    lines = lines_of(folder / "frames/kline/okx_spot_swap_futures_2022_7field.jsonl")
    assert len(lines) == 3
    for line in lines:
        with pytest.raises(MalformedFrame) as raised:
            OKX.markets[Market.SPOT].stream.decode(line, subscriptions)
        assert raised.value.kind == "wrong_shape"


def test_a_recorded_answer_of_hours_is_read_in_coins(folder: Path) -> None:
    """Newest first on the wire, oldest first here; the hour that still forms says so."""
    instrument = swap()
    body = (folder / "rest/okx_swap_BTC_1h_2rows_2026-08-15.json").read_bytes()
    page = OKX.markets[Market.LINEAR].rest.decode_candles(body, series_of(instrument, Interval.H1), instrument)
    assert [to_ms(each.candle.open_time) for each in page.rows] == [1_786_816_800_000, 1_786_820_400_000]
    assert [each.closed for each in page.rows] == [True, False]
    closed = page.rows[0].candle
    assert (closed.open, closed.high, closed.low, closed.close) == (63045.5, 63081.5, 63013.7, 63028.0)
    assert (closed.volume, closed.quote_volume, closed.trades) == (321.0118, 20234523.14448, None)


def test_a_recorded_hong_kong_day_is_off_the_utc_boundary(folder: Path) -> None:
    """The bar ``1D`` opens at 16:00 UTC, so neither of its rows can pass for a day of ours."""
    instrument = spot()
    body = (folder / "rest/okx_spot_BTC-USDT_1D_2rows_2026-07.json").read_bytes()
    rest = OKX.markets[Market.SPOT].rest
    assert rest.fault(200, {}, body) is None
    page = rest.decode_candles(body, series_of(instrument, Interval.D1), instrument)
    assert page.rows == ()
    assert page.refused == {"off_boundary": 2}


def test_the_same_days_read_as_hours_have_the_volumes_of_spot(folder: Path) -> None:
    """The recorded spot rows, taken for another length, give base and quote volume from their own elements."""
    instrument = spot()
    body = (folder / "rest/okx_spot_BTC-USDT_1D_2rows_2026-07.json").read_bytes()
    page = OKX.markets[Market.SPOT].rest.decode_candles(body, series_of(instrument, Interval.H4), instrument)
    assert [(each.candle.volume, each.candle.quote_volume, each.closed) for each in page.rows] == [
        (4481.85464847, 287506892.157491959, True),
        (53.44396732, 3417848.682242563, False),
    ]
    assert to_ms(page.rows[0].candle.open_time) < OPEN_MS
