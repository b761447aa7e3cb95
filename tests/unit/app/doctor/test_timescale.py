"""Which kind of database, and its policies."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.app.doctor.finding import Finding, Verdict
from streamer.app.doctor.timescale import judge_chunks, judge_kind, judge_policies, judge_restoring
from streamer.store.vitals import Extension, Policy, Schema, Unread
from tests.fakes.vitals import BUILDING, DAY, EXTENSION, HOUR, MINUTE, SERVER, STORAGE, policies, policy, schema, server

REFRESH = "policy_refresh_continuous_aggregate"
NOTHING = Extension(None, None, None)


@pytest.mark.parametrize(
    ("extension", "kind", "verdict"),
    [
        (EXTENSION, "timescaledb", Verdict.OK),
        (NOTHING, "timescaledb", Verdict.FAIL),
        (replace(EXTENSION, licence=None), "timescaledb", Verdict.FAIL),
        (replace(EXTENSION, licence="apache"), "timescaledb", Verdict.FAIL),
        (replace(EXTENSION, available="2.30.0"), "timescaledb", Verdict.WARN),
        (NOTHING, "postgresql", Verdict.OK),
        (replace(EXTENSION, licence="apache"), "postgresql", Verdict.OK),
        (replace(EXTENSION, installed=None), "postgresql", Verdict.WARN),
        (replace(EXTENSION, installed=None, licence=None), "postgresql", Verdict.OK),
    ],
)
def test_the_kind_of_database(extension: Extension, kind: str, verdict: Verdict) -> None:
    """What the schema was made for must be there; a plain table where TimescaleDB could be had is worth a word."""
    assert judge_kind(extension, schema(kind)).verdict is verdict


def test_the_kind_is_not_known_before_the_first_migration() -> None:
    """Nor where it may not be read."""
    assert judge_kind(EXTENSION, Schema(None, None, ())).verdict is Verdict.SKIPPED
    assert judge_kind(Unread("hidden"), schema()).verdict is Verdict.SKIPPED


def test_a_restore_that_was_not_finished_stops_every_job() -> None:
    """TimescaleDB says so by a setting of the database."""
    assert judge_restoring(SERVER).verdict is Verdict.OK
    assert judge_restoring(server(timescaledb__restoring="on")).verdict is Verdict.FAIL


def test_many_chunks_are_worth_a_word() -> None:
    """Five years in chunks of a week are few, in chunks of a day many."""
    assert judge_chunks(replace(STORAGE, chunks=262)).verdict is Verdict.OK
    assert judge_chunks(replace(STORAGE, chunks=1_827)).verdict is Verdict.WARN
    assert judge_chunks(Unread("hidden")).verdict is Verdict.SKIPPED


def test_policies_that_run_are_well() -> None:
    """One line for each, and nothing else."""
    assert _verdicts(judge_policies(policies(), BUILDING)) == {
        "compressing klines": Verdict.OK,
        "refreshing klines_1h_by_base": Verdict.OK,
        "refreshing klines_1d_by_base": Verdict.OK,
    }


@pytest.mark.parametrize(
    ("ill", "verdict"),
    [
        ({"scheduled": False}, Verdict.FAIL),
        ({"failed": True}, Verdict.FAIL),
        ({"since": None}, Verdict.WARN),
        ({"since": 3 * HOUR + MINUTE}, Verdict.WARN),
        ({"since": 3 * HOUR}, Verdict.OK),
        ({"since": 59 * MINUTE, "every": MINUTE}, Verdict.OK),
    ],
)
def test_a_policy_that_does_not_run(ill: dict[str, Any], verdict: Verdict) -> None:
    """Switched off or failed is a failure; late by three runs, and by an hour, is a warning."""
    [found] = [
        one
        for one in judge_policies(policies(policy("policy_retention", **ill)), BUILDING)
        if one.check == "dropping old chunks of klines"
    ]
    assert found.verdict is verdict
    assert bool(found.cure) is (verdict is not Verdict.OK)


def test_policies_that_are_missing_are_missed() -> None:
    """Without a refresh the views rot; without compression only the disk fills."""
    all_of = policies()
    left = replace(all_of, jobs=tuple(one for one in all_of.jobs if _serves(one, "klines_1d_by_base")))
    found = _verdicts(judge_policies(left, BUILDING))
    assert found["refreshing klines_1h_by_base"] is Verdict.FAIL
    assert found["compressing klines"] is Verdict.WARN
    assert found["refreshing klines_1d_by_base"] is Verdict.OK
    assert {one.cure for one in judge_policies(left, BUILDING) if one.cure} == {"streamer migrate"}


def test_a_retention_without_its_policy_is_a_word() -> None:
    """Nothing is lost by it, and nothing dropped; where candles are kept for ever there is to be none."""
    found = judge_policies(replace(policies(), retention=30 * DAY), BUILDING)
    [ill] = [one for one in found if one.check == "dropping old chunks of klines"]
    assert (ill.verdict, ill.cure) == (Verdict.WARN, "streamer migrate")
    assert "30 days" in ill.sentence
    kept = judge_policies(replace(policies(policy("policy_retention")), retention=30 * DAY), BUILDING)
    assert {one.verdict for one in kept} == {Verdict.OK}


def test_an_aggregate_of_the_users_is_their_own_matter() -> None:
    """Whether it is refreshed they decide."""
    theirs = replace(policies(), aggregates=(*policies().aggregates, ("mine", "_materialized_9")))
    assert {one.verdict for one in judge_policies(theirs, BUILDING)} == {Verdict.OK}


def test_an_aggregate_that_is_not_filled_is_to_have_no_policy() -> None:
    """To add one by hand would hide what is not filled; the others are missed as ever."""
    all_of = policies()
    left = replace(all_of, jobs=tuple(one for one in all_of.jobs if one.relation == "klines"))
    found = _verdicts(judge_policies(left, replace(BUILDING, unfinished=("1h",))))
    assert found == {"compressing klines": Verdict.OK, "refreshing klines_1d_by_base": Verdict.FAIL}


def test_a_policy_may_name_the_aggregate_by_its_hypertable() -> None:
    """Versions differ in that."""
    all_of = policies()
    renamed = tuple(
        replace(one, relation="_materialized_2") if _serves(one, "klines_1h_by_base") else one for one in all_of.jobs
    )
    assert {one.verdict for one in judge_policies(replace(all_of, jobs=renamed), BUILDING)} == {Verdict.OK}


def test_policies_that_cannot_be_read_are_not_judged() -> None:
    """The reason is told."""
    assert judge_policies(Unread("not for you"), BUILDING) == [Finding("policies", Verdict.SKIPPED, "not for you")]


def test_long_ago_is_said_in_days() -> None:
    """People count in the unit that fits."""
    [*_, found] = judge_policies(policies(policy("policy_retention", every=DAY, since=9 * DAY)), BUILDING)
    assert "9 days ago" in found.sentence


def _serves(one: Policy, relation: str) -> bool:
    return one.relation == relation


def _verdicts(found: Sequence[Finding]) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in found}
