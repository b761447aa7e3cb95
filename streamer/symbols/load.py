"""Fetches an exchange's instrument lists. Which of them are followed is decided elsewhere."""

from collections.abc import Sequence

from streamer.domain.errors import HistoryError, MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.protocol.adapter import ExchangeAdapter
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
    for market in markets:
        try:
            found, odd = await _load_market(client, adapter, market)
        except HistoryError as error:
            if failed is None or len(failed) + 1 == len(markets):
                raise
            failed[market] = error
            continue
        instruments += found
        skipped += odd
    read = [market for market in markets if market not in (failed or {})]
    registry = Registry(adapter.name, instruments, {market: adapter.markets[market].intervals for market in read})
    recorder.instruments_loaded(adapter.name, len(registry), skipped, list(registry.clashes))
    return registry


async def _load_market(
    client: RestClient, adapter: ExchangeAdapter, market: Market
) -> tuple[list[Instrument], list[str]]:
    """The instruments of one market, and the lines that were not understood."""
    rest = adapter.markets[market].rest
    instruments: list[Instrument] = []
    skipped: list[str] = []
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        page = (await client.ask(market, rest.instruments(cursor), rest.decode_instruments)).value
        instruments += page.instruments
        skipped += page.skipped
        cursor = page.cursor
        if cursor is None:
            return instruments, skipped
        if cursor in seen:
            raise MalformedAnswer(f"{adapter.name}: the instrument list of {market.value} does not end")
        seen.add(cursor)
