"""Every change of a stored candle leaves its old and new values, and nothing else does."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from streamer.domain.candle import Delivery, Source
from streamer.domain.merge import Outcome
from streamer.store.contract import WriteReport
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import HOUR, MINUTE, START, OpenStore, delivery, open_store, run_of

VALUES = (
    "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "source", "received_at",
)  # fmt: skip
KEY = "exchange, symbol, interval, open_time"
OLD = ", ".join(f"old_{value}" for value in VALUES)
NEW = ", ".join(f"new_{value}" for value in VALUES)
LATER = START + timedelta(hours=1)


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


async def revisions(store: OpenStore, columns: str = "old_close, new_close") -> list[tuple[Any, ...]]:
    """The revisions in their order."""
    return await store.look(f"select {columns} from kline_revisions order by id")  # noqa: S608 - columns of ours


def outcomes(report: WriteReport) -> set[Outcome]:
    """What became of a batch."""
    return {written.outcome for written in report.counts}


def row_of(one: Delivery) -> tuple[Any, ...]:
    """The values of a delivery, as the columns say them."""
    candle = one.candle
    return (*(getattr(candle, value) for value in VALUES[:9]), one.source.value, one.received_time)


async def test_a_revision_has_all_old_and_new_values(store: OpenStore) -> None:
    """Nine values, source and time of both, under the candle's key."""
    first = delivery(quote_volume=5.0, trades=3, taker_buy_volume=1.0, taker_buy_quote_volume=2.0, received_time=START)
    second = delivery(close=1.7, high=3.0, volume=11.0, quote_volume=6.0, trades=4, taker_buy_volume=1.5,
                      taker_buy_quote_volume=2.5, source=Source.REST, received_time=LATER)  # fmt: skip
    await store.writer.write([first])
    await store.writer.write([second])
    assert await revisions(store, KEY) == [("binance", "BTC-USDT", "1m", START)]
    assert await revisions(store, OLD) == [row_of(first)]
    assert await revisions(store, NEW) == [row_of(second)]
    [(stamped,)] = await revisions(store, "revised_at > now() - interval '1 minute' and revised_at <= now()")
    assert stamped


async def test_the_new_values_are_those_that_are_stored(store: OpenStore) -> None:
    """NULL replaces nothing, and a value that fills NULL beside a change is part of the revision."""
    await store.writer.write([delivery(trades=3)])
    await store.writer.write([delivery(close=1.7, quote_volume=8.0)])
    columns = "old_close, old_trades, old_quote_volume, new_close, new_trades, new_quote_volume"
    assert await revisions(store, columns) == [(1.5, 3, None, 1.7, 3, 8.0)]
    assert await store.look("select close, trades, quote_volume from klines") == [(1.7, 3, 8.0)]


@pytest.mark.parametrize("stored", Source)
@pytest.mark.parametrize("new", Source)
async def test_only_what_replaces_is_a_revision(store: OpenStore, stored: Source, new: Source) -> None:
    """Inserted, equal, filled and kept candles leave none, whatever their sources."""
    await store.writer.write([delivery(source=stored), delivery("FRESH", source=new)])
    await store.writer.write([delivery(source=new), delivery("OTHER", source=new)])
    await store.writer.write([delivery(source=new, trades=3)])
    assert await revisions(store) == []
    report = await store.writer.write([delivery(source=new, close=1.7), delivery("THIRD", source=new)])
    expected = [(1.5, 1.7)] if Outcome.REPLACED in outcomes(report) else []
    assert await revisions(store) == expected


async def test_several_changes_in_one_batch_are_kept_in_order(store: OpenStore) -> None:
    """Each is a row; the last one's new values are the stored ones."""
    await store.writer.write([delivery(close=close) for close in (1.1, 1.2, 1.2, 1.3)])
    assert await revisions(store) == [(1.1, 1.2), (1.2, 1.3)]


async def test_the_same_batch_twice_revises_once(store: OpenStore) -> None:
    """A batch whose commit went unheard may be written again."""
    await store.writer.write(run_of("A", START, START + HOUR))
    changed = run_of("A", START, START + HOUR, close=1.9)
    await store.writer.write(changed)
    await store.writer.write(changed)
    assert await revisions(store, "count(*) over (), old_close, new_close") == [(60, 1.5, 1.9)] * 60


async def test_a_batch_that_fails_leaves_no_revision(store: OpenStore) -> None:
    """The revision is in the transaction of the change: a row that is refused takes neither with it."""
    await store.writer.write([delivery("A"), delivery("B")])
    refused = delivery("POISON", trades=2**63)
    report = await store.writer.write([delivery("A", close=1.7), refused, delivery("B", close=1.8)])
    assert [one.delivery for one in report.rejected] == [refused]
    assert await revisions(store, "symbol, new_close") == [("A", 1.7), ("B", 1.8)]
    await store.look("alter table kline_revisions add constraint closed check (new_close < 1.9)")
    report = await store.writer.write([delivery("A", close=1.95)])
    assert len(report.rejected) == 1
    assert await store.look("select close from klines where symbol = 'A'") == [(1.7,)]


async def test_compressed_candles_are_revised_alike(timescale_database: TestDatabase) -> None:
    """In many series of a chunk in the columnstore."""
    async with open_store(timescale_database) as store:
        symbols = [f"S{number:03}" for number in range(120)]
        batch = [delivery(symbol, START + minute * MINUTE) for symbol in symbols for minute in range(3)]
        await store.writer.write(batch)
        await store.look("select compress_chunk(c) from show_chunks('klines') c")
        await store.writer.write([delivery(symbol, START + MINUTE, close=1.6) for symbol in symbols])
        found = await revisions(store, "symbol, open_time, old_close, new_close")
        assert sorted(found) == [(symbol, START + MINUTE, 1.5, 1.6) for symbol in symbols]
