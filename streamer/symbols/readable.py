"""From spellings to series where some of an exchange's lists could not be read: what is known, and what may be missing.

Nothing is called unknown here that a list which nobody could read may hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen, resolve
from streamer.symbols.spellings import form_of, is_pattern, may_mean


@dataclass(frozen=True, slots=True)
class Readable:
    """The series that are meant as far as lists could be read, and the markets that may hold more of them."""

    chosen: Sequence[Chosen]
    unread: Mapping[Market, HistoryError]


def resolve_readable(
    registry: Registry, symbols: Sequence[str], exclude: Sequence[str], intervals: Sequence[Interval]
) -> Readable:
    """What ``symbols`` mean in the lists that could be read. A name that is known there is not looked for elsewhere.

    Raises:
        ConfigurationError: as ``resolve``, of what no unread list can change.
    """
    unread: dict[Market, HistoryError] = {}
    known: list[str] = []
    for spelling in symbols:
        elsewhere = unread_for(registry, [spelling])
        if elsewhere and is_pattern(spelling):
            unread |= elsewhere
            if not _brings(registry, spelling, exclude, intervals):
                continue
        elif elsewhere and not registry.named(form_of(spelling), spelling):
            unread |= elsewhere
            continue
        known.append(spelling)
    return Readable(resolve(registry, known, exclude, intervals), unread)


def unread_for(registry: Registry, spellings: Iterable[str]) -> dict[Market, HistoryError]:
    """The markets that could not be read and may hold what one of the names or patterns means."""
    wanted = list(spellings)
    return {market: why for market, why in registry.unread.items() if any(may_mean(one, market) for one in wanted)}


def _brings(registry: Registry, pattern: str, exclude: Sequence[str], intervals: Sequence[Interval]) -> bool:
    try:
        return bool(resolve(registry, [pattern], exclude, intervals))
    except ConfigurationError:
        return False
