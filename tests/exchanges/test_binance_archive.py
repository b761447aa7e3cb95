"""Where Binance's archive keeps what, and what its checksums and rows say."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle
from streamer.domain.errors import ImpossibleCandle, MalformedAnswer
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.exchanges import discover
from streamer.exchanges.binance import BINANCE
from streamer.protocol.adapter import ArchiveFacts, ArchiveFile
from tests.exchanges.binance_samples import INVERSE, LINEAR, SPOT, instrument
from tests.paths import FIXTURES, recordings

BNB = instrument(Market.SPOT, "BNBUSDT", "BNB", "USDT")
DOGE = instrument(Market.SPOT, "DOGEUSDT", "DOGE", "USDT")
CHINESE = instrument(Market.SPOT, "币安人生USDT", "币安人生", "USDT")
OCTOBER_MS = 1_601_510_400_000  # 2020-10-01
NEW_YEAR_MS = 1_735_689_600_000  # 2025-01-01
LINES = (FIXTURES / "binance" / "archive" / "BNBUSDT-1m-2020-10.csv").read_text().splitlines(keepends=True)
DIGEST = "a" * 64
REST_FILES = {
    "binance_usdm_LTCUSDT_5m_500rows_2020-10.json": (Market.LINEAR, Interval.M5),
    "binance_coinm_BTCUSD_PERP_1d_6rows_2023-01.json": (Market.INVERSE, Interval.D1),
    "binance_spot_BTCUSDT_1m_60rows_2020-05-06.json": (Market.SPOT, Interval.M1),
}


def facts(item: Instrument) -> ArchiveFacts:
    """The archive of the instrument's market."""
    archive = BINANCE.markets[item.market].archive
    assert archive is not None
    return archive


def decoded(item: Instrument, interval: Interval, file: ArchiveFile, lines: list[str]) -> list[Any]:
    """Everything in ``lines``."""
    return list(facts(item).decode(lines, file, Series("binance", item.symbol, interval), item))


def fixture(item: Instrument, interval: Interval, file: ArchiveFile) -> list[Candle]:
    """The candles of the fixture that ``file`` names."""
    text = (FIXTURES / "binance" / "archive" / file.member).read_text()
    return decoded(item, interval, file, text.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("item", "period", "path"),
    [
        (SPOT, "month", "/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2020-10.zip"),
        (SPOT, "day", "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2020-10-01.zip"),
        (LINEAR, "month", "/data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2020-10.zip"),
        (INVERSE, "day", "/data/futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2020-10-01.zip"),
    ],
)
def test_each_market_has_its_folder(item: Instrument, period: str, path: str) -> None:
    """A file, its checksum beside it, and the CSV in it."""
    file = getattr(facts(item), period)(item, Interval.M1, OCTOBER_MS + 5)
    assert file.path == path
    assert file.checksum_path == f"{path}.CHECKSUM"
    assert file.member == path.rpartition("/")[2].replace(".zip", ".csv")


def test_a_name_in_chinese_is_escaped_in_the_path_alone() -> None:
    """The checksum and the ZIP hold the name as it is."""
    file = facts(CHINESE).day(CHINESE, Interval.M1, OCTOBER_MS)
    assert file.path.isascii()
    assert file.member == "币安人生USDT-1m-2020-10-01.csv"
    line = f"{DIGEST}  币安人生USDT-1m-2020-10-01.zip\n".encode()
    assert facts(CHINESE).decode_checksum(line, file) == DIGEST


@given(instant_ms=st.integers(0, 4_102_444_800_000), interval=st.sampled_from(Interval))
def test_an_instant_is_in_its_day_and_its_day_in_its_month(instant_ms: int, interval: Interval) -> None:
    """Spans end with the last candle of their UTC day or month; the next file begins with the next candle."""
    archive = facts(SPOT)
    day, month = archive.day(SPOT, interval, instant_ms), archive.month(SPOT, interval, instant_ms)
    assert day.span.first_ms <= interval.floor_ms(instant_ms) <= day.span.last_ms
    assert month.span.first_ms <= day.span.first_ms
    assert day.span.last_ms <= month.span.last_ms
    assert day.span.candles(interval) == 86_400 // interval.seconds
    for file, following in ((day, archive.day), (month, archive.month)):
        next_ms = file.span.last_ms + interval.milliseconds
        assert following(SPOT, interval, next_ms).span.first_ms == next_ms


def test_only_binance_has_an_archive() -> None:
    """The others publish nothing of the kind that is known here; Binance's has the intervals of its REST."""
    for adapter in discover().values():
        for market in adapter.markets.values():
            assert (market.archive is not None) is (adapter.name == "binance")
            if market.archive is not None:
                assert market.archive.intervals == market.intervals


def test_old_spot_files_are_in_milliseconds() -> None:
    """The documentation's own row, and a minute without a trade."""
    archive = facts(BNB)
    [first] = fixture(BNB, Interval.M1, archive.month(BNB, Interval.M1, OCTOBER_MS - 1))
    empty, _ = fixture(BNB, Interval.M1, archive.month(BNB, Interval.M1, OCTOBER_MS))
    assert to_ms(first.open_time) == 1_601_510_340_000
    assert (first.open, first.high, first.low, first.close) == (4.1507, 4.1587, 4.1506, 4.1554)
    assert (first.volume, first.quote_volume, first.trades) == (539.23, 2240.398609, 13)
    assert (first.taker_buy_volume, first.taker_buy_quote_volume) == (401.82, 1669.981213)
    assert (empty.volume, empty.quote_volume, empty.trades) == (0.0, 0.0, 0)


def test_spot_files_of_2025_are_in_microseconds() -> None:
    """The rows that showed the change."""
    candles = fixture(DOGE, Interval.S1, facts(DOGE).day(DOGE, Interval.S1, NEW_YEAR_MS))
    assert [to_ms(one.open_time) for one in candles] == [NEW_YEAR_MS, NEW_YEAR_MS + 1_000, NEW_YEAR_MS + 2_000]
    assert [one.close for one in candles] == [0.316, 0.31601, 0.31601]


def test_futures_files_of_2025_are_in_milliseconds_and_have_a_header() -> None:
    """Only spot changed its unit."""
    first, second = fixture(LINEAR, Interval.M1, facts(LINEAR).day(LINEAR, Interval.M1, 1_736_351_700_000))
    assert (to_ms(first.open_time), to_ms(second.open_time)) == (1_736_351_700_000, 1_736_351_760_000)
    assert (first.volume, first.quote_volume) == (180.76, 17214864.0122)


def test_coin_margined_files_count_contracts() -> None:
    """The column that the header calls quote volume is in coins, as over REST: 100 dollars a contract."""
    first, *others = fixture(INVERSE, Interval.H1, facts(INVERSE).day(INVERSE, Interval.H1, 1_698_364_800_000))
    assert len(others) == 2
    assert (first.volume, first.quote_volume) == (1202.97118037, 40_995_300.0)
    assert (first.taker_buy_volume, first.taker_buy_quote_volume) == (564.12041453, 19_222_000.0)


@pytest.mark.parametrize("name", REST_FILES)
def test_the_rows_of_a_file_are_those_of_rest(name: str) -> None:
    """Recorded answers of REST, written as a file, are the same candles."""
    folder = recordings()
    if folder is None:
        pytest.skip("the recordings are not here (STREAMER_TEST_DATA)")
    market, interval = REST_FILES[name]
    item = {Market.SPOT: SPOT, Market.LINEAR: LINEAR, Market.INVERSE: INVERSE}[market]
    body = (folder / "rest" / name).read_bytes()
    rows = orjson.loads(body)
    file = replace(facts(item).month(item, interval, rows[0][0]), span=Span(rows[0][0], rows[-1][0]))
    lines = [",".join(str(value) for value in row) + "\n" for row in rows]
    page = BINANCE.markets[market].rest.decode_candles(body, Series("binance", item.symbol, interval), item)
    assert decoded(item, interval, file, lines) == [one.candle for one in page.rows]


@pytest.mark.parametrize(
    "body",
    [
        f"{DIGEST}  BNBUSDT-1m-2020-10.zip\n",
        f"{DIGEST.upper()} *BNBUSDT-1m-2020-10.zip",
        f"{DIGEST}\tBNBUSDT-1m-2020-10.zip\r\n",
    ],
)
def test_a_checksum_is_read_as_it_is_written(body: str) -> None:
    """What ``sha256sum`` writes, with either mark and any end of line."""
    file = facts(BNB).month(BNB, Interval.M1, OCTOBER_MS)
    assert facts(BNB).decode_checksum(body.encode(), file) == DIGEST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Error><Code>NoSuchKey</Code></Error>",
        f"{DIGEST}  BTCUSDT-1m-2020-10.zip\n".encode(),
        f"{DIGEST}  BNBUSDT-1m-2020-11.zip\n".encode(),
        f"{DIGEST[:-1]}  BNBUSDT-1m-2020-10.zip\n".encode(),
        f"{DIGEST}BNBUSDT-1m-2020-10.zip\n".encode(),
        b"\xff" * 80,
    ],
    ids=["empty", "a page", "another symbol", "another month", "too short", "no space", "not text"],
)
def test_another_checksum_is_none(body: bytes) -> None:
    """A line of another file would vouch for the wrong bytes."""
    with pytest.raises(MalformedAnswer, match=r"not the checksum of BNBUSDT-1m-2020-10\.zip"):
        facts(BNB).decode_checksum(body, facts(BNB).month(BNB, Interval.M1, OCTOBER_MS))


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[1], LINES[0]],
        [LINES[0], LINES[0]],
        [LINES[0].replace("1601510400000", "1604188800000")],
        [LINES[0].replace("1601510400000", "1601510400000000")],
        [LINES[0].replace("1601510400000", "1601510399999")],
        [LINES[0].rstrip("\n") + ",0\n"],
        [LINES[0].rpartition(",")[0]],
        [LINES[0][:40]],
        ["\n"],
        [LINES[0], "\n"],
        ["open,high,low,close\n"],
        [LINES[0].replace("4.15540000", "4,1554")],
        [LINES[0].replace("4.15540000", "")],
        [LINES[0].replace("4.15540000", " 4.15540000")],
        [LINES[0].replace(",0,", ",0.0,")],
        ["<!DOCTYPE html>"],
    ],
    ids=[
        "wrong order", "twice", "another month", "microseconds", "before the month", "too many columns",
        "too few columns", "cut off", "blank", "blank at the end", "another header", "comma", "empty price", "space",
        "fraction of a trade", "a page",
    ],
)  # fmt: skip
def test_a_row_that_does_not_belong_refuses_the_file(lines: list[str]) -> None:
    """One such row makes all others doubtful; the message names the file and the line."""
    file = facts(BNB).month(BNB, Interval.M1, OCTOBER_MS)
    with pytest.raises(MalformedAnswer, match=r"BNBUSDT-1m-2020-10\.csv, line [12]: "):
        decoded(BNB, Interval.M1, file, lines)


def test_a_header_is_expected_in_the_first_line_only() -> None:
    """Two files glued together are no file."""
    file = facts(LINEAR).day(LINEAR, Interval.M1, 1_736_351_700_000)
    lines = (FIXTURES / "binance" / "archive" / file.member).read_text().splitlines()
    with pytest.raises(MalformedAnswer, match="line 2"):
        decoded(LINEAR, Interval.M1, file, [lines[0], *lines])


def test_milliseconds_in_a_file_of_microseconds_are_refused() -> None:
    """The unit is that of the date; nothing is guessed from the number of digits."""
    file = facts(DOGE).day(DOGE, Interval.S1, NEW_YEAR_MS)
    for text in ("1735689600000", "1735689600000001"):
        with pytest.raises(MalformedAnswer):
            decoded(DOGE, Interval.S1, file, [f"{text},1,1,1,1,1,0,1,1,1,1,0\n"])


def test_an_impossible_candle_is_told_and_the_others_are_kept() -> None:
    """As over REST: a low above the high costs that candle."""
    broken = LINES[0].replace("4.15540000,4.15540000", "4.15540000,4.00000000", 1)
    refusal, candle = decoded(BNB, Interval.M1, facts(BNB).month(BNB, Interval.M1, OCTOBER_MS), [broken, LINES[1]])
    assert isinstance(refusal, ImpossibleCandle)
    assert (refusal.open_ms, refusal.reason) == (OCTOBER_MS, "price_order")
    assert isinstance(candle, Candle)


@given(text=st.text(max_size=200))
def test_whatever_the_text_only_our_own_error_comes_out(text: str) -> None:
    """A decoder of hostile bytes is total."""
    try:
        found = decoded(
            BNB, Interval.M1, facts(BNB).month(BNB, Interval.M1, OCTOBER_MS), text.splitlines(keepends=True)
        )
    except MalformedAnswer:
        return
    assert found == []
