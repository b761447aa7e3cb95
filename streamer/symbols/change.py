"""What a new instrument list changes about the series that are followed. Pure: who acts on it is elsewhere.

Only the exchange ends a series, by delisting its instrument; a halt, a clash with a new listing or a pattern that no
longer matches does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Status
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.symbols.readable import resolve_readable
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen


@dataclass(frozen=True, slots=True)
class Change:
    """``followed`` is everything from now on, ``joined`` is new in it, ``gone`` was followed and is delisted.

    ``problems`` are sentences about spellings that mean nothing now. The list ``may_lack`` something wanted where a
    market could not be read.
    """

    followed: Mapping[Series, Chosen]
    joined: tuple[Chosen, ...]
    gone: tuple[Chosen, ...]
    problems: tuple[str, ...]
    may_lack: bool = False


def find_change(
    registry: Registry,
    followed: Mapping[Series, Chosen],
    symbols: Sequence[str],
    exclude: Sequence[str],
    intervals: Sequence[Interval],
) -> Change:
    """Compare the series that are ``followed`` with what ``symbols`` mean by the new list.

    A spelling that means nothing any more is a problem to tell, not an error: others go on. What is followed on a
    market that could not be read is listed still.
    """
    after: dict[Series, Chosen] = {}
    gone: list[Chosen] = []
    for series, chosen in followed.items():
        listed = registry.by_symbol(series.symbol) or registry.clashing(chosen.instrument)
        if listed is None and chosen.instrument.market in registry.unread:
            after[series] = chosen
        elif listed is None or listed.status is Status.CLOSED:
            gone.append(chosen)
        else:
            after[series] = Chosen(listed, chosen.interval)
    joined: list[Chosen] = []
    problems: list[str] = []
    may_lack = False
    for symbol in symbols:
        try:
            found = resolve_readable(registry, [symbol], exclude, intervals)
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        may_lack = may_lack or bool(found.unread)
        for one in found.chosen:
            if one.series not in after and one.instrument.status is not Status.CLOSED:
                after[one.series] = one
                joined.append(one)
    return Change(after, tuple(joined), tuple(gone), tuple(problems), may_lack)
