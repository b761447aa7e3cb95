"""The start of one exchange: its time and its lists are read until that works, and tell the series to follow.

What is done with the series begins elsewhere, when the database is there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from streamer.app.relisting import Wanted
from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.instrument import Market
from streamer.protocol.adapter import ExchangeAdapter
from streamer.rest.client import RestClient
from streamer.rest.server_time import ServerTimePoll
from streamer.symbols.load import load_registry
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen, resolve
from streamer.symbols.spellings import is_pattern
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying

_BACKOFF = Backoff(first_s=2.0, cap_s=300.0)
_WRONG_AGAIN_S = 3_600.0  # a symbol that is unknown now may be listed later


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the lists say, and the series that were asked for; not whole where a market could not be read."""

    registry: Registry
    chosen: Sequence[Chosen]
    is_whole: bool


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
        """The lists and the series. A market that cannot be read matters only to those who may mean it."""
        await self._poll.measure()
        wanted, failed = self._wanted, dict[Market, HistoryError]()
        registry = await load_registry(self._client, self._adapter, list(self._adapter.markets), self._recorder, failed)
        if failed and any(is_pattern(spelling) for spelling in wanted.symbols):
            raise next(iter(failed.values()))
        try:
            chosen = resolve(registry, wanted.symbols, wanted.exclude, wanted.intervals)
        except ConfigurationError:
            if failed:
                raise next(iter(failed.values())) from None
            raise
        for error in failed.values():
            self._recorder.exchange_unreachable(self._adapter.name, error)
        return Prepared(registry, chosen, is_whole=not failed)
