"""What goes wrong in a database reaches the caller as one of our errors, and nothing is lost or stored twice."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from streamer.domain.candle import Source
from streamer.domain.errors import StoreMisconfigured, StoreUnavailable
from streamer.domain.merge import Outcome
from streamer.store.pool import Pool, PoolOptions
from streamer.store.writer import Writer
from streamer.timing.clock import SystemClock
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import MINUTE, START, OpenStore, delivery, open_store, run_of
from tests.integration.test_sink_suite import outcomes

WAITING = """select count(*) from pg_stat_activity
             where application_name = 'streamer' and datname = current_database() and wait_event_type = 'Lock'"""
KILL = WAITING.replace("count(*)", "count(pg_terminate_backend(pid))")
COUNT = "select count(*) from klines"


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
async def other(database: TestDatabase) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Another session, to be in the way."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


async def until_one(store: OpenStore, statement: str) -> None:
    """Ask until the answer is one."""
    async with asyncio.timeout(20):
        while await store.look(statement) != [(1,)]:
            pass


async def test_a_backend_that_is_terminated_during_a_copy(
    store: OpenStore, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Nothing of the batch is stored; written again, all of it is."""
    batch = run_of("A", START, START + 500 * MINUTE)
    async with other.transaction():
        await other.execute("lock table klines in access exclusive mode")
        task = asyncio.create_task(store.writer.write(batch))
        await until_one(store, KILL)
        with pytest.raises(StoreUnavailable):
            await task
    assert await store.look(COUNT) == [(0,)]
    assert outcomes(await store.writer.write(batch)) == {Outcome.INSERTED: 500}


async def test_a_command_that_takes_too_long(
    database: TestDatabase, store: OpenStore, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The client's own limit ends the wait, so that a dead peer cannot hold a batch for ever."""
    hasty = Pool(PoolOptions(url=database.url, command_timeout_s=0.2))
    writer = Writer(hasty, SystemClock())
    async with other.transaction():
        await other.execute("lock table klines in access exclusive mode")
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            await writer.write([delivery()])
    assert outcomes(await writer.write([delivery()])) == {Outcome.INSERTED: 1}
    assert await store.look(COUNT) == [(1,)]
    await hasty.close()


async def test_a_deadlock(store: OpenStore, other: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The victim's batch is kept by its caller and can be written again."""
    await store.writer.write([delivery("A"), delivery("B")])
    changed = [delivery("A", close=1.6), delivery("B", close=1.6)]
    await other.execute("set deadlock_timeout = '1min'")  # so that the writer is the victim
    async with other.transaction():
        await other.execute("update klines set close = 1.7 where symbol = 'B'")
        task = asyncio.create_task(store.writer.write(changed))
        await until_one(store, WAITING)
        update = asyncio.create_task(other.execute("update klines set close = 1.7 where symbol = 'A'"))
        with pytest.raises(StoreUnavailable, match="40P01"):
            await task
        await update
    assert outcomes(await store.writer.write(changed)) == {Outcome.REPLACED: 2}


@pytest.mark.parametrize("state", ["53100", "53400", "40001", "55P03", "57014", "25006", "0A000", "XX000"])
async def test_trouble_of_the_store_keeps_the_batch(store: OpenStore, state: str) -> None:
    """A full disk, a busy or read-only server, and all that is not known: nothing is stored and nothing rejected."""
    await raise_on_poison(store, state)
    with pytest.raises(StoreUnavailable, match=state) as raised:
        await store.writer.write([delivery("GOOD"), delivery("POISON")])
    assert not isinstance(raised.value, StoreMisconfigured)
    assert await store.look(COUNT) == [(0,)]


async def test_missing_rights_are_said_apart(store: OpenStore) -> None:
    """The batch is kept, and the error says that somebody must look."""
    await raise_on_poison(store, "42501")
    with pytest.raises(StoreMisconfigured):
        await store.writer.write([delivery("POISON")])


@pytest.mark.parametrize("state", ["22003", "23514"])
async def test_a_rows_own_fault_rejects_that_row(store: OpenStore, state: str) -> None:
    """The others of a batch are stored, over a COPY and over a merge."""
    await raise_on_poison(store, state)
    batch = [delivery(f"S{number:02}") for number in range(30)]
    batch.insert(11, delivery("POISON"))
    first = await store.writer.write(batch)
    again = await store.writer.write(batch)
    assert [(one.delivery, one.reason) for one in first.rejected] == [(batch[11], state)]
    assert [(one.delivery, one.reason) for one in again.rejected] == [(batch[11], state)]
    assert (outcomes(first), outcomes(again)) == ({Outcome.INSERTED: 30}, {Outcome.DUPLICATE: 30})


async def test_an_impossible_row_is_refused_by_the_table_itself(store: OpenStore) -> None:
    """The checks hold for whoever writes SQL."""
    for change in ("volume = 'NaN'", "low = 'NaN'", "high = 'infinity'", "volume = -1", "source = 'me'", "trades = -1"):
        await store.writer.write([delivery()])
        with pytest.raises(asyncpg.CheckViolationError):
            await store.connection.execute(f"update klines set {change}")  # noqa: S608 - figures of the test


async def test_two_writers_of_the_same_candles(database: TestDatabase, store: OpenStore) -> None:
    """Each candle is inserted once, whoever wins, and every delivery has an outcome."""
    pools = [Pool(PoolOptions(url=database.url)) for _ in range(3)]
    writers = [Writer(pool, SystemClock()) for pool in pools]
    batch = [delivery(f"S{number:03}", START + minute * MINUTE) for number in range(40) for minute in range(20)]
    reports = await asyncio.gather(*(writer.write(batch) for writer in writers))
    inserted = sum(outcomes(report).get(Outcome.INSERTED, 0) for report in reports)
    duplicates = sum(outcomes(report).get(Outcome.DUPLICATE, 0) for report in reports)
    assert (inserted, duplicates) == (len(batch), 2 * len(batch))
    assert await store.look(COUNT) == [(len(batch),)]
    for pool in pools:
        await pool.close()


async def test_a_merge_that_loses_a_race(store: OpenStore, other: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A key that another session inserts between look and write is looked at again, so that the outcomes are true."""
    twice = [delivery(close=1.6), delivery(close=1.6)]  # which goes to the merge at once
    async with other.transaction():
        await other.execute(
            """insert into klines (exchange, symbol, interval, open_time, open, high, low, close, volume,
                                   source, received_at)
               values ('binance', 'BTC-USDT', '1m', $1, 1, 2, 0.5, 1.5, 10, 'ws', $1)""",
            START,
        )
        task = asyncio.create_task(store.writer.write(twice))
        await until_one(store, WAITING)
    assert outcomes(await task) == {Outcome.REPLACED: 1, Outcome.DUPLICATE: 1}


async def test_many_series_in_compressed_chunks(timescale_database: TestDatabase) -> None:
    """Over a hundred series of the columnstore are repaired and revised in one batch, and counted rightly."""
    async with open_store(timescale_database) as store:
        names = [f"S{number:03}" for number in range(105)]  # a thousand rows each are decompressed
        hole = START + 7 * MINUTE
        compress = "select compress_chunk(c, if_not_compressed => true) from show_chunks('klines') c"
        full = [one for name in names for one in run_of(name, START, START + 1_000 * MINUTE)]
        await store.write_all([one for one in full if one.candle.open_time != hole])
        await store.connection.execute(compress)
        repaired = [delivery(name, hole) for name in names]
        assert outcomes(await store.writer.write(repaired)) == {Outcome.INSERTED: 105}
        await store.connection.execute(compress)
        revised = [delivery(name, START, close=1.6, source=Source.REST) for name in names]
        mixed = [*revised, *repaired, *(delivery(name, START + 1_010 * MINUTE) for name in names)]
        expected = {Outcome.REPLACED: 105, Outcome.DUPLICATE: 105, Outcome.INSERTED: 105}
        assert outcomes(await store.writer.write(mixed)) == expected
        counted = await store.look("select count(*), count(*) filter (where close = 1.6) from klines")
        assert counted == [(1_001 * 105, 105)]


async def test_cancelling_a_write_leaves_the_store_usable(
    store: OpenStore, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The transaction is rolled back, and the connection goes back to the pool."""
    for _ in range(6):  # more than the pool has
        async with other.transaction():
            await other.execute("lock table klines in access exclusive mode")
            task = asyncio.create_task(store.writer.write([delivery()]))
            await until_one(store, WAITING)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert outcomes(await store.writer.write([delivery()])) == {Outcome.INSERTED: 1}


async def raise_on_poison(store: OpenStore, state: str) -> None:
    """Make the server raise an error of this state for the symbol POISON."""
    await store.connection.execute(
        f"""create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'as asked' using errcode = '{state}'; end $$;
            create trigger poison before insert on klines
            for each row when (new.symbol = 'POISON') execute function refuse();"""
    )
