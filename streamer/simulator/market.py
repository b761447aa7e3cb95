"""The invented market: any minute of any listing, computed from the seed alone and without memory.

A minute's candle depends on (seed, exchange, market, symbol, minute) and on the close of the last minute that traded,
which is a function of that minute alone; so ranges cost one step a candle and two runs never differ. No clock, no I/O.
"""

from collections.abc import Iterator
from math import pi, sin

from streamer.domain.instrument import Status
from streamer.simulator.listing import Emptiness, Listing, Row

MINUTE_MS = 60_000
_MASK = (1 << 64) - 1
_ALWAYS_TRADES = 30  # every so many minutes even the thinnest market trades, so that looking back ends
_BYBIT = "bybit"


def word(salt: int, number: int) -> int:
    """64 pseudo-random bits for ``number`` (splitmix64: a tenth of the price of seeding a generator)."""
    bits = (salt + number * 0x9E3779B97F4A7C15) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def existing(listing: Listing, first_ms: int, last_ms: int) -> tuple[int, int]:
    """The part of a span of open times in which the listing is traded; empty (first > last) when there is none."""
    if listing.status is Status.PRELAUNCH:
        return 1, 0
    ends = [end for end in (listing.halted_ms, listing.expiry_ms, listing.delisted_ms) if end is not None]
    return max(first_ms, listing.listed_ms), min([last_ms, *(end - MINUTE_MS for end in ends)])


def minutes(listing: Listing, first_ms: int, last_ms: int) -> Iterator[Row]:
    """The 1m candles that open from ``first_ms`` to ``last_ms``, both included, those without trades too."""
    first_ms, last_ms = existing(listing, first_ms, last_ms)
    first, last = -(-first_ms // MINUTE_MS), last_ms // MINUTE_MS
    if first > last:
        return
    previous = _close_before(listing, first)
    salt, quiet = listing.salt, listing.quiet
    for minute in range(first, last + 1):
        if listing.halts and listing.is_paused(minute * MINUTE_MS):
            continue
        bits = word(salt, minute)
        if quiet and bits & 0xFF < quiet and minute % _ALWAYS_TRADES:
            yield Row(minute * MINUTE_MS, previous, previous, previous, previous, 0, 0, 0, 0, 0, -1, -1)
            continue
        row = _traded(listing, minute, bits, previous)
        previous = row.close
        yield row


def silent(listing: Listing, row: Row) -> bool:
    """Whether the exchange pushes nothing about this candle."""
    return row.volume == 0 and listing.emptiness is not Emptiness.FLAT


def absent(listing: Listing, row: Row) -> bool:
    """Whether the exchange has no row of this candle at all."""
    return row.volume == 0 and listing.emptiness is Emptiness.ABSENT


def _close_before(listing: Listing, minute: int) -> int:
    """The close of the last minute before ``minute`` that traded."""
    minute -= 1
    while _has_no_trade(listing, minute):
        minute -= 1
    return _close(listing, minute, word(listing.salt, minute))


def _has_no_trade(listing: Listing, minute: int) -> bool:
    if listing.halts and listing.is_paused(minute * MINUTE_MS):
        return True
    return bool(listing.quiet and word(listing.salt, minute) & 0xFF < listing.quiet and minute % _ALWAYS_TRADES)


def _close(listing: Listing, minute: int, bits: int) -> int:
    phase = listing.salt % 1009
    wave = 0.02 * sin((minute + phase) * (2 * pi / 1_440)) + 0.008 * sin((minute + 7 * phase) * (2 * pi / 97))
    noise = ((bits >> 8 & 0xFF) - 127.5) * 4e-6
    ticks = listing.price * (1.0 + wave + noise) * 10**listing.price_decimals / listing.tick
    return max(4, int(ticks)) * listing.tick


def _traded(listing: Listing, minute: int, bits: int, previous: int) -> Row:
    tick = listing.tick
    close = _close(listing, minute, bits)
    opened = previous
    if (
        listing.exchange != _BYBIT and bits >> 16 & 0b11
    ):  # Bybit opens at the previous close, the others one time in four
        opened = max(tick, previous + ((bits >> 18 & 0b111) - 3) * tick)
    reach = int(listing.price * 10**listing.price_decimals * 2e-4 / tick) + 1
    high = max(opened, close) + (bits >> 24 & 0xFF) * reach // 256 * tick
    low = max(tick, min(opened, close) - (bits >> 32 & 0xFF) * reach // 256 * tick)
    lots = 1 + (bits >> 40 & 0xFFF) * (1 + (bits >> 52 & 0xF))
    volume = lots * listing.lot
    mean = low + (high - low) * (bits >> 21 & 0xFF) // (256 * tick) * tick
    taker = lots * (bits >> 29 & 0xFF) // 255 * listing.lot
    trades = min(lots, 1 + (bits >> 44 & 0x1FF))
    first_id = minute * 1_000
    return Row(
        minute * MINUTE_MS,
        opened,
        high,
        low,
        close,
        volume,
        listing.turnover(volume, mean),
        trades,
        taker,
        listing.turnover(taker, mean),
        first_id,
        first_id + trades - 1,
    )
