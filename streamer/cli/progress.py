"""How far long work is: a bar on a terminal, plain lines otherwise; always on standard error, which no script reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINES = 10  # of one piece of work, at most


class Tell(Protocol):
    """Says that ``done`` of ``total`` is done."""

    def __call__(self, done: int, total: int) -> None:
        """Show it."""
        ...


@contextmanager
def showing(what: str) -> Iterator[Tell]:
    """A way to tell how far the work ``what`` is, for the length of the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


class _Lines:
    """Says each tenth once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = 0

    def __call__(self, done: int, total: int) -> None:
        tenth = done * _LINES // total if total else _LINES
        if tenth > self._said:
            self._said = tenth
            click.echo(f"{self._what}: {done:,} of {total:,}", err=True)
