"""What both sides follow: the first so many trading symbols of each exchange, on the connections of the service's plan.

The bare loop gets the same addresses and the same subscribe messages as text, cut here as the session cuts them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.app.listing import read_registries
from streamer.domain.instrument import Status
from streamer.domain.interval import Interval
from streamer.protocol.sharding import Shard, plan_shards
from streamer.settings.model import ADAPTERS, Settings
from streamer.symbols.resolve import Chosen


@dataclass(frozen=True, slots=True)
class Following:
    """``chosen`` by exchange, and ``connections`` as the bare loop takes them."""

    chosen: Mapping[str, Sequence[Chosen]]
    connections: Sequence[Mapping[str, Any]]

    def symbols(self, exchange: str) -> list[str]:
        """Our symbols that are followed on ``exchange``."""
        return [one.instrument.symbol for one in self.chosen[exchange]]

    def series(self) -> list[tuple[str, str, str]]:
        """Exchange, market and native symbol of every series."""
        return [
            (name, one.instrument.market.value, one.instrument.native_symbol)
            for name, chosen in self.chosen.items()
            for one in chosen
        ]


async def follow(urls: Mapping[str, Any], series: int) -> Following:
    """Choose ``series`` of them, the same number on each exchange.

    Raises:
        ValueError: the simulator does not list enough.
    """
    settings = Settings.model_validate(
        {"exchanges": {name: {"urls": bases} for name, bases in urls.items()}, "allow_simulated": True}
    )
    each = series // len(urls)
    names = list(urls)
    chosen: dict[str, list[Chosen]] = {}
    connections: list[Mapping[str, Any]] = []
    for registry in await read_registries(settings, names):
        trading = [one for one in registry.instruments if one.status is Status.TRADING and one.crypto]
        if len(trading) < each:
            raise ValueError(f"{registry.exchange}: {each} symbols are wanted, {len(trading)} trade")
        chosen[registry.exchange] = [Chosen(instrument, Interval.M1) for instrument in trading[:each]]
        bases = {market: ws for market, (ws, _) in settings.bases(registry.exchange).items()}
        shards = plan_shards(ADAPTERS[registry.exchange], bases, chosen[registry.exchange])
        connections += [_connection(shard, registry.exchange, number) for number, shard in enumerate(shards)]
    return Following(chosen, connections)


def _connection(shard: Shard, exchange: str, number: int) -> Mapping[str, Any]:
    stream = ADAPTERS[exchange].markets[shard.market].stream
    limits = stream.limits
    topics = [subscription.topic for subscription in shard.subscriptions]
    messages: list[str] = []
    while topics:
        size = min(len(topics), limits.topics_per_request)
        while len(stream.subscribe(topics[:size], 10**9).encode()) > limits.request_bytes:
            size -= 1
        messages.append(stream.subscribe(topics[:size], len(messages) + 1))
        topics = topics[size:]
    return {
        "url": shard.url,
        "messages": messages,
        "spacing_s": limits.request_spacing_s,
        "after_s": number * limits.connect_spacing_s,
    }
