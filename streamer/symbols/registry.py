"""One exchange's instruments, by every name. It decides which of our symbols are unique; it fetches nothing."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from streamer.domain.errors import HistoryError
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.symbols.spellings import Form, folded, name_in


class Registry:
    """The instruments of one exchange whose symbols are unique there, and those that clash.

    Instruments that share a symbol are all left out: their candles would share a key. ``intervals`` says what each
    market offers. ``unread`` are the markets whose lists could not be had: what is theirs is not known here, and may
    be listed all the same.
    """

    def __init__(
        self,
        exchange: str,
        instruments: Iterable[Instrument],
        intervals: Mapping[Market, frozenset[Interval]],
        unread: Mapping[Market, HistoryError] | None = None,
    ) -> None:
        self.exchange = exchange
        self.intervals = MappingProxyType(dict(intervals))
        self.unread: Mapping[Market, HistoryError] = MappingProxyType(dict(unread or {}))
        self._by_native = {(one.market, one.native_symbol): one for one in instruments}
        by_symbol: dict[str, list[Instrument]] = {}
        for instrument in self._by_native.values():
            by_symbol.setdefault(folded(instrument.symbol), []).append(instrument)
        self.instruments = tuple(
            sorted((group[0] for group in by_symbol.values() if len(group) == 1), key=lambda one: one.symbol)
        )
        self.clashes: Mapping[str, tuple[Instrument, ...]] = MappingProxyType(
            {group[0].symbol: tuple(group) for group in by_symbol.values() if len(group) > 1}
        )
        self._by_symbol = {one.symbol: one for one in self.instruments}
        self._named: dict[Form, dict[str, list[Instrument]]] = {form: {} for form in Form}
        for form, names in self._named.items():
            for instrument in self._by_native.values():
                names.setdefault(folded(name_in(form, instrument)), []).append(instrument)

    def by_symbol(self, symbol: str) -> Instrument | None:
        """The instrument of our ``symbol``, exactly as we write it; None when unknown or not unique."""
        return self._by_symbol.get(symbol)

    def by_native(self, market: Market, native_symbol: str) -> Instrument | None:
        """The instrument of the exchange's own symbol; None when unknown or when our symbol for it is not unique."""
        instrument = self._by_native.get((market, native_symbol))
        return instrument if instrument is not None and not self.is_clashing(instrument) else None

    def named(self, form: Form, name: str) -> tuple[Instrument, ...]:
        """Every instrument of that name, whatever its case: one, none, or several where the name is not unique."""
        return tuple(self._named[form].get(folded(name), ()))

    def clashing(self, instrument: Instrument) -> Instrument | None:
        """What the list now says of an instrument whose symbol has become another's too; None when it is not listed."""
        found = self._by_native.get((instrument.market, instrument.native_symbol))
        return found if found is not None and found.symbol == instrument.symbol else None

    def is_clashing(self, instrument: Instrument) -> bool:
        """Whether another instrument has the same symbol, so that neither can be followed."""
        return instrument.symbol not in self._by_symbol

    def __len__(self) -> int:
        return len(self.instruments)
