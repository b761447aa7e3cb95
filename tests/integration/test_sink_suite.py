"""What every store must do, over the in-memory twin and over each kind of database."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.store.contract import CandleReader, CandleSink, InstrumentSink, WriteReport
from streamer.store.instruments import Instruments
from tests.fakes.store import MemoryStore
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE, START, delivery, open_store

LATER = START + timedelta(hours=1)
Row = tuple[Candle, Source, datetime]


@dataclass(frozen=True, slots=True)
class Subject:
    """A store under test, and a look at what it holds."""

    sink: CandleSink
    reader: CandleReader
    instruments: InstrumentSink
    rows: Callable[[], Awaitable[list[tuple[str, float, str, datetime]]]]  # symbol, close, source, received
    statuses: Callable[[], Awaitable[dict[str, str]]]  # by exchange and symbol


def outcomes(report: WriteReport) -> dict[Outcome, int]:
    """The counts without their other labels."""
    totals: Counter[Outcome] = Counter()
    for written, count in report.counts.items():
        totals[written.outcome] += count
    return dict(totals)


def instrument(symbol: str, **changes: object) -> Instrument:
    """A spot instrument that trades."""
    base, quote = symbol.split("-")
    made = Instrument(
        exchange="binance", market=Market.SPOT, kind=Kind.SPOT, native_symbol=base + quote, symbol=symbol,
        base=base, quote=quote, settle=quote, status=Status.TRADING,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name fields


class SinkSuite:
    """The promises; a subclass supplies ``store``."""

    async def test_what_is_written_can_be_read(self, store: Subject) -> None:
        """Every value comes back to the bit, and the counts are labelled."""
        full = delivery(close=0.1 + 0.2 + 0.5, quote_volume=1e-9, trades=7, taker_buy_volume=0.3, volume=1 / 3)
        report = await store.sink.write([full])
        assert [full.candle] == await store.reader.candles(full.candle.series, START, LATER, 10)
        assert Counter({("binance", Interval.M1, Source.WS, Outcome.INSERTED): 1}) == report.counts

    async def test_an_empty_batch_is_nothing(self, store: Subject) -> None:
        """Writing nothing reports nothing."""
        assert WriteReport() == await store.sink.write([])

    async def test_the_same_batch_twice_changes_nothing(self, store: Subject) -> None:
        """A batch whose commit went unheard may be written again."""
        batch = [delivery(symbol, START + minute * MINUTE) for symbol in ("A", "B") for minute in range(3)]
        await store.sink.write(batch)
        before = await store.rows()
        report = await store.sink.write(batch)
        assert outcomes(report) == {Outcome.DUPLICATE: 6}
        assert before == await store.rows()

    async def test_a_batch_may_hold_old_and_new(self, store: Subject) -> None:
        """One known key does not keep the others out."""
        await store.sink.write([delivery("B")])
        report = await store.sink.write([delivery("A"), delivery("B"), delivery("C")])
        assert outcomes(report) == {Outcome.INSERTED: 2, Outcome.DUPLICATE: 1}

    @pytest.mark.parametrize("stored", Source)
    @pytest.mark.parametrize("new", Source)
    async def test_the_table_of_sources_holds(self, store: Subject, stored: Source, new: Source) -> None:
        """Who may replace whom is as designed, and what replaces brings its source and time along."""
        allowed = {
            (Source.WS, Source.WS), (Source.WS, Source.REST), (Source.REST, Source.REST),
            (Source.FILE, Source.WS), (Source.FILE, Source.REST), (Source.FILE, Source.FILE),
        }  # fmt: skip
        first = delivery(close=1.1, source=stored, received_time=START)
        second = delivery(close=1.2, source=new, received_time=LATER)
        await store.sink.write([first])
        report = await store.sink.write([second])
        if (stored, new) in allowed:
            assert outcomes(report) == {Outcome.REPLACED: 1}
            assert [("BTC-USDT", 1.2, new.value, LATER)] == await store.rows()
        else:
            assert outcomes(report) == {Outcome.KEPT: 1}
            assert [("BTC-USDT", 1.1, stored.value, START)] == await store.rows()
        contested = (second,) if (stored, new) == (Source.REST, Source.WS) else ()
        assert contested == report.contested

    async def test_unknown_values_are_filled_and_never_lost(self, store: Subject) -> None:
        """A value replaces NULL without a revision, from any source; NULL replaces nothing."""
        await store.sink.write([delivery(source=Source.REST, quote_volume=5.0, received_time=START)])
        filled = await store.sink.write([delivery(source=Source.FILE, trades=3, received_time=LATER)])
        assert outcomes(filled) == {Outcome.FILLED: 1}
        replaced = await store.sink.write([delivery(close=1.7, source=Source.REST, received_time=START)])
        assert outcomes(replaced) == {Outcome.REPLACED: 1}
        [candle] = await store.reader.candles(delivery().candle.series, START, LATER, 10)
        assert (candle.close, candle.quote_volume, candle.trades) == (1.7, 5.0, 3)
        assert await store.rows() == [("BTC-USDT", 1.7, "rest", START)]

    async def test_a_key_several_times_in_a_batch_acts_in_order(self, store: Subject) -> None:
        """Each delivery has the outcome it would have had alone, after those before it."""
        batch = [
            delivery(close=1.1),
            delivery(close=1.2, source=Source.REST),
            delivery(close=1.3),
            delivery(close=1.2, trades=4),
            delivery("OTHER"),
        ]
        report = await store.sink.write(batch)
        expected = {Outcome.INSERTED: 2, Outcome.REPLACED: 1, Outcome.KEPT: 1, Outcome.FILLED: 1}
        assert expected == outcomes(report)
        assert (batch[2],) == report.contested
        assert [row[:2] for row in await store.rows()] == [("BTC-USDT", 1.2), ("OTHER", 1.5)]

    async def test_a_poison_row_is_isolated(self, store: Subject) -> None:
        """Rows that no column can hold are rejected with their SQLSTATE; the others are stored."""
        good = [delivery(f"S{number:02}") for number in range(20)]
        too_many, zero_byte = delivery("MANY", trades=2**63), delivery("N\0L")
        report = await store.sink.write([*good[:7], too_many, *good[7:], zero_byte])
        assert outcomes(report) == {Outcome.INSERTED: 20}
        assert [("22000", too_many), ("22021", zero_byte)] == [(one.reason, one.delivery) for one in report.rejected]
        assert len(await store.rows()) == 20

    async def test_the_newest_of_each_series(self, store: Subject) -> None:
        """Series without candles are left out; intervals are apart."""
        old = START - timedelta(days=40)
        five = delivery("A", START - 5 * MINUTE, interval=Interval.M5)
        await store.sink.write([delivery("A", old), delivery("A", START), delivery("B", old), five])
        series = [Series("binance", name, Interval.M1) for name in ("A", "B", "NONE")]
        newest = await store.reader.newest([*series, five.candle.series])
        assert {series[0]: START, series[1]: old, five.candle.series: START - 5 * MINUTE} == newest
        assert await store.reader.newest([]) == {}

    async def test_the_newest_that_ended_by_a_time(self, store: Subject) -> None:
        """A candle counts from its end on; candles after it do not hide an older one."""
        await store.sink.write([delivery("A", START), delivery("A", START + MINUTE)])
        series = delivery("A").candle.series
        assert await store.reader.newest([series], START + 2 * MINUTE) == {series: START + MINUTE}
        assert await store.reader.newest([series], START + MINUTE) == {series: START}
        assert await store.reader.newest([series], START) == {}

    async def test_candles_come_in_pages(self, store: Subject) -> None:
        """The end is excluded, the order is by open time, the number is limited."""
        batch: list[Delivery] = [delivery("A", START + minute * MINUTE) for minute in range(5)]
        await store.sink.write(batch[::-1])
        series, wanted = batch[0].candle.series, [one.candle for one in batch]
        assert wanted[1:4] == await store.reader.candles(series, START + MINUTE, START + 4 * MINUTE, 10)
        assert wanted[:2] == await store.reader.candles(series, START, LATER, 2)

    async def test_instruments_are_replaced_and_closed(self, store: Subject) -> None:
        """What is gone from a list is closed, of that exchange alone; what comes back trades again."""
        await store.instruments.save_instruments("binance", [instrument("A-B"), instrument("C-D")])
        await store.instruments.save_instruments("okx", [instrument("A-B", exchange="okx")])
        await store.instruments.save_instruments("binance", [instrument("A-B", status=Status.HALTED)])
        assert await store.statuses() == {"binance A-B": "halted", "binance C-D": "closed", "okx A-B": "trading"}
        await store.instruments.save_instruments("binance", [instrument("C-D", contract_size=0.01)])
        assert await store.statuses() == {"binance A-B": "closed", "binance C-D": "trading", "okx A-B": "trading"}
        await store.instruments.save_instruments("okx", [])
        assert (await store.statuses())["okx A-B"] == "closed"


class TestMemory(SinkSuite):
    """The twin."""

    @pytest.fixture
    def store(self) -> Subject:
        """An empty twin."""
        memory = MemoryStore()

        async def rows() -> list[tuple[str, float, str, datetime]]:
            kept = sorted(memory.rows.values(), key=lambda one: one.candle.series)
            return [(one.candle.series.symbol, one.candle.close, one.source.value, one.received_time) for one in kept]

        async def statuses() -> dict[str, str]:
            return {f"{exchange} {name}": one.status.value for (exchange, name), one in memory.instruments.items()}

        return Subject(memory, memory, memory, rows, statuses)


class TestDatabases(SinkSuite):
    """The real one."""

    @pytest.fixture
    async def store(self, database: TestDatabase) -> AsyncIterator[Subject]:
        """An empty, migrated database."""
        async with open_store(database) as opened:

            async def rows() -> list[tuple[str, float, str, datetime]]:
                found = await opened.look("select symbol, close, source, received_at from klines order by 1, open_time")
                return [(symbol, close, source, time) for symbol, close, source, time in found]

            async def statuses() -> dict[str, str]:
                found = await opened.look("select exchange || ' ' || symbol, status from instruments")
                return dict(found)

            yield Subject(opened.writer, opened.reader, Instruments(opened.pool), rows, statuses)
