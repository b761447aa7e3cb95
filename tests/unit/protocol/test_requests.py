"""Refusals that name their culprit, where the rest of the request may have gone down with it."""

from dataclasses import replace

from tests.fakes.talk import Talk
from tests.fakes.toy_exchange import LIMITS

SINKING = replace(LIMITS, refusal_spares_others=False)


def test_the_rest_of_a_refused_request_is_asked_for_at_once() -> None:
    """Two bad topics in one request cost two more requests; the good ones are live, and nothing times out."""
    talk = Talk(*"abcd", limits=SINKING)
    talk.hear("reject-topic b 1")
    talk.wait(LIMITS.request_spacing_s)
    assert talk.requests()[-1] == "subscribe 2 a,c,d"
    talk.hear("reject-topic c 2")
    talk.wait(LIMITS.request_spacing_s)
    assert talk.requests()[-1] == "subscribe 3 a,d"
    talk.hear("ack 3")
    talk.wait(3 * LIMITS.confirm_s, hear="forming a", every_s=1.0)
    assert talk.confirmed() == ["a", "d"]
    assert talk.session.settled


def test_where_a_refusal_spares_the_others_nothing_is_asked_for_twice() -> None:
    """Each topic is answered by itself there, and requests are counted."""
    talk = Talk(*"abc")
    talk.hear("reject-topic b 1", "ack-topic a", "ack-topic c")
    talk.wait(LIMITS.confirm_s)
    assert talk.requests() == ["subscribe 1 a,b,c"]
    assert talk.confirmed() == ["a", "c"]
