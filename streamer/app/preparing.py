"""The start of one exchange: its lists and its time are read until that works, and tell the series to follow.

What is done with the series begins elsewhere, when the database is there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from streamer.app.relisting import Wanted
from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.protocol.adapter import ExchangeAdapter
from streamer.rest.client import RestClient
from streamer.rest.server_time import ServerTimePoll
from streamer.symbols.load import load_registry
from streamer.symbols.readable import resolve_readable
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying

_BACKOFF = Backoff(first_s=2.0, cap_s=300.0)
_WRONG_AGAIN_S = 3_600.0  # a symbol that is unknown now may be listed later


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the lists say, and the series that were asked for. Of a market that could not be read nothing is concluded.

    Where it ``may_lack`` series that were asked for, the lists are to be read again soon.
    """

    registry: Registry
    chosen: Sequence[Chosen]
    may_lack: bool


class Preparation:
    """Prepares one exchange. ``others_run`` is for the owner to set: from then on a wrong symbol stops nobody else."""

    def __init__(
        self,
        adapter: ExchangeAdapter,
        wanted: Wanted,
        *,
        client: RestClient,
        poll: ServerTimePoll,
        clock: Clock,
        recorder: Recorder,
        random: Random,
    ) -> None:
        self._adapter = adapter
        self._wanted = wanted
        self._client = client
        self._poll = poll
        self._clock = clock
        self._recorder = recorder
        self._random = random
        self._done: asyncio.Future[Prepared] = asyncio.get_running_loop().create_future()
        self.others_run = False

    async def done(self) -> Prepared:
        """What was found, once it is; whoever stops waiting disturbs no other."""
        return await asyncio.shield(self._done)

    async def run(self) -> None:
        """Read the exchange's time and lists and find the series to follow; tried until it works.

        Raises:
            ConfigurationError: the lists are there, and a spelling means nothing or too much.
        """
        name = self._adapter.name
        self._recorder.exchange_starting(name)

        def failed(wait: Wait) -> None:
            self._recorder.exchange_unreachable(name, wait.cause)

        while not self._done.done():
            try:
                prepared = await keep_trying(
                    self._prepare,
                    retryable=lambda error: isinstance(error, HistoryError),
                    clock=self._clock,
                    backoff=_BACKOFF,
                    random=self._random,
                    before_wait=failed,
                )
                self._done.set_result(prepared)
            except ConfigurationError as error:
                if not self.others_run:
                    raise
                self._recorder.exchange_unreachable(name, error)
                await self._clock.sleep(_WRONG_AGAIN_S)

    async def _prepare(self, _: Health) -> Prepared:
        """The lists and the series. A market that cannot be read, by a ban or an outage of its host, stops no other.

        The time is asked of those that could be read: they share a clock.
        """
        wanted, markets = self._wanted, list(self._adapter.markets)
        registry = await load_registry(
            self._client, self._adapter, markets, self._recorder, partly=True, clock=self._clock
        )
        await self._poll.measure(registry.intervals)
        found = resolve_readable(registry, wanted.symbols, wanted.exclude, wanted.intervals)
        if found.unread and not found.chosen:
            raise next(iter(found.unread.values()))
        for error in registry.unread.values():
            self._recorder.exchange_unreachable(self._adapter.name, error)
        return Prepared(registry, found.chosen, may_lack=bool(found.unread))
