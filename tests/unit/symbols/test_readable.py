"""What spellings mean while a market's list cannot be read: no guess, and nothing called unknown too soon."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.errors import ConfigurationError, Unavailable
from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.symbols.readable import Readable, resolve_readable, unread_for
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import resolve
from streamer.symbols.spellings import Form, form_of, may_mean, name_in
from tests.fakes.rest import instrument

AWAY = Unavailable("away")
PERP, OTHER = instrument("BTC", market=Market.LINEAR), instrument("ETH", market=Market.LINEAR)
OFFERED = {Market.LINEAR: frozenset({Interval.M1})}
REGISTRY = Registry("test", [PERP, OTHER], OFFERED, {Market.SPOT: AWAY})
KINDS = {Market.SPOT: (Kind.SPOT,), Market.LINEAR: (Kind.PERPETUAL, Kind.DATED), Market.INVERSE: (Kind.PERPETUAL,)}


def meant(*symbols: str, exclude: tuple[str, ...] = (), registry: Registry = REGISTRY) -> tuple[list[str], list[str]]:
    """The symbols that are meant for certain, and the markets that may hold more."""
    found: Readable = resolve_readable(registry, symbols, exclude, [Interval.M1])
    return [one.instrument.symbol for one in found.chosen], [market.value for market in found.unread]


def test_a_name_that_is_known_is_not_looked_for_in_what_could_not_be_read() -> None:
    """In any form."""
    assert meant("BTC-USDT-PERP", "eth/usdt:usdt") == (["BTC-USDT-PERP", "ETH-USDT-PERP"], [])


def test_a_name_that_may_be_in_it_is_not_called_unknown() -> None:
    """The others are brought; a name that cannot be there is refused as ever."""
    assert meant("BTC-USDT", "BTC-USDT-PERP") == (["BTC-USDT-PERP"], ["spot"])
    assert meant("spot:BTCUSDT") == ([], ["spot"])
    with pytest.raises(ConfigurationError, match="no symbol 'DOGE-USDT-PERP'"):
        meant("DOGE-USDT-PERP", "BTC-USDT")


def test_a_pattern_over_it_is_told_and_brings_what_is_known() -> None:
    """Nothing at all is no error then, whether nothing matches or the exclusions leave nothing."""
    assert meant("BTC*") == (["BTC-USDT-PERP"], ["spot"])
    assert meant("DOGE*") == ([], ["spot"])
    assert meant("BTC*", exclude=("BTC*",)) == ([], ["spot"])
    assert meant("*-USDT-PERP", exclude=("BTC*",)) == (["ETH-USDT-PERP"], [])
    with pytest.raises(ConfigurationError, match="matches the pattern"):
        meant("DOGE*-PERP")


def test_when_every_list_was_read_it_is_as_ever() -> None:
    """The strict answer and the strict refusal."""
    whole = Registry("test", [PERP, OTHER], OFFERED)
    assert resolve_readable(whole, ["*"], [], [Interval.M1]).chosen == resolve(whole, ["*"], [], [Interval.M1])
    with pytest.raises(ConfigurationError):
        meant("BTC-USDT", registry=whole)


def test_the_markets_that_may_hold_a_spelling_come_with_their_reason() -> None:
    """One that none of them can hold brings none."""
    assert unread_for(REGISTRY, ["BTC-USDT"]) == {Market.SPOT: AWAY}
    assert unread_for(REGISTRY, ["BTC-USDT-PERP", "linear:BTCUSDT", "BTC/USDT:USDT"]) == {}


@given(
    st.sampled_from(list(Market)),
    st.from_regex(r"\A[A-Z0-9]{1,6}\Z"),
    st.sampled_from(["USDT", "USD", "EUR", "GBP"]),
    st.sampled_from(list(Form)),
    st.data(),
)
def test_no_instrument_is_missed(market: Market, base: str, quote: str, form: Form, data: st.DataObject) -> None:
    """Each name of an instrument, and each pattern cut from it, may mean its own market."""
    kind = data.draw(st.sampled_from(KINDS[market]))
    expiry = datetime(2026, 9, 25, tzinfo=UTC) + timedelta(weeks=base.count("A"))
    one = instrument(base, quote, market, kind=kind, expiry_time=expiry if kind is Kind.DATED else None)
    name = name_in(form, one)
    start = len(market.value) + 1 if form is Form.NATIVE else 0
    begin = data.draw(st.integers(start, len(name)))
    end = data.draw(st.integers(begin, len(name)))
    assert may_mean(name, market)
    pattern = f"{name[:begin]}*{name[end:]}"
    assert may_mean(pattern, market) or form_of(pattern) is not form  # another form's names do not match it


@pytest.mark.parametrize(
    ("spelling", "markets"),
    [
        ("BTC-USDT", "spot"),
        ("*-USDT", "spot"),
        ("*/USDT", "spot"),
        ("*-USDT-PERP", "linear inverse"),
        ("*/USDT:USDT", "linear inverse"),
        ("BTC-USDT-20260925", "linear inverse"),
        ("Linear:*", "linear"),
        ("BTC*", "spot linear inverse"),
    ],
)
def test_a_form_rules_markets_out(spelling: str, markets: str) -> None:
    """By the end that only contracts have, or a name's own market."""
    assert [market.value for market in Market if may_mean(spelling, market)] == markets.split()
