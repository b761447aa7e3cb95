"""``streamer backfill``: history in bulk, exactly what is missing of it, and again every so often if asked."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from streamer.app.backfill_request import BackfillRequest
from streamer.app.beats import backfill_repeatedly
from streamer.cli.backfill_report import Said
from streamer.cli.options import read_settings, settings_options
from streamer.cli.progress import following
from streamer.cli.ranges import duration_in, range_options, read_range
from streamer.domain.errors import ConfigurationError
from streamer.domain.interval import Interval
from streamer.history.dividing import Supply
from streamer.settings.model import ADAPTERS

F = TypeVar("F", bound=Callable[..., Any])
_MOST_LATEST = 100_000_000
_STEPS_BACK = 10  # of priority: live candles of a service on the same machine go first


def _wanted_options(function: F) -> F:
    for option in (
        click.option("--latest", type=click.IntRange(1, _MOST_LATEST), help="Instead of times: the newest so many."),
        click.option(
            "--interval",
            type=click.Choice([one.value for one in Interval]),
            multiple=True,
            help="Candle length; repeatable [default: as in the settings].",
        ),
        click.option("--exclude", multiple=True, help="Leave these out, names or patterns; repeatable."),
        click.option(
            "--symbols", multiple=True, help="Names or patterns, also a,b; repeatable [default: what is followed]."
        ),
        click.option(
            "--exchange", type=click.Choice(sorted(ADAPTERS)), multiple=True, help="Only this exchange; repeatable."
        ),
    ):
        function = option(function)
    return range_options(function)


@click.command()
@settings_options
@_wanted_options
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=16, show_default=True, help="Requests at once, per limit."
)
@click.option(
    "--source",
    type=click.Choice([one.value for one in Supply]),
    default=Supply.AUTO.value,
    show_default=True,
    help="Where from: REST, the exchange's published files, or whichever is cheaper.",
)
@click.option("--dry-run", is_flag=True, help="Only say what it takes: files, requests, weight, minutes per exchange.")
@click.option("--every", metavar="DURATION", help="Stay, and do it again every so often: 30m, 4h or 1d.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document at the end; with --every one line per round.")
@click.option("--allow-simulated", is_flag=True, default=None, help="For tests: take candles from a simulator.")
def backfill(
    config: Path | None,
    exchange: tuple[str, ...],
    symbols: tuple[str, ...],
    exclude: tuple[str, ...],
    interval: tuple[str, ...],
    *,
    since: str | None,
    until: str | None,
    timerange: str | None,
    latest: int | None,
    concurrency: int,
    source: str,
    dry_run: bool,
    every: str | None,
    as_json: bool,
    **flags: object,
) -> int:
    """Bring the candles of a time range that are not stored yet, or the newest of them.

    What is stored, or was proved not to exist, is not asked for: after a stop, the next run goes on where it ended.
    The exit code is 1 when a series could not be had to its end, and 130 after an interruption.
    """
    span = read_range(since, until, timerange)
    if latest is not None and span != (None, None):
        raise ConfigurationError("give --latest, or a time range, not both")
    if latest is None and span.since is None:
        raise ConfigurationError("say how far back: --since, --timerange or --latest")
    if every is not None and dry_run:
        raise ConfigurationError("a dry run has nothing to repeat: leave out --every")
    request = BackfillRequest(
        symbols=_listed("--symbols", symbols),
        exclude=_listed("--exclude", exclude),
        exchanges=exchange,
        intervals=tuple(Interval(one) for one in interval),
        since=span.since,
        until=span.until,
        latest=latest,
        concurrency=concurrency,
        dry_run=dry_run,
        source=Supply(source),
    )
    period = None if every is None else duration_in("--every", every)
    settings = read_settings(config, **flags)
    os.nice(_STEPS_BACK)
    said = Said(as_json=as_json, dry_run=dry_run, in_lines=period is not None)
    return asyncio.run(backfill_repeatedly(settings, request, following, said.told, said.failed, every=period))


def _listed(option: str, given: Sequence[str]) -> tuple[str, ...]:
    """The names in ``a,b``.

    Raises:
        ConfigurationError: the option is there and names nothing; an empty variable must not mean everything.
    """
    names = tuple(name for one in given for part in one.split(",") if (name := part.strip()))
    if given and not names:
        raise ConfigurationError(f"{option} names nothing: leave it out, or name at least one symbol")
    return names
