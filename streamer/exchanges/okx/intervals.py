"""OKX's spellings of the candle lengths, always those that open on UTC boundaries.

``6H``, ``12H`` and ``1D`` open on the Hong Kong day (16:00 UTC); only their ``utc`` twins are ours. ``4H`` and shorter
are the same in both, because eight hours are a multiple of each.
"""

from streamer.domain.interval import Interval

# https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history and
# https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-candlesticks-channel (read 2026-08-22)
BARS = {
    Interval.S1: "1s",
    Interval.M1: "1m",
    Interval.M3: "3m",
    Interval.M5: "5m",
    Interval.M15: "15m",
    Interval.M30: "30m",
    Interval.H1: "1H",
    Interval.H2: "2H",
    Interval.H4: "4H",
    Interval.H6: "6Hutc",
    Interval.H12: "12Hutc",
    Interval.D1: "1Dutc",
}
