"""Which series share a connection, within each market's limits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.domain.instrument import Instrument, Market
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.protocol.adapter import ExchangeAdapter, Subscription


@dataclass(frozen=True, slots=True)
class Shard:
    """One planned connection: its market, its address and what it carries. ``number`` is unique per exchange."""

    number: int
    market: Market
    url: str
    subscriptions: tuple[Subscription, ...]


def plan_shards(
    adapter: ExchangeAdapter,
    ws_bases: Mapping[Market, str],
    followed: Sequence[tuple[Instrument, Interval]],
) -> list[Shard]:
    """Connections that carry every followed series exactly once, as evenly filled as the limits allow.

    Even filling keeps each connection's minute spike small and leaves room on each for late comers.
    """
    shards: list[Shard] = []
    for market, facts in adapter.markets.items():
        subscriptions = [
            Subscription(
                Series(adapter.name, instrument.symbol, interval), instrument, facts.stream.topic(instrument, interval)
            )
            for instrument, interval in followed
            if instrument.market is market
        ]
        if not subscriptions:
            continue
        connections = -(-len(subscriptions) // facts.stream.limits.series_per_connection)
        url = facts.stream.url(ws_bases[market])
        first = len(shards)
        shards.extend(
            Shard(first + index, market, url, tuple(subscriptions[index::connections])) for index in range(connections)
        )
    return shards
