"""What a sheet writes reads back as the values that were stored."""

import io
import json
from array import array

import orjson
import pytest

from streamer.app.querying import COLUMNS, DEFAULT_COLUMNS, Page
from streamer.cli.sheets import CsvSheet, JsonLinesSheet, TableSheet
from streamer.domain.interval import Interval
from streamer.domain.series import Series

SERIES = Series("okx", "BTC-USDT", Interval.M1)
OPEN_US = 1_767_323_040_000_000  # 2026-01-02T03:04:00Z
NAN = float("nan")
PAGE = Page(
    SERIES,
    {
        "open_time": array("q", [OPEN_US, OPEN_US + 60_000_000]),
        "open": array("d", [1.0, 64000.1]),
        "high": array("d", [2.0, 64000.1]),
        "low": array("d", [1e-8, 64000.1]),
        "close": array("d", [0.1, 64000.1]),
        "volume": array("d", [1e22, 0.0]),
        "quote_volume": array("d", [3.0, NAN]),
        "trades": array("q", [7, -1]),
        "taker_buy_volume": array("d", [0.0, NAN]),
        "taker_buy_quote_volume": array("d", [0.0, NAN]),
        "source": array("i", [ord("w"), 0]),
        "received_at": array("q", [OPEN_US + 60_000_005, -(2**63)]),
        "filled": array("b", [0, 1]),
    },
)


def test_csv_has_shortest_numbers_and_empty_nulls() -> None:
    """Times have one length in each column; flags are words; what a relation has not is empty."""
    file = io.BytesIO()
    sheet = CsvSheet(file, COLUMNS)
    sheet.write(PAGE)
    sheet.close()
    assert file.getvalue().decode().splitlines() == [
        ",".join(COLUMNS),
        "okx,BTC-USDT,1m,2026-01-02T03:04:00Z,1.0,2.0,1e-08,0.1,1e+22,3.0,7,0.0,0.0,ws,2026-01-02T03:05:00.000005Z,,,false",
        "okx,BTC-USDT,1m,2026-01-02T03:05:00Z,64000.1,64000.1,64000.1,64000.1,0.0,,,,,,,,,true",
    ]


def test_json_lines_are_objects() -> None:
    """With null where there is nothing."""
    file = io.BytesIO()
    sheet = JsonLinesSheet(
        file, ["symbol", "open_time", "low", "quote_volume", "trades", "source", "complete", "filled"]
    )
    sheet.write(PAGE)
    sheet.close()
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"symbol": "BTC-USDT", "open_time": "2026-01-02T03:04:00Z", "low": 1e-8, "quote_volume": 3.0, "trades": 7,
         "source": "ws", "complete": None, "filled": False},
        {"symbol": "BTC-USDT", "open_time": "2026-01-02T03:05:00Z", "low": 64000.1, "quote_volume": None,
         "trades": None, "source": None, "complete": None, "filled": True},
    ]  # fmt: skip


def test_a_page_longer_than_a_block_is_written_whole() -> None:
    """Every row once, in order."""
    size = 12_345
    page = Page(
        SERIES, {"open_time": array("q", range(0, size * 60_000_000, 60_000_000)), "close": array("d", range(size))}
    )
    file = io.BytesIO()
    JsonLinesSheet(file, ["close"]).write(page)
    assert [orjson.loads(line)["close"] for line in file.getvalue().splitlines()] == list(range(size))


def test_a_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each candle under the names of the columns."""
    sheet = TableSheet(["symbol", "open_time", "close"])
    sheet.write(PAGE)
    sheet.close()
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["symbol", "open_time", "close"],
        ["BTC-USDT", "2026-01-02", "03:04:00Z", "0.1"],
        ["BTC-USDT", "2026-01-02", "03:05:00Z", "64000.1"],
    ]


def test_the_usual_columns_are_those_of_a_candle() -> None:
    """What says how a candle came to be stored is there when it is named."""
    assert set(COLUMNS) - set(DEFAULT_COLUMNS) == {"source", "received_at", "candles", "complete", "filled"}
