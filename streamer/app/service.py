"""The running service: what starts when, and what stops in which order.

Start: the port, the exchanges' lists (so that a wrong symbol is told before the database is opened), the database, the
rest.
Stop: feeds first, then the buffer is drained within a deadline, then the pool, HTTP last.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from random import Random
from typing import Protocol

from prometheus_client import CollectorRegistry

from streamer import __version__
from streamer.app.counting import count_gaps
from streamer.app.database import Database, database_of
from streamer.app.exchange import ExchangeService, Shared
from streamer.app.http import make_application, serve
from streamer.app.lag import watch_loop
from streamer.app.memory import keep_trimmed, set_aside_imports
from streamer.app.outlet import Outlet
from streamer.app.retaining import keep_trimming
from streamer.app.sharing import keep_leases, leasing_of
from streamer.app.signals import Stop, listen_for_stop
from streamer.domain.candle import Delivery
from streamer.domain.errors import ConfigurationError
from streamer.rest.session import make_session
from streamer.settings.model import Settings
from streamer.store.marks import Mark
from streamer.telemetry.logs import configure_logs
from streamer.telemetry.metrics import Metrics
from streamer.telemetry.recorder import Recorder
from streamer.telemetry.status import StatusBoard
from streamer.timing.clock import make_clock

_FIRST_LISTS_S = 15.0  # how long a start waits for every exchange's lists before it goes on without


def mark_of(settings: Settings) -> Mark | None:
    """How the database is marked when candles come from a simulator; None for real exchanges.

    Raises:
        ConfigurationError: an exchange is on this machine, and that was not allowed.
    """
    if not settings.any_loopback():
        return None
    if not settings.allow_simulated:
        raise ConfigurationError("an exchange URL is on this machine: a simulator's candles need --allow-simulated")
    return Mark.SIMULATED


class Contestable(Protocol):
    """Asks REST again about what it said otherwise."""

    def contest(self, contested: Sequence[Delivery]) -> None:
        """Take what is to be asked for again; does not block."""
        ...


def contest(exchanges: Mapping[str, Contestable], deliveries: Sequence[Delivery]) -> None:
    """Hand each live candle that differs from what REST said to its exchange.

    The spool may bring some of exchanges that are followed no longer: those nobody can ask.
    """
    for name, group in groupby(deliveries, key=lambda delivery: delivery.candle.series.exchange):
        if name in exchanges:
            exchanges[name].contest(list(group))


class Service:
    """The whole of ``streamer run``. ``companion`` runs beside it and gets the open database and the HTTP address."""

    def __init__(
        self,
        settings: Settings,
        *,
        since: timedelta = timedelta(0),
        mark: Mark | None = None,
        companion: Callable[[Database, str], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self._settings = settings
        self._since = since
        self._companion = companion
        self._clock = make_clock(settings.clock_rate)
        self._registry = CollectorRegistry()
        self._status = StatusBoard()
        logger = configure_logs(sys.stderr, settings.log_level)
        self._recorder = Recorder(Metrics(self._registry), logger, self._status)
        self._mark = mark_of(settings) if mark is None else mark
        self._random = Random()  # noqa: S311 - jitter, not secrets
        self._outlet = Outlet(settings, self._mark, clock=self._clock, recorder=self._recorder, random=self._random)

    async def run(self) -> int:
        """The exit code, once a signal asked for a stop and everything held is stored.

        Raises:
            ConfigurationError, StartError: before or while starting; what was started is stopped.
        """
        with listen_for_stop() as stop:
            set_aside_imports()
            try:
                unsaved = await self._run(stop)
            except asyncio.CancelledError:
                if stop.cut_short is None:
                    raise
                return 128 + stop.cut_short
        self._recorder.service_stopped(unsaved)
        return 1 if unsaved else 0

    async def _run(self, stop: Stop) -> int:
        settings = self._settings
        urls = [url for name in settings.followed() for pair in settings.bases(name).values() for url in pair]
        application = make_application(self._registry, self._status)
        async with make_session(urls) as session, database_of(settings, self._clock, self._recorder) as database:
            leasing = leasing_of(settings, self._clock, self._recorder)
            shared = Shared(
                settings=settings,
                clock=self._clock,
                random=self._random,
                recorder=self._recorder,
                session=session,
                buffer=self._outlet.buffer,
                backlog=self._outlet.is_behind,
                database=database,
                leasing=leasing,
            )
            exchanges = [
                ExchangeService(name, spellings, shared, self._since) for name, spellings in settings.followed().items()
            ]
            async with (
                serve(application, settings.http.host, settings.http.port) as address,
                asyncio.TaskGroup() as tasks,
            ):
                preparing = [tasks.create_task(exchange.preparation.run()) for exchange in exchanges]
                await self._first_lists(preparing, stop)
                for exchange in exchanges:
                    exchange.preparation.others_run = True
                if not stop.asked.is_set():
                    await database.open()
                    await self._outlet.open()
                    try:
                        await self._serve(stop, exchanges, shared, address)
                    finally:
                        await self._outlet.close()
                for task in preparing:
                    task.cancel()
        return len(self._outlet.buffer)

    async def _first_lists(self, preparing: Sequence[asyncio.Task[None]], stop: Stop) -> None:
        """Wait for the exchanges' lists; a wrong symbol fails its task, and with it the start."""
        asked = asyncio.ensure_future(stop.asked.wait())
        try:
            pending = {*preparing, asked}
            deadline_at = self._clock.monotonic() + _FIRST_LISTS_S
            while any(task in pending for task in preparing) and asked in pending:
                left_s = self._clock.real_seconds(deadline_at - self._clock.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    return
        finally:
            asked.cancel()

    async def _serve(self, stop: Stop, exchanges: Sequence[ExchangeService], shared: Shared, address: str) -> None:
        database = shared.database
        by_name = {exchange.name: exchange for exchange in exchanges}

        def contested(deliveries: Sequence[Delivery]) -> None:
            contest(by_name, deliveries)

        async with asyncio.TaskGroup() as keepers:
            beside = [
                keepers.create_task(job)
                for job in (
                    database.bring_up(self._mark),
                    database.keep_rollups(),
                    keep_trimming(database, self._clock, self._recorder),
                    watch_loop(self._clock, self._recorder),
                    keep_trimmed(self._clock),
                    count_gaps(database, list(by_name), self._clock, self._recorder),
                    self._outlet.account_for_losses(database),
                    keep_leases(shared.leasing, database, self._settings, self._clock),
                )
            ]
            self._outlet.start(keepers, database, contested)
            self._recorder.service_started(__version__, address)
            try:
                async with asyncio.TaskGroup() as producers:
                    running = [producers.create_task(exchange.run()) for exchange in exchanges]
                    if self._companion is not None:
                        running.append(producers.create_task(self._companion(database, address)))
                    await stop.asked.wait()
                    self._recorder.service_stopping(stop.reason)
                    for task in running:
                        task.cancel()
            finally:
                await self._outlet.drain(at_once=stop.cut_short is not None)
                for task in beside:
                    task.cancel()
