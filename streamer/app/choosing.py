"""Which series a command means, exchange by exchange. It asks nobody: the lists are read already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamer.domain.errors import ConfigurationError, HistoryError, IntervalNotOffered
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.symbols.readable import Readable, resolve_readable
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """The series that are meant, by exchange; and where more of them may be that could not be read, and why.

    ``unread`` is by exchange and market, as people read it: ``binance spot``. ``lost`` are names and patterns that mean
    nothing any more, by exchange and spelling, where that stops nobody.
    """

    series: Mapping[str, Sequence[Chosen]]
    unread: Mapping[str, HistoryError]
    lost: Mapping[str, ConfigurationError] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is meant for certain."""
        return not any(self.series.values()) and not self.unread and not self.lost


def choose(
    settings: Settings,
    registries: Mapping[str, Registry],
    symbols: Sequence[str],
    intervals: Sequence[Interval],
    exclude: Sequence[str] = (),
    *,
    all_known: bool,
    are_named: bool = False,
    lenient: bool = False,
) -> Choice:
    """The series that are meant: without ``symbols`` what the settings follow, at their intervals.

    A symbol that is named must mean something on one exchange at least, at each of the ``intervals``; exchanges that
    ``are_named`` must offer these for what they know. ``all_known`` is False when an exchange is left out that might
    know what the others do not. ``lenient`` is for who meant the same before: what is wrong now is lost, no error.

    Raises:
        ConfigurationError: as :func:`~streamer.symbols.readable.resolve_readable`.
    """
    chosen: dict[str, Sequence[Chosen]] = {}
    unread: dict[str, HistoryError] = {}
    lost: dict[str, ConfigurationError] = {}
    lengths: list[Sequence[Interval]] = [(one,) for one in intervals] or [()]
    problems: dict[tuple[str, Sequence[Interval]], list[ConfigurationError]] = {
        (spelling, length): [] for spelling in symbols for length in lengths
    }
    for name, registry in registries.items():
        configured = settings.exchange(name)
        parts: list[Readable] = []
        if not symbols:
            followed = settings.followed().get(name, ())
            wrong: dict[str, ConfigurationError] = {}
            excluded = (*configured.exclude, *exclude)
            parts = _followed(
                registry, followed, excluded, intervals or configured.intervals, wrong if lenient else None
            )
            lost |= {f"{name} {spelling}": problem for spelling, problem in wrong.items()}
        for (spelling, length), told in problems.items():
            try:
                parts.append(resolve_readable(registry, [spelling], exclude, length or configured.intervals))
            except ConfigurationError as problem:
                if are_named and not lenient and isinstance(problem, IntervalNotOffered):
                    raise
                told.append(problem)
        chosen[name] = list(dict.fromkeys(one for part in parts for one in part.chosen))
        unread |= {f"{name} {market.value}": why for part in parts for market, why in part.unread.items()}
    for (spelling, _), told in problems.items():
        if all_known and told and len(told) == len(registries):
            if not lenient:
                raise told[0]
            lost[spelling] = told[0]
    return Choice(chosen, unread, lost)


def _followed(
    registry: Registry,
    followed: Sequence[str],
    exclude: Sequence[str],
    intervals: Sequence[Interval],
    wrong: dict[str, ConfigurationError] | None,
) -> list[Readable]:
    """What the settings follow of one exchange; with ``wrong`` spellings that mean nothing are put there.

    Raises:
        ConfigurationError: without ``wrong``, of the first of them.
    """
    try:
        return [resolve_readable(registry, followed, exclude, intervals)]
    except ConfigurationError:
        if wrong is None:
            raise
    parts = []
    for spelling in followed:
        try:
            parts.append(resolve_readable(registry, [spelling], exclude, intervals))
        except ConfigurationError as problem:
            wrong[spelling] = problem
    return parts
