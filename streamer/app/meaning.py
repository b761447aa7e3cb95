"""Which stored series a query means. Names are looked up in what the database knows; what is stored there decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.domain.rollup import Length, Rollup
from streamer.domain.series import Series
from streamer.store.bulk import ROLLUPS, Bars, Relation, Stored
from streamer.symbols.spellings import Form, folded, form_of, is_pattern, name_in

Symbol = tuple[str, str]  # exchange and symbol


class Meant(NamedTuple):
    """A series or the like of it that is built, and where its candles are read."""

    series: Series | Bars
    relation: Relation


class Shelves(Protocol):
    """Knows what is stored."""

    async def stored(self, symbols: Sequence[Symbol], interval: Length) -> list[Stored]:
        """What is stored of each symbol; raises ``StoreUnavailable``."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Every name under which something may be stored on ``exchanges``: of series we know, and of listed instruments."""

    exchanges: Sequence[str]
    known: Sequence[Symbol]
    listed: Sequence[Instrument]

    def meant(self, spelling: str) -> set[Symbol]:
        """What ``spelling`` may mean: in our form also a symbol that was never heard of, which may be stored still."""
        form, wanted = form_of(spelling), folded(spelling)
        named = {(name_in(form, one), (one.exchange, one.symbol)) for one in self.listed}
        if form is Form.OURS:
            named |= {(symbol, (exchange, symbol)) for exchange, symbol in self.known}
            if not is_pattern(spelling):
                bare = spelling.strip().upper()
                named |= {(bare, (exchange, bare)) for exchange in self.exchanges}
        return {symbol for name, symbol in named if fnmatchcase(folded(name), wanted)}

    def near(self, spelling: str) -> str:
        """A hint at the nearest symbol that is known, or nothing."""
        symbols = {folded(symbol): symbol for _, symbol in self.known}
        near = get_close_matches(folded(spelling), symbols, n=1)
        return f"; the nearest is {symbols[near[0]]}" if near else ""


async def meant_series(shelves: Shelves, names: Names, spellings: Sequence[str], interval: Length) -> Sequence[Meant]:
    """The series that are meant and stored, by exchange and symbol: with candles of their own, or else as a rollup.

    Without ``spellings`` all that are known. Which of both it is does not depend on a time range: no answer mixes them.

    Raises:
        ConfigurationError: nothing is stored of a spelling, or of anything at all.
        StoreUnavailable: the database is away.
    """
    wanted = {spelling: names.meant(spelling) for spelling in spellings} or {"": set(names.known)}
    found = await _found(shelves, set().union(*wanted.values()), interval)
    for spelling, symbols in wanted.items():
        if not symbols & found.keys():
            of = f" of {spelling!r}{names.near(spelling)}" if spelling else ": name the symbols, or fetch some first"
            raise ConfigurationError(f"no {interval.value} candles are stored{of}")
    return [found[symbol] for symbol in sorted(found)]


async def _found(shelves: Shelves, symbols: Iterable[Symbol], interval: Length) -> Mapping[Symbol, Meant]:
    found: dict[Symbol, Meant] = {}
    for exchange, symbol, own, rolled in await shelves.stored(sorted(symbols), interval):
        if own:
            found[exchange, symbol] = Meant(Series(exchange, symbol, Interval(interval.value)), Relation.KLINES)
        elif rolled:
            found[exchange, symbol] = Meant(Bars(exchange, symbol, Rollup(interval.value)), ROLLUPS[interval.value])
    return found
