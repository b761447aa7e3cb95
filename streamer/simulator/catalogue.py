"""What the three invented exchanges list: the instruments that tests need by name, then synthetic ones up to a count.

Each peculiarity of the real lists is here once: multiplied bases, a coin that looks multiplied, a symbol that is not
ASCII, stocks, pre-launch and halted contracts, thin markets of every kind, OKX's USD-margined family. No wire format.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil, log10

from streamer.domain.instrument import Kind, Market, Status
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.listing import Emptiness, Listing
from streamer.simulator.naming import native
from streamer.simulator.options import SimulatorOptions

DAY_MS = 86_400_000
MINUTE_MS = 60_000
_FOREVER_MS = 1 << 50
_SPOT = (Market.SPOT, Kind.SPOT)
_LINEAR_PERPETUAL, _LINEAR_DATED = (Market.LINEAR, Kind.PERPETUAL), (Market.LINEAR, Kind.DATED)
_INVERSE_PERPETUAL, _INVERSE_DATED = (Market.INVERSE, Kind.PERPETUAL), (Market.INVERSE, Kind.DATED)
EXCHANGES = ("binance", "bybit", "okx")
_PRICES = {
    "BTC": 64_000.0, "ETH": 1_900.0, "SOL": 150.0, "XRP": 0.56, "BNB": 590.0, "DOGE": 0.12, "LTC": 82.0, "1INCH": 0.41,
    "PEPE": 0.0000121, "SHIB": 0.0000188, "TSLA": 240.0, "NEWCOIN": 1.0, "LUNA": 0.4, "POWR": 0.27, "KEY": 0.0071,
    "QUIET": 3.2, "币安人生": 0.15,
}  # fmt: skip
_MAJORS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "LTC", "1INCH")
_COIN_MARGINED = ("BTC", "ETH", "SOL", "LTC")
_THIN = (("POWR", Emptiness.FLAT), ("KEY", Emptiness.SILENT), ("QUIET", Emptiness.ABSENT))
_THIN_QUIET = 160  # of 256 minutes: as empty as LTC-BTC and POWR-BTC were
_OKX_LINEAR_SIZE = {"BTC": (1, 2), "ETH": (1, 1), "PEPE": (10_000_000, 0), "SHIB": (1_000_000, 0)}
_MULTIPLIED = {"binance": {"PEPE": "1000PEPE", "SHIB": "1000SHIB"}, "bybit": {"PEPE": "1000PEPE", "SHIB": "SHIB1000"}}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Listings by exchange, market and native symbol; iteration is in listing order."""

    listings: tuple[Listing, ...]
    by_name: Mapping[tuple[str, Market, str], Listing]

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> "Catalogue":
        """A catalogue of these listings."""
        kept = tuple(listings)
        return cls(kept, {(one.exchange, one.market, one.native): one for one in kept})

    def find(self, exchange: str, market: Market, native_symbol: str, now_ms: int) -> Listing | None:
        """The listing of that native symbol, or None while the exchange has none."""
        found = self.by_name.get((exchange, market, native_symbol))
        return found if found is not None and found.is_known(now_ms) else None

    def of_market(self, exchange: str, market: Market, now_ms: int) -> list[Listing]:
        """What one market lists at ``now_ms``, as its list describes it then."""
        return [
            replace(one, status=Status.HALTED) if one.is_paused(now_ms) else one
            for one in self.listings
            if one.exchange == exchange and one.market is market and one.is_known(now_ms)
        ]


def invent(options: SimulatorOptions, now_ms: int) -> Catalogue:
    """The catalogue of a simulator that starts at ``now_ms``."""
    listed_ms = now_ms // DAY_MS * DAY_MS - options.history_days * DAY_MS
    expiry_ms = _next_quarter_end(now_ms)
    listings: list[Listing] = []
    for exchange in EXCHANGES:
        named = list(_named(exchange, expiry_ms, listed_ms + DAY_MS))
        named += _synthetic(exchange, options.symbols - len(named), options.thin_share)
        listings += [replace(one, seed=options.seed, listed_ms=listed_ms) for one in named]
    return Catalogue.of(_changed(one, options.faults, now_ms) for one in listings)


def _changed(listing: Listing, faults: Iterable[Fault], start_ms: int) -> Listing:
    """The listing as the script of faults lets it begin, pause and end, at whole minutes."""
    for fault in faults:
        if not fault.concerns(listing.exchange, listing.market, listing.native):
            continue
        at_ms = start_ms + int(fault.at_s * 1_000)
        at_ms -= at_ms % MINUTE_MS
        if fault.kind is FaultKind.LISTED:
            listing = replace(listing, listed_ms=at_ms)
        elif fault.kind is FaultKind.DELISTED:
            listing = replace(listing, delisted_ms=at_ms)
        elif fault.kind is FaultKind.HALTED:
            lasts_ms = _FOREVER_MS if fault.for_s is None else int(fault.for_s * 1_000)
            listing = replace(listing, halts=(*listing.halts, (at_ms, at_ms + lasts_ms)))
    return listing


def _named(exchange: str, expiry_ms: int, halted_ms: int) -> Iterator[Listing]:
    for base in _MAJORS:
        yield _listing(exchange, _SPOT, base, "USDT")
        yield _listing(exchange, _LINEAR_PERPETUAL, base, "USDT")
    for base in _COIN_MARGINED:
        yield _listing(exchange, _INVERSE_PERPETUAL, base, "USD")
    for base in ("BTC", "ETH"):
        yield _listing(exchange, _LINEAR_DATED, base, "USDT", expiry_ms)
        yield _listing(exchange, _INVERSE_DATED, base, "USD", expiry_ms)
    yield _listing(exchange, _LINEAR_PERPETUAL, "BTC", "USDC")
    if exchange == "bybit":
        yield _listing(exchange, _LINEAR_DATED, "BTC", "USDC", expiry_ms)
    for base in ("PEPE", "SHIB"):
        yield _listing(exchange, _SPOT, base, "USDT")
        multiplied = _MULTIPLIED.get(exchange, {}).get(base, base)
        yield _listing(exchange, _LINEAR_PERPETUAL, multiplied, "USDT")
    for base, emptiness in _THIN:
        thin = _listing(exchange, _SPOT, base, "USDT")
        yield replace(thin, quiet=_THIN_QUIET, emptiness=emptiness)
    yield replace(_listing(exchange, _LINEAR_PERPETUAL, "TSLA", "USDT"), crypto=False)
    yield replace(_listing(exchange, _LINEAR_PERPETUAL, "NEWCOIN", "USDT"), status=Status.PRELAUNCH)
    if exchange != "bybit":  # Bybit's list shows only what trades
        halted = _listing(exchange, _SPOT, "LUNA", "USDT")
        yield replace(halted, status=Status.HALTED, halted_ms=halted_ms)
    if exchange == "binance":
        yield _listing(exchange, _SPOT, "币安人生", "USDT")
    if exchange == "okx":
        um = _listing(exchange, _LINEAR_PERPETUAL, "BTC", "USD")
        yield replace(um, native="BTC-USD_UM-SWAP", family="BTC-USD_UM", settle="USDⓈ")


def _synthetic(exchange: str, count: int, thin_share: float) -> Iterator[Listing]:
    for number in range(max(0, count)):
        spot = number % 2 == 0
        place = _SPOT if spot else _LINEAR_PERPETUAL
        listing = _listing(exchange, place, f"X{number // 2:04d}", "USDT")
        thin = int((number + 1) * thin_share) > int(number * thin_share)
        yield replace(listing, quiet=_THIN_QUIET) if thin else listing


def _listing(exchange: str, place: tuple[Market, Kind], base: str, quote: str, expiry_ms: int | None = None) -> Listing:
    market, kind = place
    price = (
        _PRICES.get(base) or _PRICES.get(base.replace("1000", ""), 0.0) * 1_000 or 1.0 + len(base) * int(base[1:]) % 97
    )
    decimals = max(1, 6 - ceil(log10(price)))
    lots = max(0, ceil(log10(price)))
    size, size_decimals = 1, 0
    turnover = min(8, decimals + lots)
    tick = lot = 1
    if exchange == "binance" and market is Market.SPOT:  # writes eight decimals everywhere
        decimals = min(8, decimals)
        tick, lot, decimals, lots, turnover = 10 ** (8 - decimals), 10 ** (8 - lots), 8, 8, 8
    if market is Market.INVERSE:
        lots, turnover = 0, 8
        size = 1 if exchange == "bybit" else 100 if base == "BTC" else 10
    if exchange == "okx" and market is not Market.SPOT:
        lots = 2 if market is Market.LINEAR else 1
        if market is Market.LINEAR:
            size, size_decimals = _OKX_LINEAR_SIZE.get(base, (1, 0))
    return Listing(
        exchange=exchange,
        market=market,
        kind=kind,
        native=native(exchange, (market, kind), base, quote, expiry_ms),
        base=base,
        quote=quote,
        settle=base if market is Market.INVERSE else quote,
        price=price,
        price_decimals=decimals,
        volume_decimals=lots,
        turnover_decimals=turnover,
        tick=tick,
        lot=lot,
        size=size,
        size_decimals=size_decimals,
        expiry_ms=expiry_ms,
        family=f"{base}-{quote}",
    )


def _next_quarter_end(now_ms: int) -> int:
    """08:00 UTC on the last Friday of the first quarter that ends at least a fortnight after ``now_ms``."""
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    for quarter in range(1, 9):
        months = (now.month - 1) // 3 * 3 + 3 * quarter
        day = datetime(now.year + months // 12, months % 12 + 1, 1, 8, tzinfo=UTC) - timedelta(days=1)
        day -= timedelta(days=(day.weekday() - 4) % 7)
        if day - now > timedelta(days=14):
            return int(day.timestamp()) * 1_000
    raise AssertionError("one of eight quarters ends more than a fortnight from now")
