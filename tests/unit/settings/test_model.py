"""What the tree of settings means."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from streamer.domain.instrument import Market
from streamer.settings.model import ADAPTERS, DEFAULT_SYMBOLS, Settings


def test_by_default_the_pair_runs_everywhere() -> None:
    """Nothing named: two symbols at one minute on each exchange."""
    settings = Settings()
    assert settings.followed() == dict.fromkeys(("binance", "bybit", "okx"), ("BTC-USDT", "ETH-USDT"))
    assert {tuple(settings.exchange(name).intervals) for name in ADAPTERS} == {("1m",)}
    assert DEFAULT_SYMBOLS == ("BTC-USDT", "ETH-USDT")


def test_once_an_exchange_has_symbols_only_those_run() -> None:
    """The others stop; what else is said of them changes nothing."""
    settings = Settings.model_validate(
        {"exchanges": {"okx": {"symbols": ["*-USDT-PERP"]}, "bybit": {"intervals": ["5m"]}}}
    )
    assert settings.followed() == {"okx": ("*-USDT-PERP",)}


def test_a_variable_that_gives_only_urls_changes_nothing_else() -> None:
    """The default pair still runs everywhere, one address apart."""
    settings = Settings.model_validate({"exchanges": {"okx": {"urls": {"spot": {"ws": "ws://127.0.0.1:1/"}}}}})
    assert settings.followed() == Settings().followed()
    assert settings.bases("okx")[Market.SPOT][0] == "ws://127.0.0.1:1"
    changed = [
        (name, market)
        for name in ADAPTERS
        for market, bases in settings.bases(name).items()
        if bases != Settings().bases(name)[market]
    ]
    assert changed == [("okx", Market.SPOT)]


def test_the_addresses_are_the_exchanges_own_unless_given() -> None:
    """Each market has a WebSocket and a REST base, all in the world."""
    settings = Settings()
    for name, adapter in ADAPTERS.items():
        assert set(settings.bases(name)) == set(adapter.markets)
        for ws, rest in settings.bases(name).values():
            assert ws.startswith("wss://")
            assert rest.startswith("https://")
    assert not settings.any_loopback()


def test_only_exchanges_that_run_decide_where_we_are() -> None:
    """An exchange that does not run may be anywhere."""
    here = {market: {"ws": "ws://localhost:1", "rest": "http://[::1]:1"} for market in ("spot", "linear", "inverse")}
    settings = Settings.model_validate({"exchanges": {"okx": {"symbols": "BTC-USDT", "urls": here}}})
    assert settings.all_loopback()
    everywhere = Settings.model_validate({"exchanges": {"okx": {"urls": here}}})
    assert not everywhere.all_loopback()
    assert everywhere.any_loopback()


def test_only_an_exchange_with_an_archive_has_its_address() -> None:
    """The setting is Binance's; elsewhere it is unknown, and the error names it."""
    assert Settings().archive_base("binance") == "https://data.binance.vision"
    assert Settings().archive_base("okx") is None
    given = Settings.model_validate({"exchanges": {"binance": {"archive_url": "https://mirror.example/vision/"}}})
    assert given.archive_base("binance") == "https://mirror.example/vision"
    with pytest.raises(ValidationError, match="archive_url"):
        Settings.model_validate({"exchanges": {"okx": {"archive_url": "https://mirror.example"}}})


def test_real_and_invented_candles_never_meet() -> None:
    """With a simulator only a simulator's archive is used, and with the exchange only a real one."""
    urls = {"spot": {"rest": "http://127.0.0.1:1"}}
    here = "http://127.0.0.1:1/binance"
    told = [{"urls": urls}, {"archive_url": here}, {"urls": urls, "archive_url": here}]
    bases = [Settings.model_validate({"exchanges": {"binance": one}}).archive_base("binance") for one in told]
    assert bases == [None, None, here]


def test_the_tree_is_frozen() -> None:
    """Settings are read once."""
    with pytest.raises(ValidationError):
        Settings().http.port = 5  # type: ignore[misc]  # the point of the test


def test_candles_are_kept_for_ever_unless_said_otherwise() -> None:
    """A retention of three days beyond a chunk is the least."""
    assert Settings().storage.retention is None
    storage = Settings.model_validate({"storage": {"retention": "4d", "chunk_interval": "1d"}}).storage
    assert storage.retention == timedelta(days=4)
    assert Settings.model_validate({"storage": {"retention": None}}).storage.retention is None
