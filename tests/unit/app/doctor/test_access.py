"""Who owns what, and who may do what."""

from streamer.app.doctor.access import judge_owner, judge_reader, judge_user
from streamer.app.doctor.finding import Verdict
from streamer.store.vitals import Schema, Unread
from tests.fakes.vitals import relation, rights, schema


def test_everything_belongs_to_the_owner() -> None:
    """A restore without owners leaves tables to whoever restored; what is not ours is nobody's concern."""
    assert judge_owner(schema(), rights()).verdict is Verdict.OK
    assert judge_owner(schema(), rights(relation("klines"), relation("mine", "somebody"))).verdict is Verdict.OK
    found = judge_owner(schema(), rights(relation("klines", "postgres"), relation("gaps")))
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("klines do not")


def test_a_server_on_which_roles_may_not_be_made_is_well() -> None:
    """All belongs to its one user then."""
    assert judge_owner(schema(owner="me"), rights(relation("klines", "me"))).verdict is Verdict.OK


def test_a_superuser_is_a_warning_and_a_superuser_called_streamer_a_failure() -> None:
    """Save in the private PostgreSQL, where there is nobody else."""
    root = rights(name="postgres", is_superuser=True)
    assert judge_user(rights(), embedded=False).verdict is Verdict.OK
    assert judge_user(root, embedded=False).verdict is Verdict.WARN
    assert judge_user(root, embedded=True).verdict is Verdict.OK
    assert judge_user(rights(service_is_superuser=True), embedded=True).verdict is Verdict.FAIL


def test_the_reader_reads_all_and_changes_none() -> None:
    """Too much is a failure, too little a warning."""
    ill = {
        "writes": rights(relation("klines", writable=True)),
        "creates": rights(reader_may_create=True),
        "owns": rights(reader_is_owner=True),
    }
    assert {judge_reader(schema(), one).verdict for one in ill.values()} == {Verdict.FAIL}
    assert judge_reader(schema(), rights(relation("klines", readable=False))).verdict is Verdict.WARN
    assert judge_reader(schema(), rights()).verdict is Verdict.OK


def test_a_foreign_table_that_the_reader_may_not_read_is_none_of_ours() -> None:
    """Whoever puts tables beside ours keeps them to himself."""
    both = rights(relation("klines"), relation("mine", "somebody", readable=False))
    assert judge_reader(schema(), both).verdict is Verdict.OK


def test_without_schema_or_role_nothing_is_judged() -> None:
    """Nothing was made yet, or may not be seen."""
    empty = Schema(None, None, ())
    assert judge_owner(empty, rights()).verdict is Verdict.SKIPPED
    assert judge_reader(empty, rights()).verdict is Verdict.SKIPPED
    assert judge_user(Unread("hidden"), embedded=False).verdict is Verdict.SKIPPED
    absent = rights(relation("klines", readable=None, writable=None))
    assert judge_reader(schema(), absent).verdict is Verdict.SKIPPED
