"""What one connection's conversation asks of the server, and what it is told. Values and contracts, no wire format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.listing import Listing, Row


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text; ``confirms`` when it answers a subscription (so that a fault may lose it)."""

    text: str
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """From now on send this series' candles under ``topic``; ``at_once``: begin with the running candle."""

    topic: str
    listing: Listing
    interval: Interval
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """No longer send what goes under ``topic``."""

    topic: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection."""

    code: int
    reason: str


Action = Send | Subscribe | Unsubscribe | Close
Lookup = Callable[[Market, str], Listing | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How the server looks after a connection, in seconds.

    It pings every ``ping_s`` and wants a pong within ``pong_s``; closes with ``idle_close`` after ``idle_s`` without a
    frame of either side; and cuts after ``lifetime_s``.
    """

    ping_s: float | None = None
    pong_s: float = 60.0
    idle_s: float | None = None
    idle_close: tuple[int, str] = (1000, "")
    lifetime_s: float | None = None


class Conversation(Protocol):
    """One connection's conversation in its exchange's words. Pure: time is an argument."""

    care: Care

    def opened(self) -> Sequence[Action]:
        """What follows the handshake."""
        ...

    def receive(self, text: str, now_s: float) -> Sequence[Action]:
        """What a text frame of the client brings about."""
        ...

    def control_received(self, now_s: float) -> Sequence[Action]:
        """What a control frame of the client brings about."""
        ...

    def frame(self, subscribed: Subscribe, row: Row, *, closed: bool, now_ms: int) -> str:
        """The candle as a frame of this connection."""
        ...

    def farewell(self, now_ms: int) -> str | None:
        """The notice before a shutdown, where this exchange has one."""
        ...


class Window:
    """Counts acts in a sliding window of ``window_s`` seconds."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._acts: list[float] = []

    def admit(self, now_s: float, acts: int = 1) -> bool:
        """Whether so many acts fit now; they are counted only then."""
        self._acts = [at for at in self._acts if at > now_s - self._window_s]
        if len(self._acts) + acts > self._most:
            return False
        self._acts += [now_s] * acts
        return True
