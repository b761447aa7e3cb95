"""What was published, for tests to compare with what was stored: the truth, and which candles went out closed."""

from dataclasses import dataclass

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.listing import Listing, Row


@dataclass(frozen=True, slots=True)
class Published:
    """A candle in the units of the users' schema: each figure is the nearest double to what the exchange writes."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int | None
    taker_buy_volume: float | None
    taker_buy_quote_volume: float | None
    sent_closed: bool


def published(listing: Listing, row: Row, *, sent_closed: bool) -> Published:
    """``row`` in base and quote units; trades and takers where the exchange tells them (Binance)."""
    prices = 10**listing.price_decimals
    volume, quote_volume = _volumes(listing, row.volume, row.turnover)
    told = listing.exchange == "binance"
    taker, taker_quote = _volumes(listing, row.taker_volume, row.taker_turnover)
    return Published(
        row.open_ms,
        row.open / prices,
        row.high / prices,
        row.low / prices,
        row.close / prices,
        volume,
        quote_volume,
        row.trades if told else None,
        taker if told else None,
        taker_quote if told else None,
        sent_closed,
    )


def _volumes(listing: Listing, volume: int, turnover: int) -> tuple[float, float]:
    counted = volume * listing.size / 10 ** (listing.volume_decimals + listing.size_decimals)
    turned = turnover / 10**listing.turnover_decimals
    return (turned, counted) if listing.market is Market.INVERSE else (counted, turned)


class Ledger:
    """Which closed candles were sent to at least one subscriber, as runs of open times."""

    def __init__(self) -> None:
        self._runs: dict[tuple[Listing, Interval], list[list[int]]] = {}

    def sent(self, listing: Listing, interval: Interval, open_ms: int) -> None:
        """Note a closing frame."""
        runs = self._runs.setdefault((listing, interval), [])
        if runs and runs[-1][1] == open_ms - interval.milliseconds:
            runs[-1][1] = open_ms
        elif not runs or not runs[-1][0] <= open_ms <= runs[-1][1]:
            runs.append([open_ms, open_ms])

    def was_sent(self, listing: Listing, interval: Interval, open_ms: int) -> bool:
        """Whether the candle went out closed."""
        return any(first <= open_ms <= last for first, last in self._runs.get((listing, interval), ()))
