"""Minutes that exchanges made, out of the folder of recordings, as deliveries. Values are never changed.

The recordings of minutes have open, high, low, close and volume. Where all columns are wanted, the others are modelled
on those of genuine quarter hours, which have them: that is said wherever figures of them are.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from streamer.domain.candle import Candle, Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series

_WEEK_MS = 7 * Interval.D1.milliseconds
_MINUTES = {  # file: exchange and symbol
    "binance_spot_BTCUSDT_1m_2025-06.csv": ("binance", "BTC-USDT"),
    "binance_spot_POWRBTC_1m_2018_thin.csv": ("binance", "POWR-BTC"),
    "binance_usdm_BTCUSDT_1m_2025-05.csv": ("binance", "BTC-USDT-PERP"),
    "bybit_linear_WIFUSDT_1m_2025-04_05.csv": ("bybit", "WIF-USDT-PERP"),
    "okx_spot_LTC-BTC_1m_2022-01_02_thin.csv": ("okx", "LTC-BTC"),
    "okx_spot_LTC-USDT_1m_2022-01.csv": ("okx", "LTC-USDT"),
    "okx_swap_BTC-USDT-SWAP_1m_2026-07_08.csv": ("okx", "BTC-USDT-PERP"),
}
_QUARTERS = ("binance_spot_BTCUSDT_15m_2025-06-02week.json", "binance_spot_BTCUSDT_15m_2025-06-09week.json")


class Shares(NamedTuple):
    """Of one genuine candle: where its mean price lies between low and high, trades per unit, what takers bought."""

    price: float
    trades: float
    bought: float


def genuine_minutes(folder: Path) -> Iterator[tuple[Series, list[Candle]]]:
    """Each recorded series of minutes, oldest first."""
    for name, (exchange, symbol) in _MINUTES.items():
        series = Series(exchange, symbol, Interval.M1)
        with (folder / "klines" / name).open(newline="") as lines:
            yield series, [_candle(series, row) for row in csv.DictReader(lines)]


def genuine_shares(folder: Path) -> list[Shares]:
    """What the modelled columns are modelled on, candle by candle."""
    shares: list[Shares] = []
    for name in _QUARTERS:
        for row in json.loads((folder / "rest" / name).read_text()):
            high, low, volume, quote, trades, taker = (float(row[place]) for place in (2, 3, 5, 7, 8, 9))
            shares.append(Shares((quote / volume - low) / (high - low), trades / volume, taker / volume))
    return shares


def delivered(
    series: Series, candles: Sequence[Candle], first_week_ms: int, shares: Sequence[Shares]
) -> Iterator[Delivery]:
    """The candles as live ones of another series, moved by whole weeks so that they begin in the given one.

    Each comes 20 to 500 ms after its end, to the microsecond. With ``shares`` the other columns are modelled.
    """
    random = Random(str(series))  # noqa: S311 - no secret, and the same in every run
    moved_ms = first_week_ms - (to_ms(candles[0].open_time) - to_ms(candles[0].open_time) % _WEEK_MS)
    for number, candle in enumerate(candles):
        prices = (candle.open, candle.high, candle.low, candle.close)
        made = make_candle(series, to_ms(candle.open_time) + moved_ms, prices, candle.volume)
        if shares:
            made = _with_all(made, shares[number % len(shares)])
        late = timedelta(microseconds=random.randint(20_000, 500_000))
        yield Delivery(made, Source.WS, made.open_time + Interval.M1.duration + late)


def _with_all(candle: Candle, share: Shares) -> Candle:
    price = candle.low + (candle.high - candle.low) * share.price
    quote, taker = round(candle.volume * price, 7), round(candle.volume * share.bought, 5)
    prices = (candle.open, candle.high, candle.low, candle.close)
    return make_candle(
        candle.series,
        to_ms(candle.open_time),
        prices,
        candle.volume,
        quote_volume=quote,
        trades=round(candle.volume * share.trades),
        taker_buy_volume=taker,
        taker_buy_quote_volume=round(quote * share.bought, 7),
    )


def _candle(series: Series, row: dict[str, str]) -> Candle:
    prices = (float(row["open"]), float(row["high"]), float(row["low"]), float(row["close"]))
    return make_candle(series, int(row["open_time_ms"]), prices, float(row.get("volume") or row["vol_base"]))
