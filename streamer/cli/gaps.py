"""``streamer gaps``: what is known to be missing, and asking for it again now."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from streamer.app.repairing import Plan, list_gaps, plan_repair, repair_gaps
from streamer.cli.options import MOST_ROWS, read_settings, settings_options
from streamer.cli.output import show_json, show_table
from streamer.cli.progress import showing
from streamer.cli.ranges import range_options, read_range
from streamer.domain.interval import Interval
from streamer.history.repair import Outcome
from streamer.settings.model import ADAPTERS
from streamer.store.contract import Gap, GapCause, GapFilter, GapStatus

F = TypeVar("F", bound=Callable[..., Any])
_COLUMNS = ("id", "series", "first", "last", "candles", "cause", "status", "attempts", "next attempt", "last error")
_ANY = "all"


def _filters(function: F) -> F:
    for option in (
        click.option("--cause", type=click.Choice([one.value for one in GapCause]), help="Only of this cause."),
        click.option("--interval", type=click.Choice([one.value for one in Interval]), help="Only of this length."),
        click.option("--symbol", help="Only of this symbol, as in the tables: BTC-USDT."),
        click.option("--exchange", type=click.Choice(sorted(ADAPTERS)), help="Only of this exchange."),
    ):
        function = option(function)
    return range_options(function)


@click.group()
def gaps() -> None:
    """List what is missing, or ask the exchanges for it now."""


@gaps.command(name="list")
@settings_options
@_filters
@click.option(
    "--status", type=click.Choice([*(one.value for one in GapStatus), _ANY]), default="open", show_default=True
)
@click.option("--rows", type=click.IntRange(1, MOST_ROWS), default=1_000, show_default=True, help="Most gaps to show.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of objects.")
def list_(config: Path | None, status: str, rows: int, *, as_json: bool, **options: Any) -> None:
    """List the gaps: runs of candles that asking did not bring. Times narrow it to gaps that reach into them."""
    wanted = _wanted(options, None if status == _ANY else GapStatus(status))
    found = asyncio.run(list_gaps(read_settings(config, **options), wanted, rows))
    if as_json:
        show_json([_object(gap) for gap in found])
        return
    if found:
        show_table(_COLUMNS, map(_row, found))
    else:
        click.echo("no gap" if status == _ANY else f"no {status} gap")
    if len(found) == rows:
        click.echo(f"(the first {rows}; --rows shows more)", err=True)


@gaps.command()
@settings_options
@_filters
@click.argument("ids", nargs=-1, type=int)
@click.option("--dry-run", is_flag=True, help="Only show what would be asked for.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of objects.")
def repair(config: Path | None, ids: tuple[int, ...], *, dry_run: bool, as_json: bool, **options: Any) -> int:
    """Ask the exchanges for open gaps now, or for those with these IDS, and note what came of it.

    The exit code is 1 when something stays open.
    """
    wanted = _wanted(options, None if ids else GapStatus.OPEN)
    settings = read_settings(config, **options)
    if dry_run:
        _show_plans(asyncio.run(plan_repair(settings, wanted, ids)), as_json=as_json)
        return 0
    with showing("gaps asked for") as tell:
        outcomes = asyncio.run(repair_gaps(settings, wanted, ids, tell))
    if as_json:
        show_json([_outcome(one) for one in outcomes])
    else:
        _show_outcomes(outcomes)
    return 1 if any(one.still_open for one in outcomes) else 0


def _wanted(options: dict[str, Any], status: GapStatus | None) -> GapFilter:
    """The filter; takes its options out of ``options``, so that the flags of settings are left."""
    span = read_range(*(options.pop(name) for name in ("since", "until", "timerange")))
    exchange, symbol, interval, cause = (options.pop(name) for name in ("exchange", "symbol", "interval", "cause"))
    return GapFilter(
        exchange=exchange,
        symbol=symbol,
        interval=None if interval is None else Interval(interval),
        status=status,
        cause=None if cause is None else GapCause(cause),
        since=span.since,
        until=span.until,
    )


def _show_plans(plans: Sequence[Plan], *, as_json: bool) -> None:
    if as_json:
        show_json([_object(plan.gap) | {"requests": plan.requests, "reason": plan.reason} for plan in plans])
        return
    if plans:
        columns = ("id", "series", "first", "last", "candles", "requests")
        show_table(columns, ([*_row(plan.gap)[:5], plan.reason or plan.requests] for plan in plans))
    candles = sum(plan.gap.expected for plan in plans)
    requests = sum(plan.requests or 0 for plan in plans)
    click.echo(f"would be asked for: gaps {len(plans):,}, candles {candles:,}, requests {requests:,}")


def _show_outcomes(outcomes: Sequence[Outcome]) -> None:
    still_open = [one for one in outcomes if one.still_open]
    if still_open:
        columns = ("id", "series", "first", "last", "still open", "next attempt", "reason")
        show_table(
            columns,
            ([*_row(one.gap)[:4], one.still_open, one.next_attempt_time, _reason(one)] for one in still_open),
        )
    if not outcomes:
        click.echo("no gap to ask for")
        return
    repaired, absent, left = (
        sum(getattr(one, name) for one in outcomes) for name in ("repaired", "absent", "still_open")
    )
    click.echo(f"candles repaired: {repaired:,}, absent at the exchange: {absent:,}, still open: {left:,}")


def _reason(outcome: Outcome) -> str | None:
    return outcome.error if outcome.taken else "another process is asking for it"


def _row(gap: Gap) -> list[object]:
    series, first_time, last_time = gap.run
    return [
        gap.id, series, first_time, last_time, gap.expected, gap.cause.value, gap.status.value, gap.attempts,
        gap.next_attempt_time, gap.last_error,
    ]  # fmt: skip


def _object(gap: Gap) -> dict[str, Any]:
    exchange, symbol, interval = gap.run.series
    return {
        "id": gap.id,
        "exchange": exchange,
        "symbol": symbol,
        "interval": interval.value,
        "first_open_time": gap.run.first_time,
        "last_open_time": gap.run.last_time,
        "cause": gap.cause.value,
        "status": gap.status.value,
        "expected": gap.expected,
        "found": gap.found,
        "attempts": gap.attempts,
        "next_attempt_at": gap.next_attempt_time,
        "last_error": gap.last_error,
        "detected_at": gap.detected_time,
        "resolved_at": gap.resolved_time,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    exchange, symbol, interval = outcome.gap.run.series
    return {
        "id": outcome.gap.id,
        "exchange": exchange,
        "symbol": symbol,
        "interval": interval.value,
        "first_open_time": outcome.gap.run.first_time,
        "last_open_time": outcome.gap.run.last_time,
        "repaired": outcome.repaired,
        "absent": outcome.absent,
        "still_open": outcome.still_open,
        "reason": _reason(outcome) if outcome.still_open else None,
        "next_attempt_at": outcome.next_attempt_time,
    }
