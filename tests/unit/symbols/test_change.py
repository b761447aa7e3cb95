"""A new list brings listings, takes delistings, and changes nothing else about what is followed."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import Unavailable
from streamer.domain.instrument import Instrument, Market, Status
from streamer.domain.interval import Interval
from streamer.symbols.change import Change, find_change
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import resolve
from tests.fakes.rest import instrument

OFFERED = {Market.SPOT: frozenset({Interval.M1}), Market.LINEAR: frozenset({Interval.M1})}
PERPS = "*-USDT-PERP"
BTC, ETH = instrument("BTC", market=Market.LINEAR), instrument("ETH", market=Market.LINEAR)


def changed(before: Sequence[Instrument], after: Sequence[Instrument], *symbols: str) -> Change:
    """What becomes of the series that ``symbols`` meant ``before``."""
    first, second = (Registry("test", listed, OFFERED) for listed in (before, after))
    followed = {one.series: one for one in resolve(first, symbols, [], [Interval.M1])}
    return find_change(second, followed, symbols, [], [Interval.M1])


def names(change: Change) -> tuple[list[str], list[str], list[str]]:
    """The symbols that are followed, joined and gone."""
    return (
        sorted(series.symbol for series in change.followed),
        [one.instrument.symbol for one in change.joined],
        [one.instrument.symbol for one in change.gone],
    )


def test_a_listing_joins_what_its_pattern_follows() -> None:
    """Without a word about the others."""
    change = changed([BTC], [BTC, ETH], PERPS)
    assert names(change) == (["BTC-USDT-PERP", "ETH-USDT-PERP"], ["ETH-USDT-PERP"], [])
    assert change.problems == ()


def test_what_left_the_list_is_gone() -> None:
    """Also when it is still listed as closed, and when it was named."""
    closed = replace(ETH, status=Status.CLOSED)
    for after in ([BTC], [BTC, closed]):
        assert names(changed([BTC, ETH], after, PERPS)) == (["BTC-USDT-PERP"], [], ["ETH-USDT-PERP"])
        named = changed([BTC, ETH], after, "BTC-USDT-PERP", "ETH-USDT-PERP")
        assert names(named) == (["BTC-USDT-PERP"], [], ["ETH-USDT-PERP"])
    assert "has no symbol 'ETH-USDT-PERP'" in changed([BTC, ETH], [BTC], "BTC-USDT-PERP", "ETH-USDT-PERP").problems[0]


def test_a_halt_ends_nothing() -> None:
    """It is followed on, with what the list now says of it."""
    change = changed([BTC, ETH], [BTC, replace(ETH, status=Status.HALTED)], PERPS)
    assert names(change) == (["BTC-USDT-PERP", "ETH-USDT-PERP"], [], [])
    assert [one.instrument.status for one in change.followed.values()] == [Status.TRADING, Status.HALTED]


def test_a_clash_with_a_listing_ends_nothing() -> None:
    """The old one keeps its symbol; the newcomer, whose candles would share its key, is not followed."""
    twin = replace(ETH, native_symbol="ETHTWIN")
    change = changed([BTC, ETH], [BTC, ETH, twin], PERPS)
    assert names(change) == (["BTC-USDT-PERP", "ETH-USDT-PERP"], [], [])
    assert {one.instrument.native_symbol for one in change.followed.values()} == {
        BTC.native_symbol,
        ETH.native_symbol,
    }


def test_a_pattern_that_means_nothing_any_more_is_told() -> None:
    """The rest goes on."""
    change = changed([BTC, ETH], [BTC], "BTC-USDT-PERP", "E*-USDT-PERP")
    assert names(change) == (["BTC-USDT-PERP"], [], ["ETH-USDT-PERP"])
    assert change.problems == ("test: no crypto instrument that trades there matches the pattern 'E*-USDT-PERP'",)


@given(
    before=st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(Status), min_size=1),
    after=st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(Status)),
)
def test_only_a_delisting_ends_a_series(before: dict[str, Status], after: dict[str, Status]) -> None:
    """Followed is what was and is listed still, and what trades; joined and gone say the rest."""
    first, second = (
        [instrument(base, market=Market.LINEAR, status=status) for base, status in listed.items()]
        for listed in (before, after)
    )
    if Status.TRADING not in before.values():
        return
    change = changed(first, second, PERPS)
    had = {base for base, status in before.items() if status is Status.TRADING}
    kept = {base for base in had if after.get(base, Status.CLOSED) is not Status.CLOSED}
    trading = {base for base, status in after.items() if status is Status.TRADING}
    followed, joined, gone = (set(group) for group in names(change))
    assert followed == {f"{base}-USDT-PERP" for base in kept | trading}
    assert joined == {f"{base}-USDT-PERP" for base in trading - had}
    assert gone == {f"{base}-USDT-PERP" for base in had - kept}


def test_a_market_that_could_not_be_read_loses_nothing() -> None:
    """What is followed there stays as it is; the others' listings join and their delistings count."""
    spot = instrument("BTC", market=Market.SPOT)
    first = Registry("test", [BTC, spot], OFFERED)
    symbols = ["BTC-USDT", "*-USDT-PERP"]
    followed = {one.series: one for one in resolve(first, symbols, [], [Interval.M1])}
    linear = {Market.LINEAR: OFFERED[Market.LINEAR]}
    second = Registry("test", [ETH], linear, {Market.SPOT: Unavailable("away")})
    change = find_change(second, followed, symbols, [], [Interval.M1])
    assert names(change) == (["BTC-USDT", "ETH-USDT-PERP"], ["ETH-USDT-PERP"], ["BTC-USDT-PERP"])
    assert (change.problems, change.may_lack) == ((), True)
    perps = find_change(second, followed, symbols[1:], [], [Interval.M1])
    assert not perps.may_lack
