"""What the commands that only look need: a quiet recorder, and instrument lists without feed or database."""

import asyncio
import sys
from collections.abc import Sequence
from random import Random

from prometheus_client import CollectorRegistry

from streamer.rest.client import RestClient, RestOptions
from streamer.rest.session import make_session
from streamer.settings.model import ADAPTERS, Settings
from streamer.symbols.load import load_registry
from streamer.symbols.registry import Registry
from streamer.telemetry.logs import configure_logs
from streamer.telemetry.metrics import Metrics
from streamer.telemetry.recorder import Recorder
from streamer.telemetry.status import StatusBoard
from streamer.timing.clock import make_clock
from streamer.timing.server_time import ServerTime

_ATTEMPTS = 2


def quiet_recorder() -> Recorder:
    """A recorder for commands that speak to people themselves: only errors reach standard error."""
    return Recorder(Metrics(CollectorRegistry()), configure_logs(sys.stderr, "error"), StatusBoard())


async def read_registries(settings: Settings, names: Sequence[str]) -> list[Registry]:
    """The registries of the named exchanges, in that order; a market that could not be read is noted there.

    Raises:
        HistoryError: nothing of an exchange could be read.
    """
    clock = make_clock(settings.clock_rate)
    recorder = quiet_recorder()
    bases = {name: settings.bases(name) for name in names}

    async with make_session(rest for markets in bases.values() for _, rest in markets.values()) as session:

        async def read(name: str) -> Registry:
            client = RestClient(
                adapter=ADAPTERS[name],
                session=session,
                clock=clock,
                server_time=ServerTime(clock),
                recorder=recorder,
                random=Random(),  # noqa: S311 - jitter, not secrets
                bases={market: rest for market, (_, rest) in bases[name].items()},
                options=RestOptions(share=settings.rest.share, attempts=_ATTEMPTS),
            )
            markets = list(ADAPTERS[name].markets)
            return await load_registry(client, ADAPTERS[name], markets, recorder, partly=True, clock=clock)

        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(read(name)) for name in names]
    return [task.result() for task in reading]
