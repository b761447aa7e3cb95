"""Fetches an exchange's instrument lists. Which of them are followed is decided elsewhere."""

from collections.abc import Sequence

from streamer.domain.errors import MalformedAnswer
from streamer.domain.instrument import Instrument, Market
from streamer.protocol.adapter import ExchangeAdapter
from streamer.rest.client import RestClient
from streamer.symbols.registry import Registry
from streamer.telemetry.recorder import Recorder


async def load_registry(
    client: RestClient, adapter: ExchangeAdapter, markets: Sequence[Market], recorder: Recorder
) -> Registry:
    """The registry of the exchange's instruments on ``markets``, every page of every list.

    Raises:
        HistoryError: a market could not be read. A list without it would call good symbols unknown, so there is none.

    Cancelling loses what was read.
    """
    instruments: list[Instrument] = []
    skipped: list[str] = []
    for market in markets:
        rest = adapter.markets[market].rest
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = (await client.ask(market, rest.instruments(cursor), rest.decode_instruments)).value
            instruments += page.instruments
            skipped += page.skipped
            cursor = page.cursor
            if cursor is None:
                break
            if cursor in seen:
                raise MalformedAnswer(f"{adapter.name}: the instrument list of {market.value} does not end")
            seen.add(cursor)
    registry = Registry(adapter.name, instruments, {market: adapter.markets[market].intervals for market in markets})
    recorder.instruments_loaded(adapter.name, len(registry), skipped, list(registry.clashes))
    return registry
