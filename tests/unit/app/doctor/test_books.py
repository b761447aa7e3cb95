"""Migrations, series, windows and gaps."""

from dataclasses import replace
from datetime import timedelta

import pytest

from streamer.app.doctor.books import judge_gaps, judge_migrations, judge_rollups, judge_series
from streamer.app.doctor.finding import Verdict
from streamer.store.statements import migrations
from streamer.store.vitals import Schema, Unread
from tests.fakes.vitals import BOOKS, BUILDING, DAY, MINUTE, STORAGE, schema

KNOWN = migrations("timescaledb")


def test_the_schema_of_this_program_is_well() -> None:
    """Every migration is applied, as this program has it."""
    assert judge_migrations(schema(), KNOWN, applied_by_run=False).verdict is Verdict.OK


def test_no_schema_yet_is_a_failure() -> None:
    """The cure is the verb."""
    found = judge_migrations(Schema(None, None, ()), KNOWN, applied_by_run=True)
    assert (found.verdict, found.cure) == (Verdict.FAIL, "streamer migrate")


def test_pending_migrations_fail_where_nobody_applies_them() -> None:
    """With the setting `migrate` the next start does."""
    older = replace(schema(), applied=schema().applied[:-2])
    assert judge_migrations(older, KNOWN, applied_by_run=True).verdict is Verdict.WARN
    found = judge_migrations(older, KNOWN, applied_by_run=False)
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("2 of")


def test_a_database_of_another_program_is_a_failure() -> None:
    """Newer than this one, or with a migration that says something else."""
    newer = replace(schema(), applied=(*schema().applied, (9_999, "later", "x")))
    assert "9999_later" in judge_migrations(newer, KNOWN, applied_by_run=True).sentence
    (number, name, _), *rest = schema().applied
    changed = replace(schema(), applied=((number, name, "other"), *rest))
    assert judge_migrations(changed, KNOWN, applied_by_run=True).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("kind", "chunk", "series", "verdict"),
    [
        ("postgresql", None, 500, Verdict.OK),
        ("postgresql", None, 501, Verdict.WARN),
        ("timescaledb", 7 * DAY, 1_000, Verdict.OK),
        ("timescaledb", 7 * DAY, 1_001, Verdict.WARN),
        ("timescaledb", DAY, 100_000, Verdict.OK),
    ],
)
def test_how_many_series_suit(kind: str, chunk: timedelta | None, series: int, verdict: Verdict) -> None:
    """A plain table takes some hundred, chunks of a week a thousand; intervals are added up."""
    books = replace(BOOKS, followed={"1m": series - 1, "1h": 1})
    found = judge_series(schema(kind), replace(STORAGE, chunk_interval=chunk), books)
    assert found.verdict is verdict
    if verdict is Verdict.WARN and chunk is not None:
        assert found.cure.startswith("storage.chunk_interval: 1d")  # what is set by hand, a migration puts back


@pytest.mark.parametrize(
    ("waiting", "oldest", "verdict"),
    [
        (0, None, Verdict.OK),
        (5, 29 * MINUTE, Verdict.OK),
        (5, 31 * MINUTE, Verdict.WARN),
        (5, DAY + MINUTE, Verdict.FAIL),
    ],
)
def test_windows_wait_for_minutes(waiting: int, oldest: timedelta | None, verdict: Verdict) -> None:
    """Beside a backfill refreshes rest for ten; half an hour is a warning, a day means that bars are wrong."""
    assert judge_rollups(replace(BUILDING, waiting=waiting, oldest=oldest)).verdict is verdict


def test_a_rollup_that_is_not_filled_is_the_migrations_matter() -> None:
    """Whatever waits: no service fills it or drops it."""
    found = judge_rollups(replace(BUILDING, waiting=5, oldest=2 * DAY, unfinished=("4h", "1w")))
    assert (found.verdict, found.sentence) == (Verdict.FAIL, "a change was not finished: klines_4h, klines_1w")
    assert found.cure.startswith("streamer migrate")


def test_open_gaps_are_told_by_cause() -> None:
    """They are a warning: what is missing is known."""
    found = judge_gaps(replace(BOOKS, open_gaps={"start": 3, "late": 1_200}))
    assert (found.verdict, found.sentence) == (Verdict.WARN, "1,203 are open (1,200 late, 3 start)")
    assert judge_gaps(BOOKS).verdict is Verdict.OK


def test_what_cannot_be_read_is_not_judged() -> None:
    """The reason is told in each line."""
    hidden = Unread("no schema")
    found = [
        judge_migrations(hidden, KNOWN, applied_by_run=True),
        judge_series(schema(), STORAGE, hidden),
        judge_rollups(hidden),
        judge_gaps(hidden),
    ]
    assert {(one.verdict, one.sentence) for one in found} == {(Verdict.SKIPPED, "no schema")}
