"""Answers about what is stored, and the one read-only statement of a person at the command line."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from streamer.domain.candle import Candle
from streamer.domain.errors import StoreError
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.pool import Connection, Pool
from streamer.store.statements import query


class Reader:
    """The candle reader over PostgreSQL. Every method raises ``StoreUnavailable``; cancelling loses the answer only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._newest = query("newest")
        self._candles = query("candles")
        self._traded = query("recently_traded")
        self._is_migrated = query("bookkeeping_exists")
        self._read_role = query("become_reader")
        self._limits = query("limit_statement")

    async def newest(self, series: Sequence[Series], ended_by: datetime | None = None) -> Mapping[Series, datetime]:
        """The newest stored open time of each of ``series`` that has any; of candles that ended by then, if given."""
        exchanges, symbols, intervals = ([one[part] for one in series] for part in range(3))
        latest = [None if ended_by is None else ended_by - one.interval.duration for one in series]
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._newest, exchanges, symbols, intervals, latest)
        return {Series(exchange, symbol, Interval(interval)): time for exchange, symbol, interval, time in rows}

    async def recently_traded(self, series: Sequence[Series], most: int) -> Mapping[Series, list[bool]]:
        """Whether each of the newest ``most`` stored candles of each series had a trade, oldest first."""
        exchanges, symbols, intervals = ([one[part] for one in series] for part in range(3))
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._traded, exchanges, symbols, intervals, most)
        return {series[position - 1]: traded for position, traded in rows}

    async def candles(self, series: Series, since: datetime, until: datetime, most: int) -> list[Candle]:
        """At most ``most`` candles that open in [since, until), by open time; go on from the last one's."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._candles, *series, since, until, most)
        return [Candle(series, *row) for row in rows]

    async def read_only(
        self, statement: str, most: int, timeout_s: float = 30.0
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and at most ``most`` rows of one statement, run as the reading role where there is one.

        Raises:
            StoreError: the statement is wrong, is more than one, writes, takes longer than ``timeout_s`` seconds, or
                asks for values that Python has no type for.
        """
        _check_text(statement)
        async with self._pool.connection() as connection:
            try:
                async with _undone(connection):
                    await connection.execute(self._limits, f"{timeout_s * 1_000:.0f}")
                    if await connection.fetchval(self._is_migrated):
                        await connection.execute(self._read_role)
                    prepared = await connection.prepare(statement)
                    if prepared.get_parameters():
                        raise StoreError("the statement was refused: it has parameters; write their values into it")
                    cursor = await prepared.cursor()
                    rows = await cursor.fetch(most)
                    columns = [attribute.name for attribute in prepared.get_attributes()]
            except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.InvalidTransactionStateError) as error:
                said = str(error.args[0]).splitlines()[0]
                hint = "; give one statement at a time" if "multiple commands" in said else ""
                raise StoreError(f"the statement was refused: {said}{hint}") from error
            except asyncpg.QueryCanceledError as error:
                raise StoreError(f"the statement took longer than {timeout_s:g} s") from error
            except (OverflowError, ValueError) as error:  # the driver's decoders: times of years before 1 or after 9999
                raise StoreError(f"the answer holds a value that cannot be shown ({error}): cast it to text") from error
        return columns, [tuple(row) for row in rows]


def _check_text(statement: str) -> None:
    if not statement.strip("; \n\t"):
        raise StoreError("there is no statement")
    try:
        statement.encode()
    except UnicodeEncodeError:
        raise StoreError("the statement is not valid UTF-8") from None
    if "\0" in statement:
        raise StoreError("the statement holds a NUL character")


@asynccontextmanager
async def _undone(connection: Connection) -> AsyncIterator[None]:
    """A read-only transaction that is rolled back however the block ends: a SET would outlive a commit."""
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        yield
    except BaseException:
        try:
            await transaction.rollback()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            connection.terminate()  # the first error is the one to tell
        raise
    await transaction.rollback()
