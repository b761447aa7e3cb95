"""``streamer query``: stored candles as a table, CSV, JSON lines, Parquet or Arrow, however many there are."""

import asyncio
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from streamer.app.querying import COLUMNS, DEFAULT_COLUMNS, QueryRequest, querying
from streamer.cli.formats import Format, chosen_format, destination, sheet_of
from streamer.cli.options import read_settings, settings_options
from streamer.cli.ranges import range_options, read_range
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval
from streamer.domain.rollup import Length, Rollup
from streamer.settings.model import ADAPTERS, Settings

_TABLE_ROWS = 1_000
_MOST = 1_000_000_000_000  # candles: more than there are, fewer than the database counts to
_FILLED = "filled"
_LENGTHS: Mapping[str, Length] = {one.value: one for one in (*Interval, Rollup.W1)}  # the other rollups are intervals


@click.command()
@settings_options
@range_options
@click.argument("symbols", nargs=-1)
@click.option("--symbols", "more", multiple=True, help="Names or patterns, separated by commas; repeatable.")
@click.option("--exchange", type=click.Choice(sorted(ADAPTERS)), multiple=True, help="Only this exchange; repeatable.")
@click.option("--interval", type=click.Choice(list(_LENGTHS)), default="1m", show_default=True)
@click.option(
    "--latest", type=click.IntRange(1, _MOST), help="The newest so many of each series, before --until if given."
)
@click.option("--columns", help=f"Which, separated by commas; of {', '.join(COLUMNS)}.")
@click.option("--fill", is_flag=True, help="Flat candles where an exchange is known to have none; marked in `filled`.")
@click.option("--limit", type=click.IntRange(1, _MOST), help="Most rows [default: 1000 for a table, else all].")
@click.option(
    "--format", "named", type=click.Choice([one.value for one in Format]), help="[default: table, or the file's]"
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="A file, written whole or not at all.")
def query(
    config: Path | None,
    symbols: tuple[str, ...],
    more: tuple[str, ...],
    exchange: tuple[str, ...],
    interval: str,
    *,
    since: str | None,
    until: str | None,
    timerange: str | None,
    latest: int | None,
    columns: str | None,
    fill: bool,
    limit: int | None,
    named: str | None,
    output: Path | None,
    **flags: object,
) -> None:
    """Show or export stored candles: of SYMBOLS, names or patterns, or of every series that is followed.

    Of series without candles of the interval those built from shorter ones are shown, where storage.rollups names them.
    Rows come by exchange, symbol and open time. No exchange is asked.
    """
    span = read_range(since, until, timerange)
    if latest is not None and span.since is not None:
        raise ConfigurationError("give --latest, or the beginning of a time range, not both")
    output = None if output == Path("-") else output
    wanted = chosen_format(named, output)
    names = _names(columns, fill=fill)
    request = QueryRequest(
        symbols=_listed((*symbols, *more)),
        exchanges=exchange,
        interval=_LENGTHS[interval],
        since=span.since,
        until=span.until,
        latest=latest,
        limit=_TABLE_ROWS if limit is None and wanted is Format.TABLE else limit,
        columns=frozenset(names),
        fill=fill,
    )
    rows = asyncio.run(_write(read_settings(config, **flags), request, wanted, names, output))
    if wanted is Format.TABLE and rows == request.limit:
        click.echo(f"(the first {rows:,} rows; --limit shows more)", err=True)
    elif wanted is Format.TABLE and not rows:
        click.echo("no candles in this range", err=True)
    elif output is not None:
        click.echo(f"{rows:,} candles written to {output}", err=True)


async def _write(
    settings: Settings, request: QueryRequest, wanted: Format, names: Sequence[str], output: Path | None
) -> int:
    """Write what is asked for; how many rows it was."""
    rows = 0
    async with querying(settings, request) as found:
        with destination(output) as file:
            sheet = sheet_of(wanted, file, names, output)
            async for page in found.pages:
                sheet.write(page)
                rows += len(page)
            sheet.close()
    return rows


def _names(columns: str | None, *, fill: bool) -> list[str]:
    names = list(DEFAULT_COLUMNS) if columns is None else list(_listed([columns]))
    for name in names:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(COLUMNS)}"
            raise ConfigurationError(f"there is no column {name!r}; {hint}")
        if names.count(name) > 1:
            raise ConfigurationError(f"the column {name} is asked for twice")
    if not names:
        raise ConfigurationError(f"--columns names none; there are {', '.join(COLUMNS)}")
    if _FILLED in names and not fill:
        raise ConfigurationError("the column filled goes with --fill")
    return [*names, *([_FILLED] if fill and _FILLED not in names else [])]


def _listed(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for one in given for part in one.split(",") if part.strip())
