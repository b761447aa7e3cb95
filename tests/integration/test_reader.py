"""The newest candles are found without a scan; the read-only statement can do nothing but read."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from streamer.domain.errors import StoreError, StoreUnavailable
from streamer.store.pool import Pool, PoolOptions
from streamer.store.reader import Reader
from streamer.store.statements import query
from tests.integration.servers import TestDatabase
from tests.integration.store_samples import START, OpenStore, delivery, open_store

CHUNK = re.compile(r" on (_hyper_\d+_\d+_chunk)")


@pytest.fixture
async def store(database: TestDatabase) -> AsyncIterator[OpenStore]:
    """A migrated database."""
    async with open_store(database) as opened:
        yield opened


async def test_the_newest_stops_at_the_newest_chunk(timescale_database: TestDatabase) -> None:
    """Chunks older than the one that answers are planned but never executed."""
    async with open_store(timescale_database) as store:
        weeks = [START + timedelta(weeks=week) for week in range(6)]
        await store.writer.write([delivery("A", week) for week in weeks])
        series = delivery("A").candle.series
        assert await store.reader.newest([series]) == {series: weeks[5]}
        explain = "explain (analyze, costs off, timing off, summary off) " + query("newest").split("\n", 2)[2]
        plan = await store.look(explain, ["binance"], ["A"], ["1m"], [None])
        chunks = {
            match[1]: line for (line,) in plan if (match := CHUNK.search(line))
        }  # the policy may have compressed some
        assert len(chunks) == 6
        assert len([chunk for chunk, line in chunks.items() if "never executed" not in line]) == 1


async def test_a_statement_gives_columns_and_limited_rows(store: OpenStore) -> None:
    """The names come with at most so many rows, also where there are none."""
    await store.writer.write([delivery(name) for name in "ABC"])
    assert await store.reader.read_only("select symbol, close as c from klines order by 1", 2) == (
        ["symbol", "c"],
        [("A", 1.5), ("B", 1.5)],
    )
    assert await store.reader.read_only("-- a comment\nselect 1 as one where false;", 2) == (["one"], [])
    assert await store.reader.read_only("show timezone", 2) == (["TimeZone"], [("UTC",)])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("selec 1", "syntax error"),
        ("select 1; drop table klines", "multiple commands.*give one statement at a time"),
        ("select $1::int", "it has parameters"),
        ("select nothing from klines", "does not exist"),
        ("select 1 / 0", "division by zero"),
        ("delete from klines", "denied|read-only"),
        ("with gone as (delete from klines returning 1) select * from gone", "denied|read-only"),
        ("create table mine (a int)", "denied|read-only"),
        ("copy klines to '/tmp/klines.csv'", "to COPY to a file"),
        ("copy klines to program 'true'", "to COPY to or from an external program"),
        ("select pg_sleep(5)", "took longer than 0.2 s"),
        (" ;", "no statement"),
        ("select '294276-01-01'::timestamptz", "cannot be shown.*cast it to text"),
        ("select '0044-03-15 BC'::date", "cannot be shown.*cast it to text"),
        ("select '\udcff'", "not valid UTF-8"),
        ("select '\0'", "NUL"),
    ],
)
async def test_anything_but_one_reading_statement_is_refused(store: OpenStore, statement: str, said: str) -> None:
    """A person gets one sentence, the table stays, and the connection goes on working."""
    await store.writer.write([delivery()])
    with pytest.raises(StoreError, match=said) as refused:
        await store.reader.read_only(statement, 10, timeout_s=0.2)
    assert not isinstance(refused.value, StoreUnavailable)
    assert "\n" not in str(refused.value)
    for _ in range(4):
        assert await store.reader.read_only("select count(*) from klines", 10) == (["count"], [(1,)])


@pytest.mark.parametrize("statement", ["commit", "rollback", "reset role", "set role postgres"])
async def test_leaving_the_transaction_gains_nothing(store: OpenStore, statement: str) -> None:
    """Statements about the session end with it."""
    with suppress(StoreError):
        await store.reader.read_only(statement, 10)
    with pytest.raises(StoreError, match=r"denied|read-only"):
        await store.reader.read_only("delete from klines", 10)
    await store.writer.write([delivery()])
    assert await store.look("select count(*) from klines") == [(1,)]


async def test_a_database_that_was_never_migrated_answers_too(plain_database: TestDatabase) -> None:
    """Whoever looks before the first start is not told of our own tables."""
    pool = Pool(PoolOptions(url=plain_database.url))
    try:
        assert await Reader(pool).read_only("select 1 as one", 2) == (["one"], [(1,)])
    finally:
        await pool.close()
