"""Live candles that differ from what REST said go to the exchange that can ask again."""

from collections.abc import Sequence

from streamer.app.service import contest
from streamer.domain.candle import Delivery, Source, make_candle
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from tests.fakes.keeping import at


class Asked:
    """Remembers what it was handed."""

    def __init__(self) -> None:
        self.series: list[Series] = []

    def contest(self, contested: Sequence[Delivery]) -> None:
        """Remember."""
        self.series += [one.candle.series for one in contested]


def delivery(exchange: str) -> Delivery:
    """A live candle."""
    series = Series(exchange, "BTC-USDT", Interval.M1)
    return Delivery(make_candle(series, to_ms(at(0)), (1.0, 2.0, 1.0, 2.0), 3.0), Source.WS, at(1))


def test_what_a_spool_brings_of_an_exchange_that_is_followed_no_longer_is_left_alone() -> None:
    """The others are asked for."""
    binance, bybit = Asked(), Asked()
    contest({"binance": binance, "bybit": bybit}, [delivery(name) for name in ("okx", "bybit", "okx", "binance")])
    assert [one.exchange for one in (*binance.series, *bybit.series)] == ["binance", "bybit"]
