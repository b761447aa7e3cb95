"""Fetches an exchange's instrument lists, and hands the limits they state to the client.

Which of the instruments are followed is decided elsewhere.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from streamer.domain.errors import HistoryError, MalformedAnswer, Unavailable
from streamer.domain.instrument import Market
from streamer.protocol.adapter import ExchangeAdapter, InstrumentPage
from streamer.rest.client import PATIENCE_S, RestClient
from streamer.symbols.registry import Registry
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock

_MARKET_S = 120.0  # bans last longer, and pauses for pace are shorter


async def load_registry(
    client: RestClient,
    adapter: ExchangeAdapter,
    markets: Sequence[Market],
    recorder: Recorder,
    *,
    partly: bool = False,
    clock: Clock | None = None,
) -> Registry:
    """The registry of the exchange's instruments on ``markets``, every page of every list. A ban is not waited for.

    ``partly`` leaves out markets that cannot be read, as long as one can; the registry tells which. With a ``clock``
    a market is also given up after two minutes, so that one that only puts us off holds up no other.

    Raises:
        HistoryError: a market could not be read. A list without it would call good symbols unknown, so there is none.

    Cancelling loses what was read.
    """
    client = client.with_patience(PATIENCE_S)
    unread: dict[Market, HistoryError] = {}

    async def read(market: Market) -> list[InstrumentPage]:
        try:
            async with nullcontext() if clock is None else clock.timeout_at(clock.monotonic() + _MARKET_S):
                return await _load_market(client, adapter, market)
        except HistoryError as error:
            unread[market] = error
        except TimeoutError:
            unread[market] = Unavailable(
                f"{adapter.name} put us off for {_MARKET_S:g} s; it may be limiting this address"
            )
        return []

    async with asyncio.TaskGroup() as tasks:  # together: a host that never answers takes minutes to give up
        reading = [tasks.create_task(read(market)) for market in markets]
    if unread and (not partly or len(unread) == len(markets)):
        raise next(unread[market] for market in markets if market in unread)
    pages = [page for task in reading for page in task.result()]
    client.take_over(limit for page in pages for limit in page.limits)
    registry = Registry(
        adapter.name,
        [instrument for page in pages for instrument in page.instruments],
        {market: adapter.markets[market].intervals for market in markets if market not in unread},
        {market: unread[market] for market in markets if market in unread},
    )
    skipped = [one for page in pages for one in page.skipped]
    recorder.instruments_loaded(adapter.name, len(registry), skipped, list(registry.clashes), whole=not unread)
    return registry


async def _load_market(client: RestClient, adapter: ExchangeAdapter, market: Market) -> list[InstrumentPage]:
    """Every page of one market's list."""
    rest = adapter.markets[market].rest
    pages: list[InstrumentPage] = []
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        page = (await client.ask(market, rest.instruments(cursor), rest.decode_instruments)).value
        pages.append(page)
        cursor = page.cursor
        if cursor is None:
            return pages
        if cursor in seen:
            raise MalformedAnswer(f"{adapter.name}: the instrument list of {market.value} does not end")
        seen.add(cursor)
