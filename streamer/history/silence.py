"""Judges connections by evidence: REST shows a candle with trades that a connection did not deliver. Pure.

One such series is subscribed anew. Three of one connection, or a tenth of its lively series, condemn the connection;
so does one that was subscribed anew in vain, where the connection brings nothing of any other either. What a later
frame disproves is forgotten. Instants are monotonic seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil

from streamer.domain.series import Series

_FEWEST, _MOST = 2, 3  # withheld series that condemn a connection: one alone is only subscribed anew
_SHARE = 0.1


class Verdict(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    RESUBSCRIBE = "resubscribe"
    REPLACE = "replace"


@dataclass(slots=True)
class _Held:
    """What is held against a connection on account of one series."""

    since_at: float
    resubscribed: bool = False


@dataclass(slots=True)
class Silence:
    """The withheld series of each connection of one exchange."""

    _held: dict[int, dict[Series, _Held]] = field(default_factory=dict)

    def withheld(self, connection: int) -> Mapping[Series, float]:
        """The withheld series of a connection, and since when each is known."""
        return {series: held.since_at for series, held in self._held.get(connection, {}).items()}

    def delivers(self, connection: int, series: Series) -> None:
        """A frame of ``series`` came: it is not withheld."""
        self._held.get(connection, {}).pop(series, None)

    def renewed(self, connection: int) -> None:
        """Another took the connection's place: nothing is held against that one."""
        self._held.pop(connection, None)

    def resubscribed(self, connection: int, series: Series) -> None:
        """The series was subscribed anew; once is enough."""
        held = self._held.get(connection, {}).get(series)
        if held is not None:
            held.resubscribed = True

    def shown(self, connection: int, series: Series, *, lively: int, mute: bool, now_at: float) -> Verdict:
        """REST showed a traded candle of ``series`` that did not come, and no later frame of it came either.

        ``lively`` is how many lively series the connection carries; ``mute`` whether it brought nothing of any since.
        """
        withheld = self._held.setdefault(connection, {})
        held = withheld.setdefault(series, _Held(now_at))
        if len(withheld) >= min(_MOST, max(_FEWEST, ceil(_SHARE * lively))) or (held.resubscribed and mute):
            return Verdict.REPLACE
        return Verdict.NOTHING if held.resubscribed else Verdict.RESUBSCRIBE
