"""The SQL files are named by the rule, all used, and none is missing."""

import re
from pathlib import Path

import pytest

from streamer.store.kinds import Kind
from streamer.store.statements import migrations, query, sql_folder
from tests.paths import ROOT

NAME = re.compile(r"\d{4}_[a-z][a-z0-9_]*(\.nontransactional)?\.sql")
FOLDERS = ("migrations", *Kind)


def test_the_statements_are_found_in_a_checkout() -> None:
    """The folder beside the package is the one that is read."""
    assert sql_folder() == ROOT / "sql"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_migration_is_named_by_the_rule(folder: str) -> None:
    """Four digits, words, and the mark of those that cannot run in a transaction."""
    names = [file.name for file in (ROOT / "sql" / folder).iterdir()]
    assert names
    assert [name for name in names if not NAME.fullmatch(name)] == []


@pytest.mark.parametrize("kind", Kind)
def test_migrations_come_in_order_of_number(kind: Kind) -> None:
    """Common ones and those of the kind share one line of numbers, beginning with the table."""
    numbers = [migration.number for migration in migrations(kind.value)]
    assert numbers == sorted(set(numbers))
    assert migrations(kind.value)[0].name == "klines"


@pytest.mark.parametrize("kind", Kind)
def test_a_nontransactional_migration_is_one_statement(kind: Kind) -> None:
    """Two in one go would be a transaction after all."""
    alone = [migration for migration in migrations(kind.value) if not migration.transactional]
    assert [migration.name for migration in alone if migration.text.count(";") != 1] == []
    assert bool(alone) == (kind is Kind.TIMESCALEDB)


def test_the_checksum_ignores_line_ends_alone() -> None:
    """A checkout on another system is the same migration; another text is not."""
    first = migrations(Kind.POSTGRESQL.value)[0]
    assert first._replace(text=first.text.replace("\n", "\r\n")).checksum == first.checksum
    assert first._replace(text=first.text + "-- more").checksum != first.checksum


def test_every_query_is_used_and_every_used_query_exists() -> None:
    """Names in the code and names of files are the same set."""
    code = "".join(path.read_text() for path in (ROOT / "streamer" / "store").glob("*.py"))
    used = {name for name in re.findall(r'"([a-z][a-z0-9_]+)"', code) if is_query(name)}
    asked = set(re.findall(r'query\("([a-z0-9_]+)"\)', code))
    files = {path.stem for path in (ROOT / "sql" / "queries").glob("*.sql")}
    assert used == files
    assert asked <= files


def is_query(name: str) -> bool:
    """Whether a file of this name is there."""
    return Path(ROOT / "sql" / "queries" / f"{name}.sql").is_file()


def test_every_query_says_what_it_is_for() -> None:
    """The first line is a comment, save where the one statement says it all."""
    for path in (ROOT / "sql" / "queries").glob("*.sql"):
        text = query(path.stem)
        assert text.startswith("--") or text.count("\n") == 1, path.name
