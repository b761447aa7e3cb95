"""Heartbeats and silence, apart from any conversation."""

from itertools import count

import pytest

from streamer.domain.errors import ConnectionIdle
from streamer.protocol.adapter import Heartbeat, Ping
from streamer.protocol.pulse import Pulse

BEAT = Heartbeat(every_s=20.0, when_idle=False, idle_limit_s=30.0, probe_s=10.0, make=lambda number: f"ping {number}")


def make_pulse(heartbeat: Heartbeat = BEAT) -> Pulse:
    """A pulse that begins at zero."""
    return Pulse(heartbeat, count(1).__next__, 0.0)


def test_a_heartbeat_goes_out_when_it_is_due_and_once() -> None:
    """With a number of its own each time."""
    pulse = make_pulse()
    assert [pulse.to_send(19.9), pulse.to_send(20.0), pulse.to_send(20.0)] == [[], ["ping 1"], []]
    pulse.received_at = 20.0
    assert pulse.due_at() == 40.0
    assert pulse.to_send(40.0) == ["ping 2"]


def test_a_probe_that_falls_on_a_heartbeat_is_the_same_message() -> None:
    """Nothing is sent twice at one moment."""
    pulse = make_pulse(Heartbeat(every_s=30.0, when_idle=True, idle_limit_s=30.0))
    assert pulse.to_send(30.0) == [Ping.CONTROL]
    assert pulse.probe_until_at == 40.0


def test_silence_after_the_probe_is_death_and_not_before() -> None:
    """A frame in between clears the doubt."""
    pulse = make_pulse()
    pulse.to_send(30.0)
    pulse.wake(39.9)
    with pytest.raises(ConnectionIdle, match="40 s"):
        pulse.wake(40.0)
    pulse.received_at, pulse.probe_until_at = 39.0, None
    pulse.wake(40.0)
