"""``streamer sql``: one read-only statement, answered as a table or JSON."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import click

from streamer.app.database import database_of
from streamer.app.listing import quiet_recorder
from streamer.cli.options import MOST_ROWS, read_settings, settings_options
from streamer.cli.output import distinct, show_json, show_table
from streamer.settings.model import Settings
from streamer.timing.clock import SystemClock

_COMMENTED = re.compile(r"--(\s|.*\n)")


class _CommentedCommand(click.Command):
    """Takes an argument that begins with a comment for the statement that it is, and not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are left over: none."""
        if "--" not in args:
            commented = [one for one in args if _COMMENTED.match(one)]
            args = [*(one for one in args if one not in commented), "--", *commented] if commented else args
        return super().parse_args(ctx, args)


@click.command(cls=_CommentedCommand)
@settings_options
@click.argument("statement")
@click.option("--rows", type=click.IntRange(1, MOST_ROWS), default=1_000, show_default=True, help="Most rows to show.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of objects.")
def sql(config: Path | None, statement: str, rows: int, *, as_json: bool, **flags: object) -> None:
    """Run one read-only STATEMENT and show its answer; `-` reads it from standard input."""
    settings = read_settings(config, **flags)
    text = sys.stdin.buffer.read().decode(errors="surrogateescape") if statement == "-" else statement
    columns, found = asyncio.run(_ask(settings, text, rows))
    if as_json:
        names = distinct(columns)
        show_json([dict(zip(names, row, strict=True)) for row in found])
        return
    show_table(columns, found)
    if len(found) == rows:
        click.echo(f"(the first {rows} rows; --rows shows more)", err=True)


async def _ask(settings: Settings, text: str, rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    async with database_of(settings, SystemClock(), quiet_recorder()) as database:
        await database.open_beside(create=False)
        return await database.read_only(text, rows)
