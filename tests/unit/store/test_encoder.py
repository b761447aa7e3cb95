"""What the encoder writes is read back by a decoder of PostgreSQL's binary COPY that was written from its manual."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.encoder import COLUMNS, Encoder

TEXTS = {"exchange", "symbol", "interval", "source"}
TIMES = {"open_time", "received_at"}
START = datetime(2026, 1, 5, tzinfo=UTC)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(timezones=st.just(UTC))
doubles = st.floats(allow_nan=False)
bigints = st.integers(-(2**63), 2**63 - 1)
series = st.builds(Series, names, names, st.sampled_from(Interval))
candles = st.builds(
    Candle, series, times, doubles, doubles, doubles, doubles, doubles,
    st.none() | doubles, st.none() | bigints, st.none() | doubles, st.none() | doubles,
)  # fmt: skip
deliveries = st.builds(Delivery, candles, st.sampled_from(Source), times)


def values_of(delivery: Delivery) -> tuple[object, ...]:
    """The values of the columns, in their order."""
    c = delivery.candle
    return (
        c.series.exchange, c.series.symbol, c.series.interval.value, c.open_time,
        c.open, c.high, c.low, c.close, c.volume,
        c.quote_volume, c.trades, c.taker_buy_volume, c.taker_buy_quote_volume,
        delivery.source.value, delivery.received_time,
    )  # fmt: skip


def decoded(stream: bytes) -> list[tuple[object, ...]]:
    """The rows of a binary COPY into these columns, read to its end and no further."""
    assert stream[:19] == b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
    position = 19

    def take(layout: str) -> int:
        nonlocal position
        [value] = struct.unpack_from(layout, stream, position)
        position += struct.calcsize(layout)
        return int(value)

    rows: list[tuple[object, ...]] = []
    while (fields := take(">h")) != -1:
        assert fields == len(COLUMNS)
        row: list[object] = []
        for column in COLUMNS:
            length = take(">i")
            field = stream[position : position + max(length, 0)]
            position += len(field)
            row.append(None if length == -1 else value_of(column, field))
        rows.append(tuple(row))
    assert position == len(stream)
    return rows


def value_of(column: str, field: bytes) -> object:
    """What a field says, by the type of its column."""
    if column in TEXTS:
        return field.decode()
    if column in TIMES:
        return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=struct.unpack(">q", field)[0])
    return struct.unpack(">q" if column == "trades" else ">d", field)[0]


async def encoded(batch: Sequence[Delivery]) -> list[bytes]:
    """The chunks."""
    return [chunk async for chunk in Encoder().copy_stream(batch)]


@given(st.lists(deliveries))
async def test_every_value_comes_back(batch: list[Delivery]) -> None:
    """To the bit, NULLs among them, in the order given."""
    assert decoded(b"".join(await encoded(batch))) == [values_of(one) for one in batch]


async def test_long_batches_come_in_chunks() -> None:
    """So that the server works while the rest is spelled; no row is lost where they meet."""
    candle = Candle(Series("binance", "BTC-USDT", Interval.M1), START, 1.0, 2.0, 0.5, 1.5, 3.0)
    batch = [Delivery(candle, Source.WS, START + timedelta(microseconds=number)) for number in range(2_000)]
    chunks = await encoded(batch)
    assert len(chunks) > 2
    assert decoded(b"".join(chunks)) == [values_of(one) for one in batch]


@pytest.mark.parametrize("trades", [2**63, -(2**63) - 1, 1.5])
async def test_what_no_bigint_holds_is_an_error(trades: int) -> None:
    """It never reaches the server as something else."""
    candle = Candle(Series("binance", "BTC-USDT", Interval.M1), START, 1.0, 2.0, 0.5, 1.5, 3.0, 1.0, trades)
    with pytest.raises(struct.error):
        await encoded([Delivery(candle, Source.WS, START)])


async def test_a_name_that_cannot_be_spelled_is_an_error() -> None:
    """JSON allows half of a surrogate pair; UTF-8 does not."""
    candle = Candle(Series("binance", "\ud800", Interval.M1), START, 1.0, 2.0, 0.5, 1.5, 3.0)
    with pytest.raises(UnicodeEncodeError):
        await encoded([Delivery(candle, Source.WS, START)])
