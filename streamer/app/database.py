"""The database of a running service: found or started, migrated, and then used; away for a while is no error.

What is asked here waits for the database as long as it takes; ``ready`` tells when it first answered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from streamer.domain.candle import Delivery
from streamer.domain.errors import ConfigurationError, StartError, StoreUnavailable
from streamer.domain.instrument import Instrument, Market
from streamer.domain.series import Series
from streamer.settings.model import Settings
from streamer.store.contract import Ledger, WriteReport
from streamer.store.embedded import EmbeddedServer, find_installation, has_database, running_url
from streamer.store.instruments import Instruments
from streamer.store.known import require_schema
from streamer.store.ledger import DatabaseLedger
from streamer.store.marks import Mark, read_marks, set_mark
from streamer.store.migrate import MigrationOptions, MigrationReport, migrate
from streamer.store.pool import Pool, PoolOptions
from streamer.store.reader import Reader
from streamer.store.refreshing import keep_fresh
from streamer.store.retention import KeptSink
from streamer.store.rollups import RefreshReport, Rollups
from streamer.store.storage import settle_storage
from streamer.store.writer import Writer
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, keep_trying

T = TypeVar("T")
_BACKOFF = Backoff(first_s=0.2, cap_s=10.0)


class Database:
    """The store as one service uses it. Open it, bring it up, use it; ``opened`` does the first and the last."""

    def __init__(self, settings: Settings, clock: Clock, recorder: Recorder) -> None:
        """Take the settings; nothing is opened.

        Raises:
            ConfigurationError: no URL is given, and there is no embedded PostgreSQL to fall back on.
        """
        self.ready = asyncio.Event()
        self.url = settings.database_url or ""
        self._settings = settings
        self._clock = clock
        self._recorder = recorder
        self._random = Random()  # noqa: S311 - jitter, not secrets
        self._embedded: EmbeddedServer | None = None
        if settings.database_url is None:
            find_installation(None)
            self._embedded = EmbeddedServer(settings.data_dir)
        else:
            Pool(PoolOptions(url=settings.database_url))
        self._pool: Pool | None = None
        self._writer: KeptSink | None = None
        self._ledger: Ledger | None = None

    async def open(self) -> None:
        """Start the embedded server, if that is what we use; a server elsewhere is not yet spoken to.

        Raises:
            StartError: the embedded server cannot be started.
        """
        if self._embedded is not None:
            await self._embedded.start()
            self.url = self._embedded.url
            self._recorder.noted(f"the embedded PostgreSQL {self._embedded.version} runs; psql '{self.url}'")
            for note in self._embedded.notes:
                self._recorder.noted(note)
        self._pool = Pool(PoolOptions(url=self.url))

    async def open_beside(self, *, create: bool) -> None:
        """Open for a short command: use the embedded server that a service runs, or start it for the while.

        Raises:
            StartError: the embedded server cannot be started, or there is none and ``create`` is false.
        """
        running = None if self._embedded is None else await running_url(self._settings.data_dir)
        if running is None:
            if self._embedded is not None and not create and not has_database(self._settings.data_dir):
                raise StartError(
                    f"there is no database in {self._settings.data_dir}: `streamer run` makes one; "
                    "give the --data-dir or the --database-url that it was given"
                )
            await self.open()
        else:
            self.url = running
            self._pool = Pool(PoolOptions(url=running))

    async def close(self) -> None:
        """Close the connections and stop the embedded server."""
        if self._pool is not None:
            await self._pool.close()
        if self._embedded is not None:
            await self._embedded.stop()

    @property
    def pool(self) -> Pool:
        """The connections."""
        if self._pool is None:
            raise AssertionError("the database is used before it is opened")
        return self._pool

    async def migrate(self, *, reshape: bool = True) -> MigrationReport:
        """Apply what is missing of the schema; raises what the store's ``migrate`` raises.

        Without ``reshape`` the rollups that are there stay, whatever the settings say.
        """
        options = self._options()
        return await migrate(self.pool, options if reshape else replace(options, rollups=None))

    async def settle_storage(self) -> tuple[str, ...]:
        """Make the migrated database keep candles as the settings say now; a sentence for each change.

        Raises:
            StoreError: as the store's ``settle_storage``.
        """
        return await settle_storage(self.pool, self._options(), self._clock)

    def _options(self) -> MigrationOptions:
        storage = self._settings.storage
        return MigrationOptions(
            chunk_interval=storage.chunk_interval,
            compress_after=storage.compress_after,
            retention=storage.retention,
            rollups=storage.rollups,
        )

    async def bring_up(self, mark: Mark | None) -> None:
        """Wait for the database, migrate it, settle how it keeps candles, and check what kind of candles are there.

        Raises:
            ConfigurationError: invented and real candles would share a table.
            StoreError: the database cannot be used: too old, too new, behind a pooler, or not migrated.
        """
        await self.patiently(lambda _: self.prepare(mark))
        if self._settings.migrate:
            for line in await self.patiently(lambda _: self.settle_storage()):
                self._recorder.noted(line)
        self.ready.set()

    async def prepare(self, mark: Mark | None, *, reshape: bool = True) -> None:
        """Migrate, or require that it was done, and check what kind of candles are there: once, without patience.

        ``reshape`` is that of ``migrate``.

        Raises:
            ConfigurationError, StoreError: as ``bring_up``. StoreUnavailable: the database is away.
        """
        if self._settings.migrate:
            report = await self.migrate(reshape=reshape)
            for line in (*spoken(report), *report.undone):
                self._recorder.noted(line)
        else:
            await require_schema(self.pool)
        await self._check_mark(mark)

    async def _check_mark(self, mark: Mark | None) -> None:
        marks = await read_marks(self.pool)
        if mark is None:
            if marks:
                raise ConfigurationError(
                    f"{self.pool.where} holds invented candles ({', '.join(sorted(marks))}): give another database"
                )
            return
        if mark not in marks:
            _, rows = await self.read_only("select 1 from klines limit 1", 1)
            if rows:
                raise ConfigurationError(
                    f"{self.pool.where} holds candles that are not from a simulator: give another database"
                )
            await set_mark(self.pool, mark)

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """Write a batch, as the store's writer does."""
        if self._writer is None:
            self._writer = KeptSink(Writer(self.pool, self._clock), self.pool, self._clock)  # it reads its statements
        return await self._writer.write(batch)

    async def newest(self, series: Sequence[Series], ended_by: datetime) -> Mapping[Series, datetime]:
        """The newest stored open time of each series, of candles that ended by then."""
        return await self.patiently(lambda _: Reader(self.pool).newest(series, ended_by))

    async def recently_traded(self, series: Sequence[Series], most: int) -> Mapping[Series, list[bool]]:
        """Whether each of the newest stored candles of each series had a trade."""
        return await self.patiently(lambda _: Reader(self.pool).recently_traded(series, most))

    @property
    def ledger(self) -> Ledger:
        """What is followed, and what is missing; it raises ``StoreUnavailable`` and does not wait."""
        if self._ledger is None:
            self._ledger = DatabaseLedger(self.pool)
        return self._ledger

    async def save_instruments(
        self, exchange: str, instruments: Sequence[Instrument], markets: Collection[Market]
    ) -> None:
        """Remember an exchange's lists of these markets."""
        await self.patiently(lambda _: Instruments(self.pool).save_instruments(exchange, instruments, markets))

    async def read_only(self, statement: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows of one read-only statement; raises ``StoreError`` in a sentence."""
        return await Reader(self.pool).read_only(statement, most)

    async def keep_rollups(self) -> None:
        """Keep the rollups right until cancelled; what is not done then is done at the next start."""
        await self.ready.wait()

        refused: str | None = None

        def refreshed(report: RefreshReport) -> None:
            nonlocal refused
            self._recorder.rollups_refreshed(report.refreshed, report.waiting)
            if report.refused is None:
                refused = refused if report.waiting else None
            elif str(report.refused) != refused:  # once, not at every round
                refused = str(report.refused)
                self._recorder.rollups_failed(report.refused)

        await keep_fresh(
            Rollups(self.pool),
            clock=self._clock,
            random=self._random,
            refreshed=refreshed,
            before_wait=lambda wait: self._recorder.rollups_failed(wait.cause),
        )

    async def patiently(self, operation: Callable[[Health], Awaitable[T]]) -> T:
        """What ``operation`` on the database returns, tried until the database answers."""
        answer = await keep_trying(
            operation,
            retryable=lambda error: isinstance(error, StoreUnavailable),
            clock=self._clock,
            backoff=_BACKOFF,
            random=self._random,
            before_wait=self._recorder.database_unreachable,
        )
        self._recorder.database_reachable()
        return answer


@asynccontextmanager
async def database_of(settings: Settings, clock: Clock, recorder: Recorder) -> AsyncIterator[Database]:
    """The database that the settings name, closed at the end of the block; opening it is left to the caller."""
    database = Database(settings, clock, recorder)
    try:
        yield database
    finally:
        await database.close()


def spoken(report: MigrationReport) -> list[str]:
    """What a migration found and did, as sentences."""
    versions = report.versions
    extension = f" with TimescaleDB {versions.timescaledb}" if versions.timescaledb else ""
    done = f"{len(report.applied)} migrations applied" if report.applied else "the schema is up to date"
    return [f"{report.kind.value} database, PostgreSQL {versions.postgresql}{extension}: {done}", *report.notes]
