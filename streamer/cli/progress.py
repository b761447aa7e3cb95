"""How far long work is: a bar on a terminal, plain lines otherwise; always on standard error, which no script reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from streamer.app.filling import Screen
from streamer.history.backfill import Headway
from streamer.history.dividing import Division
from streamer.history.plan import Plan

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


@contextmanager
def following() -> Iterator[Screen]:
    """A way to show how far a backfill is, exchange by exchange, for the length of the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _ScreenLines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("weight {task.fields[weight]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _ScreenBars(bars)


class _ScreenBars:
    """A bar for each exchange: candles, how many a second, weight used, time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._weights: dict[str, int] = {}

    def planned(self, exchange: str, plan: Plan, division: Division, _seconds: float) -> None:
        """Begin a bar."""
        self._weights[exchange] = plan.weight
        weight = f"0/{plan.weight:,}"
        total = plan.candles + division.candles
        self._tasks[exchange] = self._bars.add_task(exchange, total=total, rate="", weight=weight)

    def moved(self, exchange: str, headway: Headway) -> None:
        """Move it."""
        task = self._tasks[exchange]
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        self._bars.update(
            task,
            completed=headway.candles_done,
            rate="" if speed is None else f"{speed:,.0f}/s",
            weight=f"{headway.weight:,}/{self._weights[exchange]:,}",
        )


class _ScreenLines:
    """A line for the plan of each exchange, and one for each tenth of it."""

    def __init__(self) -> None:
        self._lines: dict[str, _Lines] = {}

    def planned(self, exchange: str, plan: Plan, division: Division, seconds: float) -> None:
        """Say what is to come."""
        series = len(division.spans.keys() | {want.chosen for want in plan.wants})
        files = f" {division.files:,} files, and" if division.files else ""
        click.echo(
            f"{exchange}: {plan.candles + division.candles:,} candles of {series:,} series are missing:{files}"
            f" {plan.requests:,} requests of weight {plan.weight:,}, about {seconds / 60:.1f} minutes",
            err=True,
        )
        self._lines[exchange] = _Lines(f"{exchange}: candles brought")

    def moved(self, exchange: str, headway: Headway) -> None:
        """Say each tenth once."""
        self._lines[exchange](headway.candles_done, headway.candles_total)
