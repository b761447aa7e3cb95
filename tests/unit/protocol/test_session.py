"""The conversation, transition by transition. The exchange is the toy one, whose frames are plain words."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from streamer.domain.errors import ConnectionIdle, FeedError, SubscriptionTimedOut
from streamer.domain.events import CandleClosed, CandleRefused, FrameIgnored, NoticeReceived, SeriesRefused
from streamer.protocol.adapter import Heartbeat, Ping
from streamer.protocol.session import FeedSession
from tests.fakes.talk import Talk
from tests.fakes.toy_exchange import HEARTBEAT, LIMITS, START_MS, candle_of, make_stream, series_of, subscriptions

HOUR_S = 3_600.0
SELDOM = Heartbeat(every_s=1e6, when_idle=True, idle_limit_s=1e6)  # leaves the clock to the moment under test
SEVEN = tuple("abcdefg")


# ---------------------------------------------------------------- confirming


@pytest.mark.parametrize("answers", [["ack 1"], ["ack"], ["ack-topic a", "ack-topic b"], ["forming a", "closed b 0"]])
def test_a_topic_is_confirmed_by_any_kind_of_answer(answers: Sequence[str]) -> None:
    """By the request's number, as the oldest request, by name, or by a candle that is faster than its answer."""
    talk = Talk("a", "b")
    assert talk.requests() == ["subscribe 1 a,b"]
    before = talk.session.settled
    talk.hear(*answers)
    assert (before, talk.session.settled) == (False, True)
    assert talk.confirmed() == ["a", "b"]


def test_an_answer_without_a_number_is_for_the_oldest_request() -> None:
    """Answers come in the order of the requests."""
    talk = Talk(*SEVEN, "h")
    talk.wait(1.0)
    talk.hear("ack")
    assert talk.confirmed() == list(SEVEN)


@pytest.mark.parametrize("frame", ["ack 99", "ack-topic z", "reject 99", "reject-topic z", "closed z 0", "gibberish"])
def test_a_frame_about_something_else_settles_nothing(frame: str) -> None:
    """Unknown numbers and topics are no answer to ours."""
    talk = Talk("a", "b")
    talk.wait(1.0)
    talk.session.frame_received(frame.encode(), talk.now_at, None)
    assert not talk.session.settled
    assert talk.confirmed() == []


def test_half_an_answer_settles_half() -> None:
    """A topic confirmed by name leaves the others of its request open, and only those are asked for again."""
    talk = Talk("a", "b")
    talk.hear("ack-topic a")
    assert talk.confirmed() == ["a"]
    talk.wait(LIMITS.confirm_s)
    assert talk.requests() == ["subscribe 1 a,b", "subscribe 2 b"]


def test_an_unanswered_topic_is_asked_for_once_more_and_then_ends_the_connection() -> None:
    """The second silence is the end, however much else arrives: the deadline is absolute."""
    talk = Talk("a", "b")
    talk.hear("ack-topic a")
    with pytest.raises(SubscriptionTimedOut):
        talk.wait(60.0, hear="forming a", every_s=0.5)
    assert talk.requests() == ["subscribe 1 a,b", "subscribe 2 b"]
    assert 2 * LIMITS.confirm_s <= talk.now_at < 2 * LIMITS.confirm_s + 1


def test_an_answer_to_the_second_request_is_in_time() -> None:
    """A lost confirmation costs one more request and nothing else."""
    talk = Talk("a")
    talk.wait(LIMITS.confirm_s)
    talk.hear("ack 2")
    assert talk.session.settled
    talk.wait(15.0)


def test_a_late_answer_to_the_first_request_counts() -> None:
    """An exchange that needs longer than our patience has answered all the same."""
    talk = Talk("a", "b")
    talk.wait(LIMITS.confirm_s + 2)
    talk.hear("ack 1")
    assert talk.session.settled
    assert talk.confirmed() == ["a", "b"]
    talk.wait(15.0)


def test_a_topic_that_came_alive_while_waiting_its_turn_is_not_asked_for_again() -> None:
    """Its candle answers for it, so that a lost confirmation of a needless request ends nothing."""
    talk = Talk(*SEVEN, "h", limits=replace(LIMITS, request_spacing_s=7.0))
    talk.wait(LIMITS.confirm_s)  # the first request is overdue; its turn comes at 14 s, by the pace
    talk.hear("ack 2", *(f"forming {topic}" for topic in SEVEN))
    talk.wait(19.0)
    assert len(talk.requests()) == 2
    assert talk.session.settled


# ---------------------------------------------------------------- refusing


def test_a_named_refusal_stops_only_its_topic() -> None:
    """The others of the request go on; the refusal is told once."""
    talk = Talk("a", "b")
    talk.hear("reject-topic a", "ack 1")
    assert talk.told == [SeriesRefused(series_of("a"), "no")]
    assert talk.session.settled
    assert talk.confirmed() == ["b"]


def test_an_unnamed_refusal_is_halved_until_the_culprit_is_alone() -> None:
    """One bad topic among seven is found; the six others live."""
    talk = Talk(*SEVEN)
    answered = 0
    while not talk.session.settled:
        for request in talk.requests()[answered:]:
            answered += 1
            _, number, topics = request.split(" ")
            talk.hear(f"reject {number}" if "e" in topics.split(",") else f"ack {number}")
        talk.wait(1.0)
    assert talk.told == [SeriesRefused(series_of("e"), "no")]
    assert talk.confirmed() == list("abcdfg")
    assert len(talk.requests()) <= 7


def test_a_refusal_without_a_number_is_for_the_only_request_on_its_way() -> None:
    """With one request out there is no doubt."""
    talk = Talk("a")
    talk.hear("reject")
    assert talk.told == [SeriesRefused(series_of("a"), "no")]


def test_a_refusal_that_could_be_for_either_request_is_only_told() -> None:
    """With two requests out nothing is guessed."""
    talk = Talk(*SEVEN, "h")
    talk.wait(1.0)
    talk.hear("reject")
    assert talk.told == [NoticeReceived("no")]
    assert not talk.session.settled


def test_a_refused_topic_is_asked_for_again_after_an_hour() -> None:
    """Not before, and then by itself; the live ones are left alone."""
    talk = Talk("a", "b", heartbeat=SELDOM)
    talk.hear("reject-topic a", "ack 1", "forming b")
    talk.wait(HOUR_S - 1)
    assert len(talk.requests()) == 1
    talk.wait(1.0)
    assert talk.requests()[1].endswith(" a")
    talk.hear("ack-topic a")
    assert talk.confirmed() == ["a", "b"]


def test_a_refused_topic_that_is_not_answered_later_ends_nothing() -> None:
    """It is refused for another hour, and the others go on; a late answer still counts."""
    talk = Talk("a", "b", heartbeat=SELDOM)
    talk.hear("reject-topic a", "ack 1", "forming b")
    talk.wait(HOUR_S + 3 * LIMITS.confirm_s, hear="forming b", every_s=60.0)
    assert [request.split(" ")[2] for request in talk.requests()] == ["a,b", "a", "a"]
    assert talk.session.settled
    assert talk.confirmed() == ["b"]
    assert talk.told.count(SeriesRefused(series_of("a"), "no")) == 1
    talk.wait(HOUR_S + 3 * LIMITS.confirm_s, hear="forming b", every_s=60.0)
    assert len(talk.requests()) == 5
    talk.hear("ack-topic a")
    assert talk.confirmed() == ["a", "b"]


def test_a_topic_that_was_refused_and_came_alive_is_missed_like_any_other() -> None:
    """Unanswered twice when it is asked for anew, it ends the connection."""
    talk = Talk("a", "b", heartbeat=SELDOM)
    talk.hear("reject-topic a", "ack 1", "forming b")
    talk.wait(HOUR_S)
    talk.hear("ack-topic a")
    assert talk.resubscribe("a")
    with pytest.raises(SubscriptionTimedOut):
        talk.wait(3 * LIMITS.confirm_s)


def test_a_refusal_about_pace_refuses_nobody_and_asks_again_after_half_a_minute() -> None:
    """It is a notice, and the same topics go out again."""
    talk = Talk("a", "b")
    talk.hear("busy 1")
    assert talk.told == [NoticeReceived("slower")]
    assert talk.confirmed() == []
    talk.wait(31.0, hear="pong", every_s=10.0)
    assert len(talk.requests()) == 2
    assert sorted(talk.requests()[1].split(" ")[2].split(",")) == ["a", "b"]


def test_a_refused_topic_that_sends_candles_all_the_same_is_live() -> None:
    """Evidence beats words."""
    talk = Talk("a", "b")
    talk.hear("reject-topic a", "ack 1", "closed a 0")
    assert talk.confirmed() == ["a", "b"]


# ---------------------------------------------------------------- asking


def test_requests_stay_within_the_count_and_the_pace() -> None:
    """Seven topics at most in a request, half a second at least between two."""
    topics = [f"t{number}" for number in range(20)]
    talk = Talk(*topics)
    talk.wait(5.0)
    asked = [request.split(" ")[2].split(",") for request in talk.requests()]
    assert [len(part) for part in asked] == [7, 7, 6]
    assert [topic for part in asked for topic in part] == topics
    instants = [at for at, _ in talk.sent]
    assert all(b - a >= LIMITS.request_spacing_s for a, b in pairwise(instants))


def test_requests_stay_within_the_size() -> None:
    """A request that would be too long in bytes is cut; a single topic that is too long goes alone."""
    topics = ["é" * 20, "b", "c" * 300, "d"]
    talk = Talk(*topics, limits=replace(LIMITS, request_bytes=80))
    talk.wait(5.0)
    asked = [request.split(" ")[2].split(",") for request in talk.requests()]
    assert asked == [["é" * 20, "b"], ["c" * 300], ["d"]]


# ---------------------------------------------------------------- staying alive


def test_a_heartbeat_that_is_always_sent_ignores_traffic() -> None:
    """Every 20 s, however much arrives."""
    talk = Talk("a")
    talk.hear("ack 1")
    talk.wait(65.0, hear="forming a")
    assert [at for at, message in talk.sent if str(message).startswith("ping")] == [20.0, 40.0, 60.0]


def test_a_heartbeat_for_idle_times_waits_for_silence() -> None:
    """Traffic postpones it; silence brings it, as a control frame where the exchange has no text for it."""
    talk = Talk("a", heartbeat=Heartbeat(every_s=15.0, when_idle=True, idle_limit_s=60.0))
    talk.hear("ack 1")
    talk.wait(100.0, hear="forming a", every_s=5.0)
    assert len(talk.sent) == 1
    talk.wait(40.0)
    assert talk.sent[1:] == [(110.0, Ping.CONTROL), (125.0, Ping.CONTROL), (140.0, Ping.CONTROL)]


def test_silence_is_probed_once_and_then_ends_the_connection() -> None:
    """After the idle limit one probe, after its time the end."""
    talk = Talk("a")
    talk.hear("ack 1")
    with pytest.raises(ConnectionIdle):
        talk.wait(100.0)
    assert talk.now_at == HEARTBEAT.idle_limit_s + HEARTBEAT.probe_s
    assert [at for at, message in talk.sent if str(message).startswith("ping")] == [20.0, 30.0]


@pytest.mark.parametrize("life", ["frame", "control"])
def test_anything_at_all_is_a_sign_of_life(life: str) -> None:
    """A frame that nobody understands and a control frame both answer the probe."""
    talk = Talk("a")
    talk.hear("ack 1")
    talk.wait(35.0)
    if life == "frame":
        talk.session.frame_received(b"gibberish", talk.now_at, None)
    else:
        talk.session.control_received(talk.now_at)
    talk.wait(29.0)
    with pytest.raises(ConnectionIdle):
        talk.wait(60.0)
    assert talk.now_at == 35.0 + HEARTBEAT.idle_limit_s + HEARTBEAT.probe_s


def test_an_announced_end_is_told_and_ends_nothing() -> None:
    """The announcement goes out as a notice; whoever keeps the connection decides."""
    talk = Talk("a")
    talk.hear("ack 1", "leaving upgrade", "closed a 0")
    assert talk.told == [NoticeReceived("upgrade", reconnect=True), CandleClosed(candle_of("a"))]


@pytest.mark.parametrize("start_at", [0.1, 1e5 + 0.1, 123_456.789, 1e7 / 3])
@pytest.mark.parametrize("idle_limit_s", [0.7, 30.1, 1 / 3])
def test_the_session_rests_between_its_moments_at_awkward_instants(start_at: float, idle_limit_s: float) -> None:
    """Instants that doubles cannot add exactly make no moment that comes back for ever."""
    beat = Heartbeat(every_s=0.3, when_idle=True, idle_limit_s=idle_limit_s, probe_s=0.1)
    session = FeedSession(make_stream(heartbeat=beat), subscriptions("a"), start_at)

    def live(now_at: float) -> None:
        while True:
            session.wake(now_at)
            session.to_send(now_at)
            assert session.due_at() > now_at
            now_at = session.due_at()

    with pytest.raises(FeedError):
        live(start_at)


# ---------------------------------------------------------------- candles and frames


def test_a_closed_candle_is_told() -> None:
    """With the exchange's time known or not."""
    talk = Talk("a")
    talk.hear("ack 1", "closed a 0")
    talk.hear("closed a 1", now_ms=START_MS + 60_000)
    assert talk.told == [CandleClosed(candle_of("a", 0)), CandleClosed(candle_of("a", 1))]


@pytest.mark.parametrize(("early_ms", "refused"), [(-1, False), (2_000, False), (2_001, True), (10**9, True)])
def test_a_candle_from_the_future_is_refused(early_ms: int, refused: bool) -> None:
    """One that opens more than two seconds after the exchange's now cannot be closed."""
    talk = Talk("a")
    talk.hear("closed a 0", now_ms=START_MS - early_ms)
    expected = CandleRefused(series_of("a"), START_MS, "future") if refused else CandleClosed(candle_of("a", 0))
    assert talk.told == [expected]


@pytest.mark.parametrize(
    ("frame", "kind"), [(b"gibberish", "not_json"), (b"other", "other"), (b"x" * (4 * 2**20 + 1), "oversized")]
)
def test_a_frame_that_says_nothing_is_counted_by_kind(frame: bytes, kind: str) -> None:
    """It never ends the conversation."""
    talk = Talk("a")
    assert list(talk.session.frame_received(frame, 0.0, None)) == [FrameIgnored(kind)]


def test_an_impossible_candle_passes_with_its_reason() -> None:
    """It is told for counting and proves nothing."""
    talk = Talk("a")
    talk.hear("ack 1", "impossible a")
    assert talk.told == [CandleRefused(series_of("a"), 0, "price_order")]
    assert not talk.session.healthy(0.0)


# ---------------------------------------------------------------- health


def test_health_is_every_topic_settled_and_a_candle_seen() -> None:
    """A confirmation alone is not enough, a candle of one of two topics neither."""
    talk = Talk("a", "b")
    talk.hear("forming a")
    assert not talk.session.healthy(1.0)
    talk.hear("ack-topic b")
    assert talk.session.healthy(1.0)


def test_a_minute_of_life_is_health_too() -> None:
    """Thin series may have no candle frame for a while."""
    talk = Talk("a", heartbeat=SELDOM)
    talk.hear("ack 1")
    assert not talk.session.healthy(59.9)
    assert talk.session.due_at() == 60.0
    talk.wait(60.0)
    assert talk.session.healthy(talk.now_at)


@pytest.mark.parametrize("frames", [["ack 1", "forming a"], ["forming a"]])
def test_news_of_health_rings_the_bell(frames: Sequence[str]) -> None:
    """The pump is told at once when a candle settles the conversation or proves it healthy."""
    session = FeedSession(make_stream(), subscriptions("a"), 0.0)
    session.to_send(0.0)
    for frame in frames:
        session.changed = False
        session.frame_received(frame.encode(), 0.0, None)
    assert session.changed
    session.changed = False
    session.frame_received(b"forming a", 1.0, None)
    assert not session.changed


# ---------------------------------------------------------------- evidence


def test_what_a_series_brought_is_remembered() -> None:
    """Since when it is confirmed, when any frame of it came, and which is its newest closed candle."""
    talk = Talk("a", "b")
    a, b = series_of("a"), series_of("b")
    assert (talk.session.confirmed_at(a), talk.session.heard_at(a), talk.session.closed_ms(a)) == (None, None, None)
    talk.wait(1.0)
    talk.hear("ack 1")
    talk.wait(1.0)
    talk.hear("closed a 3", "closed a 2")
    talk.wait(1.0)
    talk.hear("forming a")
    assert (talk.session.confirmed_at(a), talk.session.heard_at(a)) == (1.0, 3.0)
    assert talk.session.closed_ms(a) == START_MS + 3 * 60_000
    assert (talk.session.confirmed_at(b), talk.session.heard_at(b), talk.session.closed_ms(b)) == (1.0, None, None)


def test_a_refused_candle_is_heard_but_closes_nothing() -> None:
    """An impossible candle and one from the future are frames of their series, no more."""
    talk = Talk("a", "b")
    talk.wait(1.0)
    talk.hear("impossible a", "closed b 0", now_ms=START_MS - 10**6)
    assert [talk.session.heard_at(series_of(topic)) for topic in "ab"] == [1.0, 1.0]
    assert [talk.session.closed_ms(series_of(topic)) for topic in "ab"] == [None, None]
