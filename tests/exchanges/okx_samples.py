"""Instruments and frames of OKX that its tests share, written by hand."""

import json
from collections.abc import Sequence

from streamer.domain.events import FeedEvent
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.exchanges.okx import OKX
from streamer.protocol.adapter import Subscription

OPEN_MS = 1_786_538_760_000  # 2026-08-12 12:46 UTC


def spot(base: str = "BTC", quote: str = "USDT") -> Instrument:
    """A spot pair that trades."""
    return Instrument(
        exchange="okx",
        market=Market.SPOT,
        kind=Kind.SPOT,
        native_symbol=f"{base}-{quote}",
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        settle=quote,
        status=Status.TRADING,
    )


def swap(market: Market = Market.LINEAR) -> Instrument:
    """The perpetual contract on bitcoin of one market."""
    quote = "USDT" if market is Market.LINEAR else "USD"
    return Instrument(
        exchange="okx",
        market=market,
        kind=Kind.PERPETUAL,
        native_symbol=f"BTC-{quote}-SWAP",
        symbol=f"BTC-{quote}-PERP",
        base="BTC",
        quote=quote,
        settle="USDT" if market is Market.LINEAR else "BTC",
        status=Status.TRADING,
        contract_size=0.01 if market is Market.LINEAR else 100.0,
    )


def series_of(instrument: Instrument, interval: Interval = Interval.M1) -> Series:
    """The series of an instrument."""
    return Series("okx", instrument.symbol, interval)


def follow(*instruments: Instrument, interval: Interval = Interval.M1) -> dict[str, Subscription]:
    """The subscriptions of one connection by topic."""
    topics = [(OKX.markets[each.market].stream.topic(each, interval), each) for each in instruments]
    return {topic: Subscription(series_of(each, interval), each, topic) for topic, each in topics}


def decode(frame: str | bytes, *instruments: Instrument, interval: Interval = Interval.M1) -> Sequence[FeedEvent]:
    """What a frame means to a connection that follows ``instruments``; bitcoin on spot where none are named."""
    followed = instruments or (spot(),)
    stream = OKX.markets[followed[0].market].stream
    return stream.decode(frame, follow(*followed, interval=interval))


def answer(*rows: Sequence[object], code: str = "0", text: str = "") -> bytes:
    """The body of a REST answer."""
    return json.dumps({"code": code, "msg": text, "data": rows}).encode()


def row(open_ms: int, confirm: str = "1", price: str = "64000", volume: str = "1") -> list[str]:
    """Nine strings of one candle at one price."""
    return [str(open_ms), price, price, price, price, volume, volume, volume, confirm]
