"""How each exchange spells an instrument: spot, perpetual, dated. See the symbol pages of the three documentations.

Binance ``BTCUSDT``, ``BTCUSD_PERP``, ``BTCUSDT_260925``; Bybit ``BTCUSDT``, ``BTCPERP`` (USDC), ``BTCUSD``,
``BTCUSDT-25SEP26``, ``BTCUSDU26``; OKX ``BTC-USDT``, ``BTC-USDT-SWAP``, ``BTC-USD-260925``. Read 2026-11-20 at
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information,
https://bybit-exchange.github.io/docs/v5/market/instrument and
https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments.
"""

from datetime import UTC, datetime

from streamer.domain.instrument import Kind, Market

_QUARTER_LETTERS = "HMUZ"  # March, June, September, December
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def native(exchange: str, place: tuple[Market, Kind], base: str, quote: str, expiry_ms: int | None) -> str:
    """The native symbol; ``expiry_ms`` is needed for dated contracts."""
    market, kind = place
    expiry = datetime.fromtimestamp((expiry_ms or 0) / 1_000, UTC)
    if exchange == "binance":
        if kind is Kind.DATED:
            return f"{base}{quote}_{expiry:%y%m%d}"
        return f"{base}{quote}_PERP" if market is Market.INVERSE else f"{base}{quote}"
    if exchange == "bybit":
        return _bybit(market, kind, base, quote, expiry)
    if kind is Kind.SPOT:
        return f"{base}-{quote}"
    return f"{base}-{quote}-SWAP" if kind is Kind.PERPETUAL else f"{base}-{quote}-{expiry:%y%m%d}"


def _bybit(market: Market, kind: Kind, base: str, quote: str, expiry: datetime) -> str:
    if kind is Kind.DATED and market is Market.INVERSE:
        return f"{base}{quote}{_QUARTER_LETTERS[(expiry.month - 1) // 3]}{expiry:%y}"
    if kind is Kind.DATED:
        pair = base if quote == "USDC" else f"{base}{quote}"
        return f"{pair}-{expiry.day}{_MONTHS[expiry.month - 1]}{expiry:%y}"
    return f"{base}PERP" if quote == "USDC" and kind is Kind.PERPETUAL else f"{base}{quote}"
