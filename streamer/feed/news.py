"""What a feed tells: its news, as they happen, and what was heard of a series, when asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.domain.candle import Candle
from streamer.domain.series import Series


class FeedListener(Protocol):
    """Where a feed's news goes. No method may block."""

    def candle_closed(self, candle: Candle, sent_ms: int | None) -> None:
        """A closed candle arrived; ``sent_ms`` is the exchange's stamp on the frame."""
        ...

    def clock_doubted(self) -> None:
        """A closed candle lies in the exchange's future: what we take for its time may be wrong."""
        ...

    def connection_settled(self, series: Sequence[Series]) -> None:
        """From now on a connection delivers ``series``: what came before must be looked for elsewhere."""
        ...

    def connection_broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """The connection of that number ended and nothing took its place: ``series`` may miss something from now on.

        ``cause`` is the word of the reconnect counter. Told once until the connection has held for a minute again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What the present connection of a series has brought. Instants are monotonic seconds.

    ``confirmed_at`` is None while the series is not confirmed there; ``last_frame_at`` is that of any candle frame;
    ``last_closed_ms`` is the open time of the newest closed candle. A rotation begins all three anew.
    """

    connection: int
    confirmed_at: float | None = None
    last_frame_at: float | None = None
    last_closed_ms: int | None = None
