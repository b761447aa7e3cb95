"""Flat candles for times at which an exchange is known to have none, put between stored ones as they are read. Pure.

A flat candle has the price of the candle before it and no volume, and says so in the column ``filled``. It stands only
where the time is known to be empty: listed as absent, or behind the mark and in no open gap. What is unknown stays a
hole; so does what follows it until the next stored candle, because the price is unknown from there on. Nothing is
before the first candle, and nothing after the last but what is known to be empty. Flat candles are never stored.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from streamer.domain.gaps import closed_span, joined
from streamer.domain.interval import Interval
from streamer.domain.rollup import Length
from streamer.store.bulk import Known, first_open_us, to_us
from streamer.store.columns import Column, Columns, Kind

FILLED = Column("filled", Kind.FLAG)
_PIECE = 50_000
_NONE: Mapping[Kind, float] = {Kind.AMOUNT: 0.0, Kind.COUNT: 0, Kind.FLAG: 0}
_EMPTIED = {"volume": 0.0}
_MICROSECOND = timedelta(microseconds=1)
Span = tuple[int, int]


def known_empty(known: Known, source: Interval, length: Length) -> list[Span]:
    """Where no candle of ``length`` is to be expected: runs [first, end) in microseconds, on boundaries and apart.

    They are sorted. What is ``known`` is of candles of ``source``, from which the others are built.
    """
    spans = (*known.absent, *filter(None, [known.followed]))
    closed = (closed_span(source, -(-to_us(first) // 1_000), to_us(end) // 1_000) for first, end in spans)
    empty = joined(source, filter(None, closed))
    apart = _without(
        ((first_ms * 1_000, (last_ms + source.milliseconds) * 1_000) for first_ms, last_ms in empty),
        sorted((to_us(first), to_us(end)) for first, end in known.open),
    )
    before_end = length.duration // _MICROSECOND - 1
    whole = ((first_open_us(length, first), first_open_us(length, end - before_end)) for first, end in apart)
    return [(first, end) for first, end in whole if first < end]


class Flats:
    """Fills the candles of one series, given page by page; pages may follow a candle that opened ``before`` them.

    ``empty`` is what :func:`known_empty` says; flat candles open in [``since``, ``until``), in microseconds.
    """

    def __init__(self, layout: Sequence[Column], interval: Length, empty: Sequence[Span], span: Span) -> None:
        self._layout = layout
        self._step = interval.duration // _MICROSECOND
        self._empty = list(empty)
        self._since, self._until = span
        self._before: dict[str, Any] | None = None
        self._ready = self._nothing()

    def begin(self, candle: Columns) -> None:
        """Take the one candle before the first page, which is not given out itself."""
        self._before = {name: values[-1] for name, values in candle.items()}

    def holes(self, candles: Columns) -> list[Span]:
        """Where flat candles would stand before and between those of the page that comes next."""
        times = [*([] if self._before is None else [self._before["open_time"]]), *candles["open_time"]]
        runs = [self._hole(one, other) for one, other in pairwise(times) if other > one + self._step]
        return [(first, end) for first, end in runs if first < end]

    def last_hole(self) -> list[Span]:
        """Where flat candles would stand after the last page; at most one span."""
        if self._before is None:
            return []
        first, end = self._hole(self._before["open_time"], self._until)
        return [(first, end)] if first < end else []

    def doubt(self, spans: Iterable[Span]) -> None:
        """Take these spans for unknown: nothing flat stands there."""
        self._empty = list(_without(self._empty, sorted(spans)))

    def page(self, candles: Columns) -> Iterator[Columns]:
        """The page's candles with the flat ones between; what is left comes with the next page, or with ``rest``."""
        times = candles["open_time"]
        breaks = [at for at, (one, other) in enumerate(pairwise(times), 1) if other > one + self._step]
        for first, end in pairwise((0, *breaks, len(times))):
            if first < end:
                yield from self._fill(times[first])
                self._take(candles, first, end)
                self._before = {name: values[end - 1] for name, values in candles.items()}
        yield from self._given(_PIECE)

    def rest(self) -> Iterator[Columns]:
        """What follows the last candle and is known to be empty, after the last page."""
        yield from self._fill(self._until)
        yield from self._given(1)

    def _hole(self, before_us: int, end_us: int) -> Span:
        """Where flat candles stand between the candle that opened at ``before_us`` and ``end_us``; perhaps nowhere."""
        first = before_us + self._step
        known = next((end for start, end in self._empty if start <= first < end), first)
        return max(first, self._since), min(known, end_us, self._until)

    def _fill(self, end_us: int) -> Iterator[Columns]:
        """Flat candles between the candle before and ``end_us``, as far as the times are known to be empty."""
        if self._before is None:
            return
        first, end = self._hole(self._before["open_time"], end_us)
        values = self._flat(self._before)
        while first < end:
            size = min(_PIECE, -(-(end - first) // self._step))
            for name, column in self._ready.items():
                column.extend(
                    array("q", range(first, first + size * self._step, self._step))
                    if name == "open_time"
                    else array(column.typecode, [values[name]]) * size
                )
            first += size * self._step
            yield from self._given(_PIECE)

    def _flat(self, before: Mapping[str, Any]) -> dict[str, Any]:
        close = before["close"]
        values: dict[str, Any] = {"filled": 1}
        for name, kind in self._layout:
            if kind is Kind.PRICE:
                values[name] = _EMPTIED.get(name, close)
            elif kind in _NONE and before[name] == before[name] and before[name] != kind.nothing:
                values[name] = _NONE[kind]
            else:
                values[name] = kind.nothing
        return values

    def _take(self, candles: Columns, first: int, end: int) -> None:
        for name, column in self._ready.items():
            column.extend(candles[name][first:end] if name in candles else array(column.typecode, bytes(end - first)))

    def _given(self, least: int) -> Iterator[Columns]:
        if len(self._ready["open_time"]) >= least:
            ready, self._ready = self._ready, self._nothing()
            yield ready

    def _nothing(self) -> dict[str, "array[Any]"]:
        return {column.name: array(column.kind.code) for column in (*self._layout, FILLED)}


def _without(spans: Iterable[Span], holes: Sequence[Span]) -> Iterator[Span]:
    """The parts of ``spans`` that no hole covers; both are sorted, spans are apart."""
    for first, end in spans:
        start = first
        for hole_first, hole_end in holes:
            if hole_end <= start or hole_first >= end:
                continue
            if hole_first > start:
                yield start, hole_first
            start = max(start, hole_end)
        if start < end:
            yield start, end
