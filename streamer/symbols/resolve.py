"""From the spellings in the settings to the series that are followed; wrong ones are told in one sentence each."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple

from streamer.domain.errors import ConfigurationError, IntervalNotOffered
from streamer.domain.instrument import Instrument, Status
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.symbols.registry import Registry
from streamer.symbols.spellings import folded, form_of, is_pattern, name_in, native_name


class Chosen(NamedTuple):
    """An instrument and an interval at which it is followed."""

    instrument: Instrument
    interval: Interval

    @property
    def series(self) -> Series:
        """The key of its candles."""
        return Series(self.instrument.exchange, self.instrument.symbol, self.interval)


def resolve(
    registry: Registry, symbols: Sequence[str], exclude: Sequence[str], intervals: Sequence[Interval]
) -> list[Chosen]:
    """What ``symbols`` mean, each series once, in the order in which they were written.

    Patterns bring crypto instruments that trade; ``exclude``, names or patterns, thins out what patterns brought. What
    is named outright stays, whatever its status; an exclusion that no longer matches anything does no harm.

    Raises:
        ConfigurationError: an unknown, ambiguous or clashing name, a pattern without a match, a name both followed and
            excluded; IntervalNotOffered by the instrument's market.
    """
    excluded = {native_name(one) for spelling in exclude for one in all_matching(registry, spelling)}
    outright = {
        native_name(one) for spelling in exclude if not is_pattern(spelling) for one in all_matching(registry, spelling)
    }
    chosen: dict[Chosen, None] = {}
    for spelling in symbols:
        if is_pattern(spelling):
            found = [one for one in matching(registry, spelling) if native_name(one) not in excluded]
        else:
            found = [named(registry, spelling)]
            if native_name(found[0]) in outright:
                raise ConfigurationError(f"{registry.exchange}: {spelling} is both to be followed and to be excluded")
        for instrument in found:
            for interval in intervals:
                _check_interval(registry, instrument, interval)
                chosen[Chosen(instrument, interval)] = None
    if symbols and intervals and not chosen:
        raise ConfigurationError(f"{registry.exchange}: the exclusions leave nothing to follow")
    return list(chosen)


def named(registry: Registry, spelling: str) -> Instrument:
    """The one instrument that ``spelling`` names.

    Raises:
        ConfigurationError: nothing has that name, or several have it.
    """
    found = registry.named(form_of(spelling), spelling)
    if not found:
        raise ConfigurationError(f"{registry.exchange} has no symbol {spelling!r}{_hint(registry, spelling)}")
    if len(found) > 1:
        several = " and ".join(native_name(one) for one in found)
        raise ConfigurationError(f"{registry.exchange}: {spelling} may mean {several}; none of them can be followed")
    if registry.is_clashing(found[0]):
        several = " and ".join(native_name(one) for one in registry.clashes[found[0].symbol])
        raise ConfigurationError(
            f"{registry.exchange}: {spelling} cannot be followed, because {several} would share a symbol"
        )
    return found[0]


def all_matching(registry: Registry, spelling: str) -> list[Instrument]:
    """Every instrument that the name or pattern matches, by symbol; none is no error."""
    form = form_of(spelling)
    wanted = folded(spelling)
    return [one for one in registry.instruments if fnmatchcase(folded(name_in(form, one)), wanted)]


def matching(registry: Registry, pattern: str) -> list[Instrument]:
    """The crypto instruments that trade and match ``pattern``, by symbol.

    Raises:
        ConfigurationError: there are none.
    """
    found = [one for one in all_matching(registry, pattern) if one.crypto and one.status is Status.TRADING]
    if not found:
        raise ConfigurationError(
            f"{registry.exchange}: no crypto instrument that trades there matches the pattern {pattern!r}"
        )
    return found


def _check_interval(registry: Registry, instrument: Instrument, interval: Interval) -> None:
    offered = registry.intervals[instrument.market]
    if interval not in offered:
        known = ", ".join(one.value for one in Interval if one in offered)
        raise IntervalNotOffered(
            f"{registry.exchange} has no candles of {interval.value} for {instrument.symbol}: "
            f"its {instrument.market.value} market offers {known}"
        )


def _hint(registry: Registry, spelling: str) -> str:
    """The nearest right name, in our form: an exchange's symbol without its market, else what looks alike."""
    bare = folded(spelling).rpartition(":")[2]
    native = [one for one in registry.instruments if folded(one.native_symbol) == bare]
    if native:
        return "; did you mean " + " or ".join(f"{one.symbol} ({native_name(one)})" for one in native) + "?"
    form = form_of(spelling)
    names = {folded(name_in(form, one)): name_in(form, one) for one in registry.instruments}
    near = get_close_matches(folded(spelling), names, n=1)
    return f"; the nearest is {names[near[0]]}" if near else ""
