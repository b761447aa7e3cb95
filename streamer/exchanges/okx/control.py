"""What OKX's control frames mean: every frame that has an ``event``.

The smallest of each kind is in the case folders ``subscribed``, ``rejected_*``, ``notice_*`` and so on.
"""

import re
from collections.abc import Mapping
from typing import Any

from streamer.domain.events import (
    FeedEvent,
    FrameIgnored,
    NoticeReceived,
    SubscriptionConfirmed,
    SubscriptionRejected,
    UnsubscriptionConfirmed,
)
from streamer.exchanges.okx.fields import topic_in, topic_of
from streamer.protocol.wire import as_object, as_text, member

# Requests too frequent; login failed by an internal error; an operation failed by an internal error: none of them is
# about a topic. https://www.okx.com/docs-v5/en/#error-code-websocket-public (read 2026-08-22)
_RETRYABLE = frozenset({"60014", "63999", "64007"})

# "The connection will soon be closed for a service upgrade", said 60 s ahead. The business address, where candles are,
# may never say it. https://www.okx.com/docs-v5/en/#overview-websocket-notification (read 2026-08-22)
_CLOSING = "64008"

# An error names its culprit only inside its text, and only 60018 does: "Wrong URL or channel:candle1s,
# instId:BTC-USDT-SWAP doesn't exist. …" (seen so, without white space).
# https://www.okx.com/docs-v5/en/#overview-websocket-subscribe (read 2026-08-22)
_MISSING = "60018"
_CULPRIT = re.compile(r"channel:\s*([\w-]+)\s*,\s*instId:\s*([\w-]+)")

# Counts of private channels' connections, and the replies to requests that we do not send.
# https://www.okx.com/docs-v5/en/#overview-websocket-connection-count-limit (read 2026-08-22)
IGNORED_EVENTS = frozenset({"login", "channel-conn-count", "channel-conn-count-error"})

_LONGEST_NUMBER = 18  # digits of a request number; ours are far shorter


def control_event(frame: Mapping[str, Any]) -> FeedEvent:
    """What a frame with an ``event`` means.

    Raises:
        WrongShape: when it lacks what its kind documents.
    """
    name = as_text(member(frame, "event"))
    if name == "subscribe":
        return SubscriptionConfirmed(_request_id(frame), topic_in(as_object(member(frame, "arg"))))
    if name == "unsubscribe":
        return UnsubscriptionConfirmed()
    if name == "error":
        return _rejection(frame)
    if name == "notice":
        code = as_text(member(frame, "code"))
        return NoticeReceived(f"{code} {as_text(member(frame, 'msg'))}", reconnect=code == _CLOSING)
    return FrameIgnored(name if name in IGNORED_EVENTS else "other")


def _rejection(frame: Mapping[str, Any]) -> SubscriptionRejected:
    code, text = as_text(member(frame, "code")), as_text(member(frame, "msg"))
    culprit = _CULPRIT.search(text) if code == _MISSING else None
    return SubscriptionRejected(
        f"{code} {text}",
        _request_id(frame),
        None if culprit is None else topic_of(*culprit.groups()),
        retryable=code in _RETRYABLE,
    )


def _request_id(frame: Mapping[str, Any]) -> int | None:
    # Answered only where it was sent, and any string is allowed there; ours are numbers.
    text = frame.get("id")
    if isinstance(text, str) and len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdigit():
        return int(text)
    return None
