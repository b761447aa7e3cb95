"""Pages of candles as rows of Python values, for the formats that are made of text. It writes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from streamer.app.querying import KINDS, Page
from streamer.domain.candle import Source
from streamer.store.bulk import from_us
from streamer.store.columns import Kind

Reading = Mapping[str, Callable[[int], object]]
"""How values of a column become Python's, by the column's name; of others by its kind."""

_ROWS = 5_000
_WORDS = {ord(source.value[0]): source.value for source in Source}
_READ: Mapping[Kind, Callable[[int], object]] = {
    Kind.TIME: from_us,
    Kind.SOURCE: _WORDS.get,
    Kind.FLAG: bool,
}


def blocks_of(page: Page, names: Sequence[str], reading: Reading | None = None) -> Iterator[list[tuple[object, ...]]]:
    """The values of the page's rows, some thousand rows at a time; None where there is none."""
    for first in range(0, len(page), _ROWS):
        end = min(first + _ROWS, len(page))
        columns = [_values(page, name, slice(first, end), reading or {}) for name in names]
        yield list(zip(*columns, strict=True))


def _values(page: Page, name: str, rows: slice, reading: Reading) -> Sequence[object]:
    if name not in KINDS:
        return [str(getattr(page.series, name))] * (rows.stop - rows.start)
    if name not in page.columns:
        return [None] * (rows.stop - rows.start)
    kind, values = KINDS[name], page.columns[name][rows]
    if kind is Kind.PRICE:
        return values
    if kind is Kind.AMOUNT:
        return [value if value == value else None for value in values]  # noqa: PLR0124 (NaN is not equal to itself)
    read = reading.get(name) or _READ.get(kind, int)
    return [None if value == kind.nothing else read(value) for value in values]
