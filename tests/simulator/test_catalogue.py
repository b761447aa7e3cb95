"""What the invented exchanges list, and the units of the truth about it."""

from datetime import UTC, datetime

import pytest

from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.simulator.ledger import Ledger, published
from streamer.simulator.listing import Row, decimal, shortest
from tests.simulator.markets import MINUTE_MS, NOW_MS, RUNNING_MS, catalogue, listed

EXCHANGES = ("binance", "bybit", "okx")


def test_every_listing_has_a_name_of_its_own() -> None:
    """Native symbols are unique within an exchange's market."""
    listings = catalogue(symbols=1_000).listings
    assert len({(one.exchange, one.market, one.native) for one in listings}) == len(listings)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_count_is_kept(exchange: str) -> None:
    """Synthetic instruments fill up to the number asked for; a tenth of them is thin."""
    listings = [one for one in catalogue(symbols=500).listings if one.exchange == exchange]
    synthetic = [one for one in listings if one.base.startswith("X0")]
    assert len(listings) == 500
    assert sum(one.quiet > 0 for one in synthetic) == len(synthetic) // 10


def test_dated_contracts_end_on_the_last_friday_of_a_quarter() -> None:
    """08:00 UTC, at least a fortnight ahead, and spelled in each exchange's way."""
    dated = [one for one in catalogue().listings if one.kind is Kind.DATED and one.base == "BTC"]
    for one in dated:
        expiry = datetime.fromtimestamp((one.expiry_ms or 0) / 1_000, UTC)
        assert (expiry.hour, expiry.weekday(), expiry.month % 3) == (8, 4, 0)
        assert expiry.timestamp() * 1_000 - NOW_MS > 14 * 86_400_000
    assert {one.native for one in dated} == {
        "BTCUSDT_261225", "BTCUSD_261225", "BTCUSDT-25DEC26", "BTC-25DEC26", "BTCUSDZ26", "BTC-USDT-261225",
        "BTC-USD-261225",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("units", "decimals", "full", "short"),
    [(12_340, 3, "12.340", "12.34"), (5, 4, "0.0005", "0.0005"), (1_000, 0, "1000", "1000"), (0, 2, "0.00", "0")],
)
def test_decimals_are_written_exactly(units: int, decimals: int, full: str, short: str) -> None:
    """With all decimals, and without zeros at the end."""
    assert (decimal(units, decimals), shortest(units, decimals)) == (full, short)


@pytest.mark.parametrize(
    ("exchange", "market", "native", "expected"),
    [
        ("binance", Market.SPOT, "BTCUSDT", (0.00_000_200, 0.000_003)),
        ("binance", Market.INVERSE, "BTCUSD_PERP", (0.000_003, 20_000.0)),
        ("bybit", Market.INVERSE, "BTCUSD", (0.000_003, 200.0)),
        ("okx", Market.LINEAR, "BTC-USDT-SWAP", (0.02, 0.0003)),
        ("okx", Market.INVERSE, "BTC-USD-SWAP", (0.000_003, 2_000.0)),
    ],
)
def test_the_truth_is_in_base_and_quote_units(
    exchange: str, market: Market, native: str, expected: tuple[float, float]
) -> None:
    """Contracts become coins and dollars, as the table of units says; only Binance counts trades."""
    row = Row(
        0, 1, 1, 1, 1, volume=200, turnover=300, trades=1, taker_volume=0, taker_turnover=0, first_id=1, last_id=1
    )
    truth = published(listed(exchange, market, native), row, sent_closed=False)
    assert (truth.volume, truth.quote_volume) == expected
    assert truth.trades == (1 if exchange == "binance" else None)


def test_the_ledger_remembers_runs() -> None:
    """What was sent is known, what was left out between is not."""
    listing = listed("okx", Market.SPOT, "BTC-USDT")
    ledger = Ledger()
    for minute in (0, 1, 2, 5, 6, 6):
        ledger.sent(listing, Interval.M1, RUNNING_MS + minute * MINUTE_MS)
    sent = [minute for minute in range(9) if ledger.was_sent(listing, Interval.M1, RUNNING_MS + minute * MINUTE_MS)]
    assert sent == [0, 1, 2, 5, 6]
    assert not ledger.was_sent(listing, Interval.M5, RUNNING_MS)
