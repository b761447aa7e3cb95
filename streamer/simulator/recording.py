"""Reads a recorded WebSocket session: a ``.jsonl`` of frames with a ``.recv`` of receive times beside it.

The exchange and market are told by the file's name (``binance_spot_…``, ``binance_usdm_…``, ``binance_coinm_…``,
``bybit_spot_…``, ``bybit_linear_…``, ``okx_spot_…``, ``okx_swap_…``, ``okcoin_…``). Instruments are made from the
symbols: the quote is the longest known one that the symbol ends with; a COIN-M contract is worth 100 dollars for BTC
and 10 for others. Nothing is played here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.simulator.binance_stream import INTERVALS as BINANCE_INTERVALS
from streamer.simulator.bybit_stream import INTERVALS as BYBIT_INTERVALS
from streamer.simulator.catalogue import Catalogue
from streamer.simulator.listing import Listing, Row
from streamer.simulator.okx_stream import INTERVALS as OKX_INTERVALS

_PLACES = {
    "binance_coinm": ("binance", Market.INVERSE),
    "binance_usdm": ("binance", Market.LINEAR),
    "binance": ("binance", Market.SPOT),
    "bybit_linear": ("bybit", Market.LINEAR),
    "bybit_spot": ("bybit", Market.SPOT),
    "okcoin": ("okx", Market.SPOT),
    "okx_spot": ("okx", Market.SPOT),
    "okx_swap": ("okx", Market.LINEAR),
}
_QUOTES = ("USDT", "BUSD", "USDC", "FDUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "BRL", "TRY", "EUR", "GBP", "BIDR")
_ANSWERS = frozenset({"event", "result", "op"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recorded candle in the exchange's own strings: open, high, low, close, volume, turnover, and takers' parts."""

    topic: str
    symbol: str
    interval: Interval
    open_ms: int
    closed: bool
    values: tuple[str, ...]
    trades: tuple[int, int, int] = (0, -1, -1)  # count, first and last id


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One line: seconds since the first, the text untouched, and its candles, if it holds any."""

    offset_s: float
    text: str
    candles: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A session, its instruments, and its closed candles by listing, interval and open time."""

    exchange: str
    market: Market
    start_s: float
    frames: Sequence[RecordedFrame]
    catalogue: Catalogue
    closed: Mapping[tuple[Listing, Interval], Mapping[int, Row]]


def read_recording(path: Path) -> Recording:
    """The session in ``path``; acknowledgements are left out.

    Raises:
        ConfigurationError: a file is missing, the two do not fit, or the name does not tell the exchange.
    """
    place = next((place for prefix, place in _PLACES.items() if path.name.startswith(prefix)), None)
    if place is None:
        known = ", ".join(f"{prefix}_" for prefix in _PLACES)
        raise ConfigurationError(f"{path.name} does not tell its exchange; names begin with one of {known}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        stamps = [float(line) for line in path.with_suffix(".recv").read_text(encoding="utf-8").split()]
        payloads = [orjson.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the recording {path} cannot be read: {error}") from None
    if not lines or len(lines) != len(stamps):
        raise ConfigurationError(f"{path} has {len(lines)} frames and {len(stamps)} receive times")
    exchange, market = place
    frames: list[RecordedFrame] = []
    spoken: list[Spoken] = []
    symbols: dict[str, None] = {}
    for line, stamp, payload in zip(lines, stamps, payloads, strict=True):
        if not isinstance(payload, dict) or (_ANSWERS & payload.keys() and "data" not in payload):
            continue
        try:
            candles = tuple(_candles(exchange, payload))
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path.name} holds a frame that {exchange} does not send: {error!r}") from None
        spoken += candles
        symbols.update(dict.fromkeys(one.symbol for one in candles))
        stream = payload.get("stream")
        if isinstance(stream, str):
            symbols[stream.partition("@")[0].upper()] = None
        frames.append(RecordedFrame(stamp - stamps[0], line, candles))
    listings = {symbol: _listing(exchange, market, symbol, spoken) for symbol in symbols}
    closed: dict[tuple[Listing, Interval], dict[int, Row]] = {}
    for candle in spoken:
        if candle.closed:
            listing = listings[candle.symbol]
            closed.setdefault((listing, candle.interval), {})[candle.open_ms] = _row(listing, candle)
    return Recording(exchange, market, stamps[0], frames, Catalogue.of(listings.values()), closed)


def _candles(exchange: str, payload: dict[str, Any]) -> Iterator[Spoken]:
    if exchange == "binance":
        data = payload.get("data", payload)
        candle = data.get("k") if isinstance(data, dict) else None
        if isinstance(candle, dict) and candle["i"] in BINANCE_INTERVALS:
            topic = f"{candle['s'].lower()}@kline_{candle['i']}"
            values = tuple(candle[key] for key in "ohlcvqVQ")
            interval, trades = BINANCE_INTERVALS[candle["i"]], (candle["n"], candle["f"], candle["L"])
            yield Spoken(topic, candle["s"], interval, candle["t"], candle["x"], values, trades)
    elif exchange == "bybit":
        topic = payload.get("topic", "")
        if topic.startswith("kline."):
            _, spelling, symbol = topic.split(".", 2)
            for item in payload["data"] if spelling in BYBIT_INTERVALS else ():
                values = tuple(item[key] for key in ("open", "high", "low", "close", "volume", "turnover"))
                yield Spoken(topic, symbol, BYBIT_INTERVALS[spelling], item["start"], item["confirm"], values)
    else:
        argument = payload.get("arg", {})
        spelling = str(argument.get("channel", "")).removeprefix("candle")
        for item in payload.get("data", ()) if spelling in OKX_INTERVALS else ():
            topic = f"{argument['channel']}:{argument['instId']}"
            values = (*item[1:6], item[7])
            yield Spoken(topic, argument["instId"], OKX_INTERVALS[spelling], int(item[0]), item[8] == "1", values)


def _listing(exchange: str, market: Market, symbol: str, spoken: Sequence[Spoken]) -> Listing:
    pair, _, tail = symbol.partition("_")
    if exchange == "okx":
        base, quote, *rest = symbol.split("-")
        tail = rest[0] if rest else ""
    else:
        quote = max((one for one in _QUOTES if pair.endswith(one)), key=len, default="")
        base = pair.removesuffix(quote)
    kind = Kind.SPOT if market is Market.SPOT else Kind.DATED if tail.isdigit() else Kind.PERPETUAL
    values = [one.values for one in spoken if one.symbol == symbol]
    return Listing(
        exchange=exchange,
        market=market,
        kind=kind,
        native=symbol,
        base=base,
        quote=quote,
        settle=base if market is Market.INVERSE else quote,
        price=1.0,
        price_decimals=_decimals(part for one in values for part in one[:4]),
        volume_decimals=_decimals(part for one in values for part in (one[4], *one[6:7])),
        turnover_decimals=_decimals(part for one in values for part in (one[5], *one[7:8])),
        size=1 if market is not Market.INVERSE else 100 if base == "BTC" else 10,
        family=f"{base}-{quote}",
        expiry_ms=_expiry_ms(tail) if kind is Kind.DATED else None,
    )


def _expiry_ms(day: str) -> int:
    return int(datetime.strptime(day, "%y%m%d").replace(hour=8, tzinfo=UTC).timestamp()) * 1_000


def _decimals(texts: Iterator[str]) -> int:
    return max((len(text.partition(".")[2]) for text in texts), default=8)


def _units(text: str, decimals: int) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(decimals, "0"))


def _row(listing: Listing, candle: Spoken) -> Row:
    opened, high, low, close, volume, turnover, *takers = candle.values
    count, first_id, last_id = candle.trades
    prices, volumes, amounts = listing.price_decimals, listing.volume_decimals, listing.turnover_decimals
    taker_volume, taker_turnover = takers or ("0", "0")
    return Row(
        candle.open_ms,
        _units(opened, prices),
        _units(high, prices),
        _units(low, prices),
        _units(close, prices),
        _units(volume, volumes),
        _units(turnover, amounts),
        count,
        _units(taker_volume, volumes),
        _units(taker_turnover, amounts),
        first_id,
        last_id,
    )
