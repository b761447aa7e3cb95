"""Which series a command means, exchange by exchange. It asks nobody: the lists are read already."""

from collections.abc import Mapping, Sequence

from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval
from streamer.settings.model import Settings
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen, resolve


def choose(
    settings: Settings,
    registries: Mapping[str, Registry],
    symbols: Sequence[str],
    intervals: Sequence[Interval],
    exclude: Sequence[str] = (),
    *,
    all_known: bool,
) -> dict[str, list[Chosen]]:
    """The series that are meant, by exchange: without ``symbols`` what the settings follow, at their intervals.

    A symbol that is named must mean something on one exchange at least. ``all_known`` is False when an exchange is left
    out that might know what the others do not.

    Raises:
        ConfigurationError: as :func:`~streamer.symbols.resolve.resolve`.
    """
    chosen: dict[str, list[Chosen]] = {}
    problems: dict[str, list[ConfigurationError]] = {spelling: [] for spelling in symbols}
    for name, registry in registries.items():
        configured = settings.exchange(name)
        wanted = intervals or configured.intervals
        if not symbols:
            followed = settings.followed().get(name, ())
            chosen[name] = resolve(registry, followed, (*configured.exclude, *exclude), wanted)
            continue
        meant: dict[Chosen, None] = {}
        for spelling in symbols:
            try:
                meant |= dict.fromkeys(resolve(registry, [spelling], exclude, wanted))
            except ConfigurationError as problem:
                problems[spelling].append(problem)
        chosen[name] = list(meant)
    for found in problems.values():
        if all_known and found and len(found) == len(registries):
            raise found[0]
    return chosen
