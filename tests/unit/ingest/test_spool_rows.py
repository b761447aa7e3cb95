"""How a delivery is written in a spool file."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.interval import Interval, from_ms
from streamer.domain.series import Series
from streamer.ingest.spool_rows import decode, encode
from tests.fakes.spool import live

amounts = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
maybe = st.none() | amounts
times = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
deliveries = st.builds(
    Delivery,
    st.builds(
        Candle,
        st.builds(Series, st.text(max_size=8), st.text(max_size=12), st.sampled_from(Interval)),
        st.integers(0, 253_402_300_799_999).map(from_ms),
        *[st.floats(allow_nan=False, allow_infinity=False)] * 4,
        amounts,
        maybe,
        st.none() | st.integers(0, 2**70),
        maybe,
        maybe,
    ),
    st.sampled_from(Source),
    times,
)


@given(deliveries)
def test_a_delivery_comes_back_to_the_last_bit(delivery: Delivery) -> None:
    """Doubles, great counts, strange symbols and microseconds survive; None stays None."""
    line, checksum = encode(delivery)
    found = decode(line.encode(), checksum)
    assert found == delivery
    assert repr(found.candle) == repr(delivery.candle)  # 0.0 and -0.0 are equal, and not the same


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_becomes_a_candle(place: int, change: int) -> None:
    """A flipped bit is noticed wherever it is."""
    line, checksum = encode(replace(live(3), received_at=0.0))
    octets = bytearray(line.encode())
    octets[place % len(octets)] ^= change
    with pytest.raises(ValueError, match="checksum"):
        decode(bytes(octets), checksum)
