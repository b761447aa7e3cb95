"""``streamer verify``: are the stored candles those that the exchanges serve now?"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from streamer.app.verifying import VerifyReport, VerifyRequest
from streamer.app.verifying import verify as compare
from streamer.cli.backfill_report import unbuilt_sentence
from streamer.cli.options import read_settings, settings_options
from streamer.cli.output import show_json, show_table
from streamer.cli.progress import showing
from streamer.cli.ranges import range_options, read_range
from streamer.domain.interval import Interval
from streamer.history.comparing import Difference, Problem
from streamer.history.runs import Progress
from streamer.history.verify import Verified
from streamer.settings.model import ADAPTERS

_COLUMNS = ("series", "open time", "column", "stored", "exchange")
_MOST_ROWS = 1_000


@click.command()
@settings_options
@range_options
@click.argument("symbols", nargs=-1)
@click.option("--exchange", type=click.Choice(sorted(ADAPTERS)), multiple=True, help="Only this exchange; repeatable.")
@click.option(
    "--interval",
    type=click.Choice([one.value for one in Interval]),
    multiple=True,
    help="Only this length; repeatable.",
)
@click.option("--repair", is_flag=True, help="Store what the exchange serves; changes are kept as revisions.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def verify(
    config: Path | None,
    symbols: tuple[str, ...],
    exchange: tuple[str, ...],
    interval: tuple[str, ...],
    *,
    since: str | None,
    until: str | None,
    timerange: str | None,
    repair: bool,
    as_json: bool,
    **flags: object,
) -> int:
    """Compare stored candles with what the exchanges serve now: of the last 3 hours, unless times are given.

    SYMBOLS are names or patterns as in the settings; without any, what the settings follow. The exit code is 1 when
    something differs, or could not be compared.
    """
    span = read_range(since, until, timerange)
    request = VerifyRequest(
        symbols=symbols,
        exchanges=exchange,
        intervals=tuple(Interval(one) for one in interval),
        since=span.since,
        until=span.until,
        repair=repair,
    )
    settings = read_settings(config, **flags)
    far: dict[str, Progress] = {}
    with showing("candles compared") as tell:

        def told(name: str, progress: Progress) -> None:
            far[name] = progress
            tell(sum(one.candles_done for one in far.values()), sum(one.candles_total for one in far.values()))

        report = asyncio.run(compare(settings, request, told))
    if as_json:
        show_json(_document(report))
    else:
        _show(report, repaired=repair)
    return 0 if report.is_equal else 1


def _show(report: VerifyReport, *, repaired: bool) -> None:
    differences = [one for verified in report.verified for one in verified.differences]
    rows = [_row(first, count, repaired=repaired) for first, count in _joined(differences)]
    if rows:
        show_table((*_COLUMNS, "repaired") if repaired else _COLUMNS, rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            click.echo(f"(the first {_MOST_ROWS:,} of {len(rows):,} rows; --json has all)", err=True)
    for name, error in report.unreachable.items():
        click.echo(f"{name} could not be asked: {error}", err=True)
    for verified in report.verified:
        if verified.error is not None:
            click.echo(f"{verified.series} was not compared to the end: {verified.error}", err=True)
        if verified.unproven:
            click.echo(
                f"{verified.series}: {verified.unproven:,} stored candles were not served, nor any later one", err=True
            )
    if report.unbuilt is not None:
        click.echo(unbuilt_sentence(report.unbuilt), err=True)
    click.echo(_summary(report, differences, repaired=repaired))


def _summary(report: VerifyReport, differences: list[Difference], *, repaired: bool) -> str:
    compared = sum(one.compared for one in report.verified)
    filled = sum(one.filled for one in report.verified)
    candles = {(one.series, one.open_time) for one in differences}
    parts = [f"{len(candles):,} different"]
    if repaired and candles:
        left = {(one.series, one.open_time) for one in differences if not one.repaired}
        parts.append(f"{len(candles) - len(left):,} repaired")
    if filled:
        parts.append(f"{filled:,} {'completed' if repaired else 'without values that the exchange has'}")
    return f"{compared:,} candles of {len(report.verified):,} series compared: {', '.join(parts)}"


def _joined(differences: Sequence[Difference]) -> list[tuple[Difference, int]]:
    """Each difference with 1; of a run of whole candles that fare alike the first, with their number."""
    joined: list[tuple[Difference, int]] = []
    for one in differences:
        if joined and one.problem is not Problem.VALUE:
            first, count = joined[-1]
            if one == replace(first, open_time=first.open_time + count * first.series.interval.duration):
                joined[-1] = (first, count + 1)
                continue
        joined.append((one, 1))
    return joined


def _row(one: Difference, count: int, *, repaired: bool) -> list[object]:
    sides: list[object] = [one.column, one.stored, one.served]
    if one.problem is not Problem.VALUE:
        candles = "(candle)" if count == 1 else f"({count:,} candles)"
        sides = [candles, *(("missing", "served") if one.problem is Problem.MISSING else ("stored", "does not exist"))]
    answer: list[object] = [one.series, one.open_time, *sides]
    return [*answer, "yes" if one.repaired else "no"] if repaired else answer


def _document(report: VerifyReport) -> dict[str, Any]:
    return {
        "equal": report.is_equal,
        "series": [_series(one) for one in report.verified],
        "unreachable": {name: str(error) for name, error in report.unreachable.items()},
        "unbuilt": None if report.unbuilt is None else str(report.unbuilt),
    }


def _series(verified: Verified) -> dict[str, Any]:
    exchange, symbol, interval = verified.series
    return {
        "exchange": exchange,
        "symbol": symbol,
        "interval": interval.value,
        "compared": verified.compared,
        "filled": verified.filled,
        "unproven": verified.unproven,
        "error": None if verified.error is None else str(verified.error),
        "differences": [
            {
                "open_time": one.open_time,
                "problem": one.problem.value,
                "column": one.column,
                "stored": one.stored,
                "exchange": one.served,
                "repaired": one.repaired,
            }
            for one in verified.differences
        ],
    }
