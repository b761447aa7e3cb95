"""Reads one exchange's instrument lists again while the service runs, and says what changed about what is followed.

A delisting is believed when two lists in a row say it, minutes apart: books that were closed on a list cut short would
be hard to open again. Nothing is done here about a change; whoever is told does it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamer.domain.errors import HistoryError
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.symbols.change import Change, find_change
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

_DOUBT_S = 300.0  # after which a list that lacks something is read again


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the settings say is to be followed on one exchange."""

    symbols: Sequence[str]
    exclude: Sequence[str]
    intervals: Sequence[Interval]


class Relisting:
    """``read`` gives the lists that can be read, or raises ``HistoryError``; ``changed`` is told of each change.

    It does not wait: else whoever is away would hold up the next list.
    """

    def __init__(
        self,
        *,
        exchange: str,
        wanted: Wanted,
        every_s: float,
        read: Callable[[], Awaitable[Registry]],
        changed: Callable[[Registry, Change], None],
        clock: Clock,
        recorder: Recorder,
    ) -> None:
        self._exchange = exchange
        self._wanted = wanted
        self._every_s = every_s
        self._read = read
        self._changed = changed
        self._clock = clock
        self._recorder = recorder
        self._missed: set[Series] = set()  # by the last list
        self._problems: set[str] = set()

    async def run(self, followed: Mapping[Series, Chosen], *, may_lack: bool = False) -> None:
        """Look for ever, from a first list that said ``followed``. Cancelling loses nothing.

        Where a list ``may_lack`` something wanted, the next one is read after a few minutes.
        """
        while True:
            is_doubted = self._missed or may_lack
            await self._clock.sleep(min(self._every_s, _DOUBT_S) if is_doubted else self._every_s)
            try:
                registry = await self._read()
            except HistoryError as error:
                self._recorder.listing.unreadable(self._exchange, error)
                continue
            for why in registry.unread.values():
                self._recorder.listing.unreadable(self._exchange, why)
            wanted = self._wanted
            found = find_change(registry, followed, wanted.symbols, wanted.exclude, wanted.intervals)
            change = self._believed(found, followed)
            self._tell(change)
            self._changed(registry, change)
            followed, may_lack = change.followed, change.may_lack

    def _believed(self, change: Change, followed: Mapping[Series, Chosen]) -> Change:
        """The change without what only this list lacks."""
        lacking = {one.series for one in change.gone}
        doubted = lacking - self._missed
        self._missed = doubted
        return replace(
            change,
            followed={**change.followed, **{series: followed[series] for series in doubted}},
            gone=tuple(one for one in change.gone if one.series not in doubted),
        )

    def _tell(self, change: Change) -> None:
        for problem in set(change.problems) - self._problems:
            self._recorder.noted(problem)
        self._problems = set(change.problems)
        if change.joined or change.gone:
            self._recorder.listing.changed(
                self._exchange,
                [one.series.symbol for one in change.joined],
                [one.series.symbol for one in change.gone],
            )
