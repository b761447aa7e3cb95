"""Fetches an exchange's instrument lists, and hands the limits they state to the client.

Which of the instruments are followed is decided elsewhere.
"""

from collections.abc import Sequence

from streamer.domain.errors import HistoryError, MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.protocol.adapter import ExchangeAdapter, InstrumentPage, Pool
from streamer.rest.client import RestClient
from streamer.symbols.registry import Registry
from streamer.telemetry.recorder import Recorder


async def load_registry(
    client: RestClient,
    adapter: ExchangeAdapter,
    markets: Sequence[Market],
    recorder: Recorder,
    failed: dict[Market, HistoryError] | None = None,
) -> Registry:
    """The registry of the exchange's instruments on ``markets``, every page of every list.

    With ``failed``, markets that could not be read are put there and left out, as long as one could be read: whoever
    asks then must not call a symbol unknown.

    Raises:
        HistoryError: a market could not be read. A list without it would call good symbols unknown, so there is none.

    Cancelling loses what was read.
    """
    instruments: list[Instrument] = []
    skipped: list[str] = []
    limits: list[Pool] = []
    for market in markets:
        try:
            pages = await _load_market(client, adapter, market)
        except HistoryError as error:
            if failed is None or len(failed) + 1 == len(markets):
                raise
            failed[market] = error
            continue
        for page in pages:
            instruments += page.instruments
            skipped += page.skipped
            limits += page.limits
    client.take_over(limits)
    read = [market for market in markets if market not in (failed or {})]
    registry = Registry(adapter.name, instruments, {market: adapter.markets[market].intervals for market in read})
    recorder.instruments_loaded(adapter.name, len(registry), skipped, list(registry.clashes))
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
