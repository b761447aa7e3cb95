"""``streamer simulate``: three exchanges on this machine, to try everything against."""

import asyncio
from math import isfinite
from pathlib import Path
from typing import Any

import click
import yaml

from streamer.app.signals import Stop, listen_for_stop
from streamer.domain.errors import StartError
from streamer.simulator.faults import read_faults
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import make_clock

_PORT = click.IntRange(0, 65_535)
_MOST_SYMBOLS = 20_000
_YEAR_S = 365 * 86_400
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Number(click.FloatRange):
    """A number within limits; what is no number, or infinite, lies within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


@click.command()
@click.option("--ws-port", type=_PORT, default=9001, show_default=True, help="WebSocket port; 0 takes a free one.")
@click.option("--rest-port", type=_PORT, default=9002, show_default=True, help="REST port; 0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another market.")
@click.option(
    "--symbols",
    type=click.IntRange(0, _MOST_SYMBOLS),
    default=0,
    show_default=True,
    help="Least number of instruments per exchange.",
)
@click.option(
    "--frames-per-s",
    type=_Number(0, 1_000_000, min_open=True),
    help="Forming frames in total [default: one per series each 2 s].",
)
@click.option("--latency-s", type=_Number(0, 3_600), default=0.0, show_default=True, help="Added to each REST answer.")
@click.option(
    "--clock-offset-s",
    type=_Number(-_YEAR_S, _YEAR_S),
    default=0.0,
    show_default=True,
    help="How far the exchanges' clocks are ahead.",
)
@click.option(
    "--history-days", type=click.IntRange(1), default=30, show_default=True, help="How far back REST history reaches."
)
@click.option("--enforce-limits/--no-limits", default=True, help="Enforce the exchanges' rate limits.")
@click.option("--faults", "script", type=click.Path(path_type=Path), help="JSON file of faults; see docs/faults.md.")
@click.option("--replay", type=_FILE, help="A recorded session (.jsonl, .recv beside it).")
@click.option(
    "--clock-rate",
    type=_Number(0, 100_000, min_open=True),
    default=1.0,
    show_default=True,
    help="How fast time runs; give `run` the same.",
)
@click.option("--settings", type=click.Path(path_type=Path), help="Write a settings file for `run --config` here.")
def simulate(script: Path | None, clock_rate: float, settings: Path | None, **options: Any) -> int:
    """Play Binance, Bybit and OKX on this machine, with invented candles and scripted faults."""
    faults = read_faults(script) if script is not None else ()
    return asyncio.run(_simulate(SimulatorOptions(faults=faults, **options), clock_rate, settings))


async def _simulate(options: SimulatorOptions, clock_rate: float, settings: Path | None) -> int:
    with listen_for_stop() as stop:
        try:
            await _play(options, clock_rate, settings, stop)
        except asyncio.CancelledError:
            if stop.cut_short is None:
                raise
            return 128 + stop.cut_short
    return 0


async def _play(options: SimulatorOptions, clock_rate: float, settings: Path | None, stop: Stop) -> None:
    async with Simulator(options, make_clock(clock_rate)) as simulator:
        archives = simulator.archive_urls
        tree: dict[str, Any] = {
            "clock_rate": clock_rate,
            "exchanges": {
                name: {"urls": urls, **({"archive_url": archive} if (archive := archives.get(name)) else {})}
                for name, urls in simulator.urls.items()
            },
        }
        text = yaml.safe_dump(tree, sort_keys=False)
        if settings is not None:
            try:
                await asyncio.to_thread(settings.write_text, text)
            except OSError as error:
                raise StartError(f"the settings file {settings} cannot be written: {error.strerror}") from None
            click.echo(f"settings written; now: streamer run --allow-simulated --config {settings}")
        else:
            click.echo(text)
        await simulator.run_until(stop.asked)
