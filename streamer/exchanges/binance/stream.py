"""The streaming side of Binance: addresses, topics, the subscribe request, and the limits of one connection.

Facts and pure functions; what a frame means is in ``frames``. The three products differ in their base address only:
USDⓈ-M must be asked on its ``/market`` route, since any other route confirms candle topics and never sends one
(https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Important-WebSocket-Change-Notice,
read 2026).
"""

from collections.abc import Sequence

import orjson

from streamer.domain.instrument import Instrument
from streamer.domain.interval import Interval
from streamer.exchanges.binance.frames import decode_frame
from streamer.protocol.adapter import Heartbeat, Stream, StreamLimits

# https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (read 2026-07-21): 5 messages a
# second, control frames included, 300 connects in 5 minutes, 1,024 streams. Futures: 10 messages a second, 1,024
# streams (older pages: 200), connects not stated (…/usds-margined-futures/websocket-market-streams, read 2026-01). Ours
# keep below the tightest of these, because a client over a limit is banned by its address.
LIMITS = StreamLimits(
    series_per_connection=400,
    topics_per_request=100,
    # Requests of 4,088 bytes and more are ignored without an answer: reported, not documented
    # (https://github.com/binance/binance-connector-rust/issues/27, read 2026-11-20).
    request_bytes=3_499,
    request_spacing_s=0.5,
    connect_spacing_s=1.0,
    # All three products cut a connection after 24 hours (the same pages, same dates): 23 leave an hour in which new
    # connections may fail.
    lifetime_s=23 * 3_600.0,
)

# Binance pings us: every 20 s on spot, which cuts after a minute without a pong, every 3 minutes on futures (the same
# pages, same dates). A ping of ours costs one of 5 messages a second, so it goes out only when 30 s were silent; its
# answer is then a sign of life well before a minute of nothing calls for the probe.
HEARTBEAT = Heartbeat(every_s=30.0, when_idle=True, idle_limit_s=60.0, probe_s=10.0)


def stream_url(base: str) -> str:
    """The address of a connection that wraps every frame and is told by requests what to send."""
    return f"{base.rstrip('/')}/stream"


def topic_of(instrument: Instrument, interval: Interval) -> str:
    """The wire name of a series: ``btcusdt@kline_1m``. Lower case, save the interval; spellings are ours (``1m``)."""
    return f"{instrument.native_symbol.lower()}@kline_{interval.value}"


def subscribe(topics: Sequence[str], request_id: int) -> str:
    """The text of one subscribe request: ``{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}``."""
    return orjson.dumps({"method": "SUBSCRIBE", "params": list(topics), "id": request_id}).decode()


def unsubscribe(topics: Sequence[str], request_id: int) -> str:
    """The text of one unsubscribe request, answered as a subscribe request is: ``{"result":null,"id":2}``."""
    return orjson.dumps({"method": "UNSUBSCRIBE", "params": list(topics), "id": request_id}).decode()


STREAM = Stream(
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    url=stream_url,
    topic=topic_of,
    subscribe=subscribe,
    unsubscribe=unsubscribe,
    decode=decode_frame,
)
