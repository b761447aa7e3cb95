"""The server's own health."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streamer.app.doctor.finding import Finding, Verdict
from streamer.app.doctor.server import (
    judge_clock,
    judge_connections,
    judge_jit,
    judge_locks,
    judge_pooler,
    judge_vacuum,
    judge_version,
)
from streamer.store.vitals import Server, Storage, Unread
from tests.fakes.vitals import SERVER, STORAGE, server


@pytest.mark.parametrize(
    ("major", "verdict"),
    [(14, Verdict.FAIL), (15, Verdict.OK), (18, Verdict.OK), (19, Verdict.WARN)],
)
def test_versions(major: int, verdict: Verdict) -> None:
    """Those that are tested are well, older ones refused, newer ones untried."""
    assert judge_version(server(major=major)).verdict is verdict


def test_sessions() -> None:
    """A pooler in transaction mode fails; where no second connection was to be had nobody knows."""
    assert [judge_pooler(fact).verdict for fact in (False, True, Unread("no room"))] == [
        Verdict.OK,
        Verdict.FAIL,
        Verdict.SKIPPED,
    ]


def test_connections_leave_room_for_a_verb() -> None:
    """What is kept for superusers cannot be had."""
    assert judge_connections(server(connected=85)).verdict is Verdict.OK
    assert judge_connections(server(connected=86)).verdict is Verdict.WARN
    assert judge_connections(server(connected=85, reserved_connections="1")).verdict is Verdict.WARN
    assert judge_connections(server(max_connections=None)).verdict is Verdict.SKIPPED


def test_locks_are_for_half_of_the_room() -> None:
    """6,400 locks serve 3,200 chunks and indexes; the cure names a number that does."""
    assert judge_locks(SERVER, _chunks(3_200)).verdict is Verdict.OK
    found = judge_locks(SERVER, _chunks(10_000))
    assert found.verdict is Verdict.WARN
    assert "201 or more" in found.cure
    assert judge_locks(server(max_locks_per_transaction="201"), _chunks(10_000)).verdict is Verdict.OK


def _chunks(lockable: int) -> Storage:
    return replace(STORAGE, lockable=lockable)


def test_a_plain_table_needs_few_locks() -> None:
    """There are no chunks."""
    assert judge_locks(SERVER, replace(STORAGE, chunk_interval=None, lockable=0)).verdict is Verdict.OK
    assert judge_locks(SERVER, Unread("hidden")).verdict is Verdict.SKIPPED


def test_vacuum() -> None:
    """Off is a failure, and so is a wrap-around that comes near."""
    assert judge_vacuum(SERVER).verdict is Verdict.OK
    assert judge_vacuum(server(autovacuum="off")).verdict is Verdict.FAIL
    assert judge_vacuum(server(frozen_age=1_000_000_001)).verdict is Verdict.FAIL


def test_jit() -> None:
    """On is worth a word."""
    assert [judge_jit(one).verdict for one in (SERVER, server(jit="on"), server(jit=None))] == [
        Verdict.OK,
        Verdict.WARN,
        Verdict.SKIPPED,
    ]


@pytest.mark.parametrize(
    ("offset_s", "error_s", "verdict"),
    [(0.5, 0.1, Verdict.OK), (-3.0, 0.1, Verdict.WARN), (3.0, 2.0, Verdict.OK), (-3_600.0, 0.1, Verdict.FAIL)],
)
def test_the_clock_of_the_database(offset_s: float, error_s: float, verdict: Verdict) -> None:
    """What the round trip may explain is no fault of the clock."""
    found = judge_clock(server(offset_s=offset_s, error_s=error_s))
    assert found.verdict is verdict
    assert ("behind" in found.sentence) == (verdict is not Verdict.OK and offset_s < 0)


@pytest.mark.parametrize("judge", [judge_version, judge_connections, judge_vacuum, judge_jit, judge_clock])
def test_whoever_is_not_content_says_what_to_do(judge: Callable[[Server], Finding]) -> None:
    """No warning and no failure is without a cure, and nothing that is well has one."""
    ill = server(
        major=14, connected=99, autovacuum="off", jit="on", offset_s=100.0, max_connections="100", frozen_age=0
    )
    assert judge(ill).cure
    assert not judge(SERVER).cure
