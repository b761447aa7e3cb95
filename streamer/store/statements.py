"""Finds the SQL, which lives in files by name. Nothing here connects, and no SQL is ever put together from pieces.

A wheel carries the files at ``streamer/sql``; a checkout has them at ``sql`` beside the package.
"""

from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from re import compile as pattern
from typing import NamedTuple

from streamer.domain.errors import StoreError

_NAME = pattern(r"(\d{4})_([a-z][a-z0-9_]*)(\.nontransactional)?\.sql")
COMMON = "migrations"


class Migration(NamedTuple):
    """One step of the schema. ``number`` is unique per kind of database; ``folder`` says which kinds take it."""

    number: int
    name: str
    folder: str
    transactional: bool
    text: str

    @property
    def checksum(self) -> str:
        """What is recorded when it is applied; line ends do not count."""
        return sha256("\n".join(self.text.splitlines()).encode()).hexdigest()


def sql_folder() -> Traversable:
    """Where the statements are."""
    installed = files("streamer") / "sql"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "sql"


def query(name: str) -> str:
    """The text of ``sql/queries/<name>.sql``."""
    return (sql_folder() / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def migrations(kind: str) -> list[Migration]:
    """The migrations of one kind of database (``timescaledb`` or ``postgresql``), by number.

    Raises:
        StoreError: a file's name breaks the rule, or a number is there twice.
    """
    found = sorted((*_folder(COMMON), *_folder(kind)))
    numbers = [migration.number for migration in found]
    if len(set(numbers)) < len(numbers):
        raise StoreError(f"two migrations for {kind} have the same number: {numbers}")
    return found


def _folder(folder: str) -> Iterator[Migration]:
    for file in (sql_folder() / folder).iterdir():
        parts = _NAME.fullmatch(file.name)
        if parts is None:
            raise StoreError(f"{folder}/{file.name} is no migration: name it NNNN_words.sql")
        number, name, nontransactional = parts.groups()
        yield Migration(int(number), name, folder, nontransactional is None, file.read_text(encoding="utf-8"))
