"""Case folders under ``tests/fixtures/<exchange>``: what each holds, and how events are written in them.

A case is a folder with ``case.json`` (market and subscriptions), ``frame.json`` or ``frame.txt``, and ``expected.json``
or ``expected_error.txt``. Nothing here knows one exchange from another.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

from streamer.domain.candle import Candle
from streamer.domain.events import (
    CandleClosed,
    CandleForming,
    CandleRefused,
    FeedEvent,
    FrameIgnored,
    HeartbeatReceived,
    NoticeReceived,
    SubscriptionConfirmed,
    SubscriptionRejected,
    UnsubscriptionConfirmed,
)
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.protocol.adapter import ExchangeAdapter, Subscription
from tests.paths import FIXTURES, recordings

_SHORT_BYTES = 20_000


@dataclass(frozen=True)
class Case:
    """One case folder, read."""

    exchange: str
    name: str
    market: Market
    followed: tuple[tuple[Instrument, Interval], ...]
    frame: str
    source: str
    expected: list[dict[str, Any]] | None
    error: str | None

    @property
    def closes(self) -> bool:
        """Whether its frame brings a closed candle."""
        return any(event["event"] == "CandleClosed" for event in self.expected or ())

    def subscriptions(self, adapter: ExchangeAdapter) -> dict[str, Subscription]:
        """What the connection follows, by topic."""
        topic_of = adapter.markets[self.market].stream.topic
        found = {}
        for instrument, interval in self.followed:
            topic = topic_of(instrument, interval)
            found[topic] = Subscription(Series(self.exchange, instrument.symbol, interval), instrument, topic)
        return found


def cases(exchange: str | None = None) -> Iterator[Case]:
    """Every case of ``exchange``, or of all, in the order of their paths."""
    for path in sorted(FIXTURES.glob(f"{exchange or '*'}/*/case.json")):
        yield _read(path.parent)


def bodies(exchange: str) -> list[bytes]:
    """The REST answers in the exchange's ``rest/`` fixtures and, where they lie here, its short recordings."""
    recorded = recordings()
    found = sorted(FIXTURES.glob(f"{exchange}/rest/*.json"))
    found += sorted((recorded / "rest").glob(f"{exchange}_*.json")) if recorded else []
    return [path.read_bytes() for path in found if path.stat().st_size < _SHORT_BYTES] or [b"{}"]


def describe(event: FeedEvent) -> dict[str, Any]:
    """``event`` as ``expected.json`` spells it."""
    told: dict[str, Any]
    match event:
        case CandleClosed(candle, sent_ms):
            told = _figures(candle) | {"sent_ms": sent_ms}
        case CandleForming(series, sent_ms):
            told = _series(series) | {"sent_ms": sent_ms}
        case CandleRefused(series, open_ms, reason):
            told = _series(series) | {"open_time_ms": open_ms, "reason": reason}
        case (
            SubscriptionConfirmed()
            | SubscriptionRejected()
            | UnsubscriptionConfirmed()
            | HeartbeatReceived()
            | NoticeReceived()
            | FrameIgnored()
        ):
            told = asdict(event)
        case _:
            assert_never(event)
    return {"event": type(event).__name__, **told}


def _series(series: Series) -> dict[str, Any]:
    return {"symbol": series.symbol, "interval": series.interval.value}


def _figures(candle: Candle) -> dict[str, Any]:
    figures = asdict(candle)
    del figures["series"], figures["open_time"]
    return _series(candle.series) | {"open_time_ms": to_ms(candle.open_time)} | figures


def _read(folder: Path) -> Case:
    facts = json.loads((folder / "case.json").read_text())
    exchange, market = folder.parent.name, Market(facts["market"])
    frames = [folder / name for name in ("frame.json", "frame.txt") if (folder / name).exists()]
    expected, error = folder / "expected.json", folder / "expected_error.txt"
    assert len(frames) == 1, f"{folder} must hold frame.json or frame.txt, not both"
    assert expected.exists() != error.exists(), f"{folder} must hold expected.json or expected_error.txt, not both"
    return Case(
        exchange=exchange,
        name=folder.name,
        market=market,
        followed=tuple(_followed(exchange, market, line) for line in facts["subscriptions"]),
        frame=frames[0].read_text().removesuffix("\n"),  # editors end every file with one; exchanges send none
        source=facts["source"],
        expected=json.loads(expected.read_text()) if expected.exists() else None,
        error=error.read_text().strip() if error.exists() else None,
    )


def _followed(exchange: str, market: Market, line: Mapping[str, Any]) -> tuple[Instrument, Interval]:
    instrument = Instrument(
        exchange=exchange,
        market=market,
        kind=Kind(line["kind"]),
        native_symbol=line["native_symbol"],
        symbol=line["symbol"],
        base=line["base"],
        quote=line["quote"],
        settle=line["settle"],
        status=Status.TRADING,
        contract_size=line.get("contract_size", 1.0),
    )
    return instrument, Interval(line["interval"])
