"""What the command line is given to show about symbols."""

from streamer.domain.errors import Unavailable
from streamer.domain.instrument import Kind, Market, Status
from streamer.symbols.explain import explain, list_symbols, unread_markets
from streamer.symbols.registry import Registry
from streamer.symbols.spellings import Form
from tests.fakes.rest import instrument

REGISTRY = Registry(
    "test",
    [
        instrument("BTC"),
        instrument("BTC", market=Market.LINEAR),
        instrument("LUNA", market=Market.LINEAR, status=Status.HALTED),
    ],
    {},
)


def test_the_list_is_filtered_by_everything_given() -> None:
    """Filters add up; a pattern here shows halted instruments too."""
    assert [row.symbol for row in list_symbols(REGISTRY)] == ["BTC-USDT", "BTC-USDT-PERP", "LUNA-USDT-PERP"]
    assert [row.symbol for row in list_symbols(REGISTRY, market=Market.LINEAR, pattern="l*")] == ["LUNA-USDT-PERP"]
    assert [row.symbol for row in list_symbols(REGISTRY, status=Status.HALTED)] == ["LUNA-USDT-PERP"]
    assert [row.symbol for row in list_symbols(REGISTRY, kind=Kind.SPOT)] == ["BTC-USDT"]
    assert list_symbols(REGISTRY, pattern="DOGE*") == []


def test_a_row_shows_every_name() -> None:
    """Ours, the exchange's and ccxt's, so that each can be copied."""
    row = list_symbols(REGISTRY, pattern="BTC-USDT-PERP")[0]
    assert (row.symbol, row.native, row.ccxt) == ("BTC-USDT-PERP", "linear:BTCUSDT", "BTC/USDT:USDT")


def test_a_spelling_is_explained() -> None:
    """Its form, and what it brings."""
    told = explain(REGISTRY, "BTC/USDT:USDT")
    assert (told.form, told.pattern, [row.symbol for row in told.rows]) == (Form.CCXT, False, ["BTC-USDT-PERP"])
    assert told.problem is None


def test_a_pattern_is_explained_as_the_settings_would_read_it() -> None:
    """The halted contract is not among what it brings."""
    told = explain(REGISTRY, "*-PERP")
    assert (told.pattern, [row.symbol for row in told.rows]) == (True, ["BTC-USDT-PERP"])


def test_a_wrong_spelling_is_explained_with_its_complaint() -> None:
    """The same sentence that the settings would earn."""
    told = explain(REGISTRY, "BTC-USTD")
    assert told.rows == ()
    assert told.problem is not None
    assert "BTC-USDT" in told.problem


def test_what_a_market_that_could_not_be_read_may_hold_is_told() -> None:
    """A spelling is not called unknown, a pattern not called complete, and a list names the market that it lacks."""
    away = Unavailable("down")
    partial = Registry("test", [instrument("BTC", market=Market.LINEAR)], {}, {Market.SPOT: away})
    for spelling, rows in (("BTC-USDT", 0), ("BTC*", 1)):
        told = explain(partial, spelling)
        assert (len(told.rows), told.unread) == (rows, (Market.SPOT,))
        assert told.problem == "the spot market could not be asked: down"
    assert explain(partial, "BTC-USDT-PERP").unread == ()
    assert unread_markets(partial) == unread_markets(partial, market=Market.SPOT) == {Market.SPOT: away}
    for filters in ({"market": Market.LINEAR}, {"kind": Kind.PERPETUAL}, {"pattern": "*-PERP"}):
        assert unread_markets(partial, **filters) == {}
