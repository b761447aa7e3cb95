"""Which series a command means, exchange by exchange. It asks nobody: the lists are read already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.symbols.readable import resolve_readable
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """The series that are meant, by exchange; and where more of them may be that could not be read, and why.

    ``unread`` is by exchange and market, as people read it: ``binance spot``.
    """

    series: Mapping[str, Sequence[Chosen]]
    unread: Mapping[str, HistoryError]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is meant for certain."""
        return not any(self.series.values()) and not self.unread


def choose(
    settings: Settings,
    registries: Mapping[str, Registry],
    symbols: Sequence[str],
    intervals: Sequence[Interval],
    exclude: Sequence[str] = (),
    *,
    all_known: bool,
) -> Choice:
    """The series that are meant: without ``symbols`` what the settings follow, at their intervals.

    A symbol that is named must mean something on one exchange at least. ``all_known`` is False when an exchange is left
    out that might know what the others do not.

    Raises:
        ConfigurationError: as :func:`~streamer.symbols.readable.resolve_readable`.
    """
    chosen: dict[str, Sequence[Chosen]] = {}
    unread: dict[str, HistoryError] = {}
    problems: dict[str, list[ConfigurationError]] = {spelling: [] for spelling in symbols}
    for name, registry in registries.items():
        configured = settings.exchange(name)
        wanted = intervals or configured.intervals
        if not symbols:
            followed = settings.followed().get(name, ())
            found = resolve_readable(registry, followed, (*configured.exclude, *exclude), wanted)
            chosen[name] = found.chosen
            unread |= {f"{name} {market.value}": why for market, why in found.unread.items()}
            continue
        meant: dict[Chosen, None] = {}
        for spelling in symbols:
            try:
                found = resolve_readable(registry, [spelling], exclude, wanted)
            except ConfigurationError as problem:
                problems[spelling].append(problem)
                continue
            meant |= dict.fromkeys(found.chosen)
            unread |= {f"{name} {market.value}": why for market, why in found.unread.items()}
        chosen[name] = list(meant)
    for told in problems.values():
        if all_known and told and len(told) == len(registries):
            raise told[0]
    return Choice(chosen, unread)
