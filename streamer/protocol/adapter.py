"""The contract with an exchange: a value of facts and pure functions.

An adapter never connects, retries, sleeps, logs or counts; it says what to send and what an answer means. A fourth
exchange is one more folder under ``exchanges`` and no edit elsewhere.

A *topic* is the exchange's wire name of one series on one connection (``btcusdt@kline_1m``); within a connection it
is unique.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from streamer.domain.candle import Candle
from streamer.domain.errors import HistoryError, ImpossibleCandle
from streamer.domain.events import FeedEvent
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series


class Ping(StrEnum):
    """A heartbeat that is a WebSocket control frame and not a text."""

    CONTROL = "ping"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One followed series on one connection: what its topic's frames are decoded with."""

    series: Series
    instrument: Instrument
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How a connection is kept alive and its death noticed. All times in seconds.

    ``make`` gives the text to send, from a request number; None sends a WebSocket ping. It is sent every ``every_s``:
    always, or only after so long without any frame when ``when_idle``. With nothing received for ``idle_limit_s``, one
    more is sent as a probe, and after ``probe_s`` more of silence the connection is dead.
    """

    every_s: float
    when_idle: bool
    idle_limit_s: float
    probe_s: float = 10.0
    make: Callable[[int], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What one connection may carry and how fast it may be asked."""

    series_per_connection: int
    topics_per_request: int
    request_bytes: int  # of one encoded subscribe request
    request_spacing_s: float  # between two client messages on one connection
    connect_spacing_s: float  # between two connects to one host
    confirm_s: float = 10.0  # within which a request must be confirmed
    refusal_spares_others: bool = True  # a refusal that names its culprit leaves the rest of its request in force
    topics_per_hour: int | None = None  # subscribed and unsubscribed together on one connection; None: not limited
    lifetime_s: float | None = None  # after which a connection is replaced before the exchange cuts it; None: never


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The streaming side of one market.

    ``url`` gives the address to connect to from the configured base; ``topic`` the wire name of a series; ``subscribe``
    the text of one request for topics, under a request number, and ``unsubscribe`` that of a request to send them no
    more; ``decode`` what a frame means, given the connection's subscriptions by topic.

    ``decode`` raises ``MalformedFrame`` and nothing else, whatever the bytes.
    """

    limits: StreamLimits
    heartbeat: Heartbeat
    url: Callable[[str], str]
    topic: Callable[[Instrument, Interval], str]
    subscribe: Callable[[Sequence[str], int], str]
    unsubscribe: Callable[[Sequence[str], int], str]
    decode: Callable[[str | bytes, Mapping[str, Subscription]], Sequence[FeedEvent]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One limit of an exchange: ``limit`` units of weight per window of ``window_s`` seconds.

    ``aligned`` windows begin at multiples of their length on the exchange's clock; others slide. ``usage_header`` names
    the response header, in lower case, that says how much of the window is used.
    """

    name: str
    limit: int
    window_s: float
    aligned: bool = False
    usage_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One GET: ``path`` is appended to the market's configured base; ``weight`` is what it costs of ``pool``."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    pool: Pool
    weight: int = 1


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One candle of a REST answer; ``closed`` is the exchange's own flag, None where it has none."""

    candle: Candle
    closed: bool | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The rows of one answer, oldest first, each open time once; ``refused`` counts impossible ones by reason.

    ``refused_ms`` are the open times of those of the impossible that can be told, one for each.
    """

    rows: tuple[HistoryRow, ...]
    refused: Mapping[str, int] = field(default_factory=dict)
    refused_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InstrumentPage:
    """A page of the instrument list; ``cursor`` asks for the next. ``skipped`` names lines that were not understood.

    ``limits`` are pools with the limits that the page states for them, where it states any.
    """

    instruments: tuple[Instrument, ...]
    cursor: str | None = None
    skipped: tuple[str, ...] = ()
    limits: tuple[Pool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The REST side of one market. Decoders take the body of an answer that ``fault`` found nothing wrong with.

    ``candles(instrument, interval, first_ms, last_ms, now_ms)`` asks for the candles that open from ``first_ms`` to
    ``last_ms``, both included, and for ``page_rows(interval)`` of them at most: of a longer span that holds more, one
    end or the other is not served. ``decode_candles(body, series, instrument)``
    and the other decoders raise ``MalformedAnswer`` and nothing else, whatever the bytes. ``fault(status, headers,
    body)`` is the error an answer stands for, or None; header names are in lower case.

    ``also`` takes what ``candles`` takes and gives a request for the same candles out of another pool; None where there
    is none, or where it might not have them all.
    """

    page_rows: Callable[[Interval], int]
    candles: Callable[[Instrument, Interval, int, int, int], Request]
    decode_candles: Callable[[bytes, Series, Instrument], HistoryPage]
    instruments: Callable[[str | None], Request]
    decode_instruments: Callable[[bytes], InstrumentPage]
    server_time: Request
    decode_server_time: Callable[[bytes], int]
    fault: Callable[[int, Mapping[str, str], bytes], HistoryError | None]
    also: Callable[[Instrument, Interval, int, int, int], Request | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """One file of an archive: a ZIP of one CSV with the candles of a series that open in ``span``.

    ``path`` and ``checksum_path`` are appended to the archive's base; ``member`` is the name of the CSV in the ZIP.
    """

    path: str
    checksum_path: str
    member: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """The files in which an exchange publishes the history of one market, by days and months of UTC.

    ``day(instrument, interval, instant_ms)`` and ``month`` are the files that such an instant falls into, published or
    not. ``decode_checksum(body, file)`` is the SHA-256 of the ZIP in lower-case hexadecimal digits. ``decode(lines,
    file, series, instrument)`` gives the candles in the CSV's lines, oldest first, each open time once and within the
    file's span, and impossible ones as the refusals that they are. Both raise ``MalformedAnswer`` and nothing else.
    """

    base: str
    intervals: frozenset[Interval]
    day: Callable[[Instrument, Interval, int], ArchiveFile]
    month: Callable[[Instrument, Interval, int], ArchiveFile]
    decode_checksum: Callable[[bytes, ArchiveFile], str]
    decode: Callable[[Iterable[str], ArchiveFile, Series, Instrument], Iterator[Candle | ImpossibleCandle]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """One market of an exchange: default bases, the intervals it offers, its two sides, and its archive if any."""

    ws_base: str
    rest_base: str
    intervals: frozenset[Interval]
    stream: Stream
    rest: Rest
    archive: ArchiveFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAdapter:
    """One exchange. ``frame_kinds`` is the closed list of kinds that its decoders may report as ignored."""

    name: str
    markets: Mapping[Market, MarketFacts]
    frame_kinds: frozenset[str]
