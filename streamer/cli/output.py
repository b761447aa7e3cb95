"""How verbs show rows: a table for people, JSON for scripts."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_WHEN_PIPED = 1_000


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; when nobody watches, wide enough that nothing is folded. No text is taken for markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_WHEN_PIPED, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column), no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def show_json(document: object) -> None:
    """Print one JSON document; times are ISO 8601 in UTC."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str))


def distinct(columns: Sequence[str]) -> list[str]:
    """The names, each once: a second ``name`` becomes ``name_2``, so that no column of an object hides another."""
    taken = set(columns)
    seen: set[str] = set()
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{column}_{number}"
        seen.add(name)
        names.append(name)
    return names


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S%z}".replace("+0000", "Z")
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)
