"""Parquet and Arrow hold the same values with their own types. Skips where pyarrow is not installed."""

import io
from array import array
from typing import Any

import pytest

from streamer.app.querying import COLUMNS, Page
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from tests.unit.cli.test_sheets import OPEN_US, PAGE, SERIES

pa = pytest.importorskip("pyarrow", reason="pyarrow (the extra arrow) is not installed")


def table_of(kind: str, pages: list[Page], names: list[str]) -> Any:
    """What a reader finds in the bytes of a format."""
    from streamer.cli import arrow_sheets

    file = io.BytesIO()
    sheet = getattr(arrow_sheets, f"{kind}_sheet")(file, names)
    for page in pages:
        sheet.write(page)
    sheet.close()
    file.seek(0)
    if kind == "parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(file)
    return (pa.ipc.open_file if kind == "arrow_file" else pa.ipc.open_stream)(file).read_all()


KINDS = ["parquet", "arrow_file", "arrow_stream"]


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_nulls_come_back(kind: str) -> None:
    """Times are microseconds in UTC, counts whole numbers, flags booleans."""
    table = table_of(kind, [PAGE], list(COLUMNS))
    assert table.column_names == list(COLUMNS)
    types = {name: str(table.schema.field(name).type) for name in COLUMNS}
    assert types == {
        **dict.fromkeys(COLUMNS, "double"),
        **dict.fromkeys(["exchange", "symbol", "interval", "source"], "string"),
        **dict.fromkeys(["open_time", "received_at"], "timestamp[us, tz=UTC]"),
        **dict.fromkeys(["trades", "candles"], "int64"),
        **dict.fromkeys(["complete", "filled"], "bool"),
    }
    raw = table.set_column(3, "open_time", table["open_time"].cast(pa.int64()))
    first, second = raw.to_pylist()
    assert first["open_time"] == OPEN_US
    assert (first["exchange"], first["interval"], first["close"], first["trades"], first["source"]) == (
        "okx", "1m", 0.1, 7, "ws",
    )  # fmt: skip
    assert (first["filled"], second["filled"]) == (False, True)
    assert {name for name, value in second.items() if value is None} == {
        "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "source", "received_at", "candles",
        "complete",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_a_table_without_rows(kind: str) -> None:
    """Its columns are there."""
    assert table_of(kind, [], ["symbol", "close"]).to_pydict() == {"symbol": [], "close": []}


@pytest.mark.parametrize("kind", KINDS)
def test_short_series_share_a_group(kind: str) -> None:
    """Rows keep their order; each is of its own series."""
    series = [Series("okx", f"S{number}-USDT", Interval.M1) for number in range(300)]
    pages = [Page(one, {"open_time": array("q", [0]), "close": array("d", [at])}) for at, one in enumerate(series)]
    table = table_of(kind, pages, ["symbol", "close"])
    assert table.to_pydict() == {"symbol": [one.symbol for one in series], "close": list(range(300))}
    assert table["close"].num_chunks == 1


def test_a_long_answer_is_written_as_it_comes() -> None:
    """What is held back is about one group of rows."""
    size = 60_000
    page = Page(SERIES, {"open_time": array("q", range(size)), "close": array("d", range(size))})
    table = table_of("arrow_stream", [page] * 5, ["close"])
    assert (table.num_rows, table["close"].num_chunks) == (5 * size, 3)
