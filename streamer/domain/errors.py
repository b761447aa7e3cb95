"""Every error that streamer raises on purpose.

::

    StreamerError
    ├── ConfigurationError      before anything is opened; exit code 2
    │   └── IntervalNotOffered  the symbol is known, and its market has no candles of that length
    ├── StartError              a folder, port or server of ours cannot be had; exit code 1
    ├── ImpossibleCandle        a candle that cannot be; counted, never stored
    ├── MalformedFrame          the frame is dropped and counted, the connection lives
    ├── HistoryError            a REST answer that is not what was asked for
    │   ├── Throttled           retryable: the pool waits
    │   │   └── Banned          retryable: nothing leaves the pool until the exchange relents
    │   ├── Barred              not retryable: nothing was asked, for the exchange forbade it for a while
    │   ├── Unavailable         retryable: network, timeouts, 5xx
    │   ├── Refused             not retryable: this instrument or this request
    │   ├── Geoblocked          not retryable: this address
    │   └── MalformedAnswer     retryable: not the exchange speaking, or not candles
    ├── FeedError               ends one connection
    │   ├── ConnectFailed
    │   ├── ConnectionLost
    │   ├── ConnectionIdle
    │   ├── SubscriptionTimedOut
    │   ├── ReconnectAsked
    │   ├── ConnectionExpired
    │   └── ConnectionReplaced
    └── StoreError
        ├── StoreUnavailable    retryable: the whole batch is kept
        ├── StoreMisconfigured  retryable, said in plain words: wrong password, no such database
        └── RowsRefused         a row's content; the writer catches it and halves the batch
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from streamer.domain.series import Series


class StreamerError(Exception):
    """An error that streamer raises on purpose. Its text is one sentence for people."""

    retryable: ClassVar[bool] = False


class ConfigurationError(StreamerError):
    """A wrong argument, setting or symbol. Raised before anything is opened; the command line exits with 2."""


class IntervalNotOffered(ConfigurationError):
    """A symbol is known, and its market offers no candles of the length that is wanted."""


class StartError(StreamerError):
    """A folder, port or server that streamer needs cannot be had. The command line exits with 1."""


class ImpossibleCandle(StreamerError):
    """A candle that cannot be. Raised by ``make_candle``, caught by the decoders, counted by ``reason``."""

    def __init__(self, series: "Series", open_ms: int, reason: str) -> None:
        super().__init__(f"{series}: the candle of {open_ms} cannot be ({reason})")
        self.series = series
        self.open_ms = open_ms
        self.reason = reason


class MalformedFrame(StreamerError):
    """A frame that is not what its exchange sends. Raised by decoders, caught by the session; the frame is dropped.

    ``kind`` is a word of a closed list (``not_json``, ``wrong_shape``, ``oversized``), fit to be a metric label.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class HistoryError(StreamerError):
    """A REST answer that is not what was asked for. Raised by the REST client, caught by history and symbols."""


class Throttled(HistoryError):
    """Too many requests, by the exchange's word; nothing leaves its pool for ``retry_after_s`` seconds."""

    retryable = True

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Banned(Throttled):
    """The exchange shut this address out. ``stated`` says whether it named the end, else the wait is the least."""

    def __init__(self, message: str, retry_after_s: float, *, stated: bool) -> None:
        super().__init__(message, retry_after_s)
        self.stated = stated


class Barred(HistoryError):
    """The exchange told us to ask nothing for longer than the caller would wait, and nothing was asked.

    Not retryable: whoever asks again before the end hears the same. The text is the exchange's word, and its end.
    """


class Unavailable(HistoryError):
    """The exchange could not be reached or could not answer. Asking again may help."""

    retryable = True


class Refused(HistoryError):
    """The exchange refused this request or does not know this instrument. Asking again will not help."""


class Geoblocked(HistoryError):
    """The exchange does not serve this address."""


class MalformedAnswer(HistoryError):
    """The answer is not the exchange's, or holds no candles of this series: a proxy's page, a truncated body."""

    retryable = True


class FeedError(StreamerError):
    """Ends one connection. Raised by connections and sessions, caught by the feed, which connects anew."""

    retryable = True
    reason: ClassVar[str] = "error"  # the label of the reconnect counter


class ConnectFailed(FeedError):
    """The connection could not be opened: DNS, TCP, TLS or the handshake."""

    reason = "connect_failed"


class ConnectionLost(FeedError):
    """The connection ended; ``code`` is the close code, 1006 when it just broke off."""

    reason = "lost"

    def __init__(self, message: str, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


class ConnectionIdle(FeedError):
    """Nothing arrived, not even a control frame, for the exchange's idle limit and after one probe."""

    reason = "idle"


class SubscriptionTimedOut(FeedError):
    """Subscriptions were not confirmed in time, twice."""

    reason = "subscription_timed_out"


class ReconnectAsked(FeedError):
    """The exchange announced that it will close the connection."""

    reason = "asked"


class ConnectionExpired(FeedError):
    """The connection is as old as one of its exchange may become, and another takes its place."""

    reason = "rotated"


class ConnectionReplaced(FeedError):
    """We gave the connection up: REST showed candles that it did not deliver."""

    reason = "replaced"


class SeriesJoined(FeedError):
    """Other series are to be followed, and a connection that carries them too takes its place."""

    reason = "joined"


class StoreError(StreamerError):
    """The database could not do what was asked."""


class StoreUnavailable(StoreError):
    """The database is away, busy or restarting. The whole batch is kept and may be written again."""

    retryable = True


class StoreMisconfigured(StoreUnavailable):
    """The database answers but will not have us: password, name, rights. Said once, then tried again."""


class RowsRefused(StoreError):
    """The database refused the content of a row, with the SQLSTATE ``state``. The writer raises and catches it.

    Elsewhere it tells of stored values that do not fit together.
    """

    def __init__(self, state: str, sentence: str = "") -> None:
        """``sentence`` is for people; without one the state must do."""
        super().__init__(sentence or state)
        self.state = state
