"""Which series share a connection."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.protocol.sharding import plan_shards, replan_shards
from tests.fakes import rest
from tests.fakes.toy_exchange import LIMITS, make_stream

MARKETS = (Market.SPOT, Market.LINEAR)
BASES = {Market.SPOT: "ws://spot", Market.LINEAR: "ws://linear"}
names = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(MARKETS)), unique=True, max_size=60)


@given(names=names, most=st.integers(1, 20))
def test_every_series_is_on_exactly_one_connection_within_its_limits(
    names: list[tuple[int, Market]], most: int
) -> None:
    """Nothing is lost or doubled, no connection is over its limit, none is two fuller than another of its market."""
    plain = rest.make_adapter()
    stream = replace(
        make_stream(replace(LIMITS, series_per_connection=most)),
        topic=lambda instrument, interval: f"{instrument.native_symbol}.{interval.value}",
    )
    adapter = replace(plain, markets={market: replace(plain.markets[market], stream=stream) for market in MARKETS})
    followed = [(rest.instrument(f"N{number}", market=market), Interval.M1) for number, market in names]
    shards = plan_shards(adapter, BASES, followed)
    carried = [subscription for shard in shards for subscription in shard.subscriptions]
    assert sorted(str(each.series) for each in carried) == sorted(
        f"test {instrument.symbol} 1m" for instrument, _ in followed
    )
    assert [shard.number for shard in shards] == list(range(len(shards)))
    for market in MARKETS:
        here = [shard for shard in shards if shard.market is market]
        sizes = [len(shard.subscriptions) for shard in here]
        assert all(0 < size <= most for size in sizes)
        assert max(sizes, default=0) - min(sizes, default=0) <= 1
        assert len(sizes) == -(-sum(market is other for _, other in names) // most)
        assert {shard.url for shard in here} <= {f"{BASES[market]}/ws"}
        assert all(each.instrument.market is market for shard in here for each in shard.subscriptions)


@given(before=names, after=names, most=st.integers(1, 20))
def test_another_set_of_series_moves_as_little_as_possible(
    before: list[tuple[int, Market]], after: list[tuple[int, Market]], most: int
) -> None:
    """Each is carried once within the limits; what stays stays where it is; no connection is made without need."""
    plain = rest.make_adapter()
    stream = replace(
        make_stream(replace(LIMITS, series_per_connection=most)),
        topic=lambda instrument, interval: f"{instrument.native_symbol}.{interval.value}",
    )
    adapter = replace(plain, markets={market: replace(plain.markets[market], stream=stream) for market in MARKETS})
    first, second = (
        [(rest.instrument(f"N{number}", market=market), Interval.M1) for number, market in each]
        for each in (before, after)
    )
    old = plan_shards(adapter, BASES, first)
    new = replan_shards(adapter, BASES, old, second)
    place_of = {each.series: shard.number for shard in old for each in shard.subscriptions}
    places = [(each.series, shard.number) for shard in new for each in shard.subscriptions]
    assert sorted(str(series) for series, _ in places) == sorted(f"test {one.symbol} 1m" for one, _ in second)
    assert all(place_of.get(series, number) == number for series, number in places)
    assert len({shard.number for shard in new}) == len(new)
    assert all(0 < len(shard.subscriptions) <= most for shard in new)
    for market in MARKETS:
        here = [shard for shard in new if shard.market is market]
        further = [shard for shard in here if shard.number not in {one.number for one in old}]
        room = sum(most - len(shard.subscriptions) for shard in here if shard not in further)
        assert not (further and room)
        assert all(each.instrument.market is market for shard in here for each in shard.subscriptions)
    assert replan_shards(adapter, BASES, old, first) == old


def test_nothing_followed_needs_no_connection() -> None:
    """An exchange without series opens nothing."""
    assert plan_shards(rest.make_adapter(), {}, []) == []
