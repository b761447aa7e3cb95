"""Binance's archive as the simulator plays it: which files there are, and what is in them."""

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson
import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.rest.session import make_session
from streamer.simulator.answering import Answer, Question
from streamer.simulator.binance_archive import BinanceArchive
from streamer.simulator.binance_rest import BinanceRest
from streamer.simulator.catalogue import invent
from streamer.simulator.faults import Fault, FaultKind, FaultPlan
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.tape import InventedTape
from tests.simulator.markets import NOW_MS
from tests.simulator.wire import PATIENCE_S, simulating

TAPE = InventedTape(invent(SimulatorOptions(history_days=800), NOW_MS))
SPOT = "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.zip"
FILES = {
    "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-12.zip": (Market.SPOT, 1),
    "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip": (Market.SPOT, 1_000),
    "/data/spot/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2026-11-01.zip": (Market.SPOT, 1_000),
    "/data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip": (Market.LINEAR, 1),
    "/data/futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2026-11-01.zip": (Market.INVERSE, 1),
}


def archive(*faults: Fault) -> BinanceArchive:
    """The archive while ``faults`` last."""
    return BinanceArchive(TAPE, FaultPlan(faults, lambda: 1.0))


def ask(path: str, now_ms: int = NOW_MS, *faults: Fault) -> Answer:
    """What is answered to ``path``."""
    return archive(*faults).answer(path, now_ms)


def rows_in(body: bytes) -> list[list[str]]:
    """The lines of the one CSV in a file."""
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        [name] = file.namelist()
        return list(csv.reader(io.StringIO(file.read(name).decode())))


def served(market: Market, symbol: str, interval: str, first_ms: int) -> list[list[str]]:
    """A page of REST, as text."""
    root = {Market.SPOT: "/api/v3", Market.LINEAR: "/fapi/v1", Market.INVERSE: "/dapi/v1"}[market]
    last_ms = first_ms + 999 * Interval(interval).milliseconds
    params = {
        "symbol": symbol,
        "interval": interval,
        "startTime": str(first_ms),
        "endTime": str(last_ms),
        "limit": "1000",
    }
    answer = BinanceRest(TAPE).answer(Question(market, f"{root}/klines", params, NOW_MS))
    return [[str(value) for value in row] for row in orjson.loads(answer.body)]


@pytest.mark.parametrize("path", FILES)
def test_a_file_holds_the_rows_of_rest(path: str) -> None:
    """The same text in the same columns; microseconds where the real ones have them, and a header likewise."""
    market, factor = FILES[path]
    *_, symbol, interval, _ = path.split("/")
    rows = rows_in(ask(path).body)
    if market is not Market.SPOT:
        assert rows.pop(0)[:2] == ["open_time", "open"]
    first_ms = int(rows[0][0]) // factor
    assert first_ms % 86_400_000 == 0
    assert {int(row[6]) % factor for row in rows} == {factor - 1}
    for row in rows:
        row[0], row[6] = str(int(row[0]) // factor), str(int(row[6]) // factor)
    assert rows[:700] == served(market, symbol, interval, first_ms)[:700]


def test_a_checksum_is_that_of_its_file() -> None:
    """In the form of ``sha256sum``, and the same for the same candles."""
    assert ask(f"{SPOT}.CHECKSUM").body.decode() == f"{sha256(ask(SPOT).body).hexdigest()}  BTCUSDT-1h-2026-10.zip\n"


def test_files_are_published_when_the_real_ones_are() -> None:
    """A day from the next morning on, a month from the third day of the next."""
    day = "/data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10-31.zip"
    for path, published in ((day, datetime(2026, 11, 1, 9, tzinfo=UTC)), (SPOT, datetime(2026, 11, 3, tzinfo=UTC))):
        assert ask(path, to_ms(published) - 1).status == 404
        assert ask(path, to_ms(published)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/data/spot/monthly/klines/NOSUCH/1h/NOSUCH-1h-2026-10.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/ETHUSDT-1h-2026-10.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1m-2026-10.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-1.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-13.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.csv",
        "/data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2026-10.zip",
        "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2020-10.zip",
        "/data/futures/um/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2026-11-01.zip",
        "/data/spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2026-10.zip",
        "/data/",
    ],
)
def test_what_is_not_there_is_absent(path: str) -> None:
    """In the words of the real store of files, and its checksum too."""
    for one in (path, f"{path}.CHECKSUM"):
        answer = ask(one)
        assert (answer.status, b"NoSuchKey" in answer.body) == (404, True)


def test_faults_damage_and_hide_files() -> None:
    """Of their symbols only; the checksum stays that of the good file."""
    damaged, missing = (
        Fault(kind=kind, symbol="BTC*") for kind in (FaultKind.ARCHIVE_DAMAGED, FaultKind.ARCHIVE_MISSING)
    )
    good = ask(SPOT)
    assert ask(SPOT, NOW_MS, damaged).body != good.body
    assert ask(f"{SPOT}.CHECKSUM", NOW_MS, damaged).body == ask(f"{SPOT}.CHECKSUM").body
    assert ask(SPOT, NOW_MS, missing).status == ask(f"{SPOT}.CHECKSUM", NOW_MS, missing).status == 404
    other = SPOT.replace("BTCUSDT", "ETHUSDT")
    assert ask(other, NOW_MS, damaged, missing).body == ask(other).body


async def test_the_archive_has_neither_limits_nor_faults_of_rest() -> None:
    """It is another host: no usage is counted, and it answers while REST is down."""
    async with simulating(Fault(kind=FaultKind.REST_DOWN), rate=1.0) as simulator:
        base = simulator.archive_urls["binance"]
        day = from_ms(simulator.now_ms()) - timedelta(days=3)
        url = f"{base}/data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-{day:%Y-%m-%d}.zip"
        async with make_session([base]) as session:
            answer = await session.get(url, {}, timeout_s=PATIENCE_S, body_bytes=1 << 20)
    assert (answer.status, len(rows_in(answer.body))) == (200, 24)
    assert "x-mbx-used-weight-1m" not in answer.headers
