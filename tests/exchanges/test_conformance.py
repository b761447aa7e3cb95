"""The promises that every adapter keeps, asked of each one that discover() finds."""

import json
import pkgutil
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import streamer.exchanges
from streamer.domain.events import FrameIgnored
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval
from streamer.exchanges import discover
from streamer.protocol.adapter import ExchangeAdapter, MarketFacts, Request
from tests.exchanges.cases import cases
from tests.paths import FIXTURES

ADAPTERS = discover()
SIDES = [(adapter, market) for adapter in ADAPTERS.values() for market in adapter.markets]
NATIVE_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BTC-USDT", "BTC-USDT-SWAP", "BTCUSD_PERP", "1000PEPEUSDT", "BTCUSDT-25SEP26")
NOW_MS = 1_784_800_860_123

each_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=lambda adapter: adapter.name)
each_side = pytest.mark.parametrize(
    ("adapter", "market"), SIDES, ids=[f"{adapter.name}-{market.value}" for adapter, market in SIDES]
)


def instruments_of(adapter: ExchangeAdapter, market: Market) -> list[Instrument]:
    """Those of the exchange's own cases, and some of any exchange's spelling."""
    own = [instrument for case in cases(adapter.name) if case.market is market for instrument, _ in case.followed]
    model = Instrument(
        exchange=adapter.name,
        market=market,
        kind=Kind.SPOT if market is Market.SPOT else Kind.PERPETUAL,
        native_symbol="BTCUSDT",
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        settle="USDT",
        status=Status.TRADING,
    )
    made = [replace(model, native_symbol=native_symbol) for native_symbol in NATIVE_SYMBOLS]
    return list({instrument.native_symbol: instrument for instrument in own + made}.values())


def topics_of(adapter: ExchangeAdapter, market: Market) -> list[str]:
    """The topics of every instrument at every interval of the market."""
    facts = adapter.markets[market]
    instruments = instruments_of(adapter, market)
    return [facts.stream.topic(instrument, each) for instrument in instruments for each in sorted(facts.intervals)]


def requests_of(adapter: ExchangeAdapter, market: Market) -> list[Request]:
    """One of every request that the market can make, windows as long as they may be."""
    facts = adapter.markets[market]
    found = [facts.rest.server_time, facts.rest.instruments(None)]
    for instrument in instruments_of(adapter, market):
        for interval in facts.intervals:
            last_ms = interval.floor_ms(NOW_MS) - interval.milliseconds
            first_ms = last_ms - (facts.rest.page_rows(interval) - 1) * interval.milliseconds
            found.append(facts.rest.candles(instrument, interval, first_ms, last_ms, NOW_MS))
    return found


def test_every_package_is_found_under_its_own_name() -> None:
    """Package, adapter and fixture folder have one name, and the order is that of the names."""
    packages = sorted(entry.name for entry in pkgutil.iter_modules(streamer.exchanges.__path__) if entry.ispkg)
    assert packages == list(ADAPTERS) == [adapter.name for adapter in ADAPTERS.values()]
    assert [name for name in packages if not (FIXTURES / name).is_dir()] == []


def test_fourth_exchange_is_one_folder_and_no_edit(tmp_path: Path) -> None:
    """A package that appears beside the others is found; one that exports no adapter is refused by name."""
    (tmp_path / "atlantis").mkdir()
    (tmp_path / "atlantis" / "__init__.py").write_text(
        "from streamer.protocol.adapter import ExchangeAdapter\n"
        "ATLANTIS = ExchangeAdapter(name='atlantis', markets={}, frame_kinds=frozenset())\n"
    )
    found = _discover_beside(tmp_path)
    assert found.stdout.split() == sorted([*ADAPTERS, "atlantis"])
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "__init__.py").write_text("")
    assert "streamer.exchanges.bare must export exactly one ExchangeAdapter" in _discover_beside(tmp_path).stderr


def _discover_beside(folder: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys, streamer.exchanges as exchanges; exchanges.__path__.append(sys.argv[1]);"
        "print(*exchanges.discover())"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@each_adapter
def test_names_and_kinds_are_fit_to_be_labels(adapter: ExchangeAdapter) -> None:
    """A name and a kind of ignored frame are one short word each: they label metrics."""
    assert re.fullmatch(r"[a-z0-9]+", adapter.name)
    assert [kind for kind in adapter.frame_kinds if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", kind)] == []
    assert len(adapter.frame_kinds) <= 40


@each_adapter
def test_ignored_frames_are_of_a_listed_kind(adapter: ExchangeAdapter) -> None:
    """Whatever the cases hold, a kind that is reported is in the closed list."""
    reported = set()
    for case in cases(adapter.name):
        if case.expected is not None:
            events = adapter.markets[case.market].stream.decode(case.frame, case.subscriptions(adapter))
            reported |= {event.kind for event in events if isinstance(event, FrameIgnored)}
    assert reported <= adapter.frame_kinds


@each_side
def test_default_bases_are_encrypted(adapter: ExchangeAdapter, market: Market) -> None:
    """Default addresses are wss and https with a host, and the stream's address stays on its base."""
    facts = adapter.markets[market]
    assert (urlsplit(facts.ws_base).scheme, urlsplit(facts.rest_base).scheme) == ("wss", "https")
    assert urlsplit(facts.ws_base).hostname
    assert urlsplit(facts.rest_base).hostname
    assert not facts.ws_base.endswith("/")
    assert not facts.rest_base.endswith("/")
    for base in (facts.ws_base, "ws://127.0.0.1:9000/here"):
        assert facts.stream.url(base).startswith(f"{base}/")


@each_side
def test_topics_are_unique(adapter: ExchangeAdapter, market: Market) -> None:
    """No two instruments or intervals share a topic: within a connection it is the key."""
    topics = topics_of(adapter, market)
    assert len(topics) == len(set(topics)) > 0


@each_side
def test_market_offers_minutes_and_no_interval_twice(adapter: ExchangeAdapter, market: Market) -> None:
    """Every market has 1m, from which all views are built, and the fixed intervals up to a day."""
    assert set(Interval) - {Interval.S1} <= adapter.markets[market].intervals


@each_side
def test_request_asks_for_each_topic_once_within_the_limits(adapter: ExchangeAdapter, market: Market) -> None:
    """A full request is JSON no longer than allowed, and names each of its topics, or all parts of it, exactly once."""
    stream = adapter.markets[market].stream
    topics = topics_of(adapter, market)
    most = stream.limits.topics_per_request
    fewest = min(most, len(topics))
    for start in range(0, len(topics) - fewest + 1, fewest):
        batch = topics[start : start + fewest]
        text = stream.subscribe(batch, 1_234)
        assert len(text.encode()) <= stream.limits.request_bytes or len(batch) > 1
        asked = json.loads(text)
        assert "1234" in {str(value) for value in asked.values()}
        arguments = next(value for value in asked.values() if isinstance(value, list))
        assert len(arguments) == len({json.dumps(argument) for argument in arguments}) == len(batch)
    single = {stream.subscribe([topic], 1) for topic in topics}
    assert len(single) == len(topics)


@each_side
def test_a_topic_is_left_in_the_words_that_asked_for_it(adapter: ExchangeAdapter, market: Market) -> None:
    """Both requests name the same arguments and their own number, and differ in what is to be done."""
    stream = adapter.markets[market].stream
    for topic in topics_of(adapter, market):
        asked, left = json.loads(stream.subscribe([topic], 7)), json.loads(stream.unsubscribe([topic], 7))
        different = {key for key in asked.keys() | left.keys() if asked.get(key) != left.get(key)}
        assert len(different) == 1
        verb = different.pop()
        assert left[verb].lower() == f"un{asked[verb]}".lower()
        assert len(stream.unsubscribe([topic], 10**9).encode()) <= stream.limits.request_bytes


@each_side
def test_stream_limits_are_sane(adapter: ExchangeAdapter, market: Market) -> None:
    """A connection carries something, one topic fits into a request, and waits are short but not nothing."""
    limits = adapter.markets[market].stream.limits
    assert 1 <= limits.topics_per_request <= limits.series_per_connection <= 1_024
    assert 0 < limits.request_spacing_s <= 10
    assert 0 < limits.connect_spacing_s <= 10
    assert 1 <= limits.confirm_s <= 60
    assert limits.lifetime_s is None or limits.lifetime_s >= 3_600
    assert limits.topics_per_hour is None or limits.topics_per_hour > 2 * limits.series_per_connection
    stream = adapter.markets[market].stream
    assert (
        max(len(stream.subscribe([each], 10**9).encode()) for each in topics_of(adapter, market))
        <= limits.request_bytes
    )


@each_side
def test_heartbeat_is_sane(adapter: ExchangeAdapter, market: Market) -> None:
    """A heartbeat goes out before the idle limit, silence is noticed within five minutes, its text is short."""
    heartbeat = adapter.markets[market].stream.heartbeat
    assert heartbeat.every_s >= 1
    assert 1 <= heartbeat.probe_s <= 60
    assert heartbeat.idle_limit_s + heartbeat.probe_s <= 300
    if heartbeat.make is not None:
        assert heartbeat.every_s < heartbeat.idle_limit_s + heartbeat.probe_s
        assert 0 < len(heartbeat.make(10**9)) <= 100


@each_side
def test_requests_are_affordable_and_made_of_text(adapter: ExchangeAdapter, market: Market) -> None:
    """Paths are absolute, parameters are text, and no request costs more than its pool holds."""
    for request in requests_of(adapter, market):
        assert request.path.startswith("/")
        assert {type(part) for pair in request.params.items() for part in pair} <= {str}
        assert 1 <= request.weight <= request.pool.limit
        assert request.pool.window_s > 0


@each_side
def test_pools_of_one_name_are_one_limit(adapter: ExchangeAdapter, market: Market) -> None:
    """Two requests that share a pool's name agree about its limit, across the exchange's markets."""
    pools = {request.pool for each in adapter.markets for request in requests_of(adapter, each)}
    own = {request.pool.name for request in requests_of(adapter, market)}
    assert own <= {pool.name for pool in pools}
    assert len(pools) == len({pool.name for pool in pools})


@each_side
def test_candle_windows_never_exceed_a_page(adapter: ExchangeAdapter, market: Market) -> None:
    """A window of a page, and of one candle, asks for at least its candles and for no more than a page."""
    facts: MarketFacts = adapter.markets[market]
    instrument = instruments_of(adapter, market)[0]
    for interval in facts.intervals:
        page_rows = facts.rest.page_rows(interval)
        assert 1 <= page_rows <= 1_500
        last_ms = interval.floor_ms(NOW_MS) - interval.milliseconds
        for asked in (1, page_rows):
            first_ms = last_ms - (asked - 1) * interval.milliseconds
            request = facts.rest.candles(instrument, interval, first_ms, last_ms, NOW_MS)
            assert asked <= int(request.params["limit"]) <= page_rows


@each_side
def test_a_longer_span_asks_for_no_more_than_a_page(adapter: ExchangeAdapter, market: Market) -> None:
    """A halt is asked across from both its ends: the bounds are those of the span, the number and cost of a page."""
    facts: MarketFacts = adapter.markets[market]
    instrument = instruments_of(adapter, market)[0]
    for interval in facts.intervals:
        page_rows = facts.rest.page_rows(interval)
        last_ms = interval.floor_ms(NOW_MS) - interval.milliseconds
        page, longer = (
            facts.rest.candles(instrument, interval, last_ms - (rows - 1) * interval.milliseconds, last_ms, NOW_MS)
            for rows in (page_rows, 3 * page_rows)
        )
        assert int(longer.params["limit"]) == int(page.params["limit"]) <= page_rows
        assert longer.weight == page.weight
        assert [key for key in page.params if page.params[key] != longer.params[key]] == [
            key for key in page.params if key in {"startTime", "start", "before"}
        ]
