"""Which series share a connection, within each market's limits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

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
        subscriptions = _subscriptions(adapter, market, followed)
        if not subscriptions:
            continue
        connections = -(-len(subscriptions) // facts.stream.limits.series_per_connection)
        url = facts.stream.url(ws_bases[market])
        first = len(shards)
        shards.extend(
            Shard(first + index, market, url, tuple(subscriptions[index::connections])) for index in range(connections)
        )
    return shards


def replan_shards(
    adapter: ExchangeAdapter,
    ws_bases: Mapping[Market, str],
    shards: Sequence[Shard],
    followed: Sequence[tuple[Instrument, Interval]],
) -> list[Shard]:
    """The same connections for another set of series, by number: what stays followed stays where it is.

    New ones go to as few connections as have room for them, the emptiest first, because each must be made anew; where
    there is no room, to further ones. A connection that would carry nothing is left out, and its number used no more.
    """
    planned: list[Shard] = []
    unused = max((shard.number for shard in shards), default=-1) + 1
    for market, facts in adapter.markets.items():
        wanted = {one.series: one for one in _subscriptions(adapter, market, followed)}
        here = [_thinned(shard, wanted) for shard in shards if shard.market is market]
        here = [shard for shard in here if shard.subscriptions]
        carried = {one.series for shard in here for one in shard.subscriptions}
        coming = iter([one for series, one in wanted.items() if series not in carried])
        most = facts.stream.limits.series_per_connection
        for index in sorted(range(len(here)), key=lambda index: len(here[index].subscriptions)):
            joining = tuple(islice(coming, most - len(here[index].subscriptions)))
            here[index] = replace(here[index], subscriptions=here[index].subscriptions + joining)
        while further := tuple(islice(coming, most)):
            here.append(Shard(unused, market, facts.stream.url(ws_bases[market]), further))
            unused += 1
        planned += here
    return sorted(planned, key=lambda shard: shard.number)


def _thinned(shard: Shard, wanted: Mapping[Series, Subscription]) -> Shard:
    return replace(
        shard, subscriptions=tuple(wanted[one.series] for one in shard.subscriptions if one.series in wanted)
    )


def _subscriptions(
    adapter: ExchangeAdapter, market: Market, followed: Sequence[tuple[Instrument, Interval]]
) -> list[Subscription]:
    topic = adapter.markets[market].stream.topic
    return [
        Subscription(Series(adapter.name, instrument.symbol, interval), instrument, topic(instrument, interval))
        for instrument, interval in followed
        if instrument.market is market
    ]
