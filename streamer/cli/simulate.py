"""``streamer simulate``: three exchanges on this machine, to try everything against."""

import asyncio
from pathlib import Path
from typing import Any

import click
import yaml

from streamer.app.signals import listen_for_stop
from streamer.domain.errors import StartError
from streamer.simulator.faults import read_faults
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import make_clock

_PORT = click.IntRange(0, 65_535)
_ABOVE_0 = click.FloatRange(0, min_open=True)


@click.command()
@click.option("--ws-port", type=_PORT, default=9001, show_default=True, help="WebSocket port; 0 takes a free one.")
@click.option("--rest-port", type=_PORT, default=9002, show_default=True, help="REST port; 0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another market.")
@click.option(
    "--symbols", type=click.IntRange(0), default=0, show_default=True, help="Least number of instruments per exchange."
)
@click.option("--frames-per-s", type=_ABOVE_0, help="Forming frames in total [default: one per series each 2 s].")
@click.option(
    "--latency-s", type=click.FloatRange(0), default=0.0, show_default=True, help="Added to each REST answer."
)
@click.option("--clock-offset-s", default=0.0, show_default=True, help="How far the exchanges' clocks are ahead.")
@click.option(
    "--history-days", type=click.IntRange(1), default=30, show_default=True, help="How far back REST history reaches."
)
@click.option("--enforce-limits/--no-limits", default=True, help="Enforce the exchanges' rate limits.")
@click.option("--faults", "script", type=click.Path(path_type=Path), help="JSON file of faults to play.")
@click.option("--replay", type=click.Path(path_type=Path), help="A recorded session (.jsonl, .recv beside it).")
@click.option(
    "--clock-rate", type=_ABOVE_0, default=1.0, show_default=True, help="How fast time runs; give `run` the same."
)
@click.option("--settings", type=click.Path(path_type=Path), help="Write a settings file for `run --config` here.")
def simulate(script: Path | None, clock_rate: float, settings: Path | None, **options: Any) -> None:
    """Play Binance, Bybit and OKX on this machine, with invented candles and scripted faults."""
    faults = read_faults(script) if script is not None else ()
    asyncio.run(_simulate(SimulatorOptions(faults=faults, **options), clock_rate, settings))


async def _simulate(options: SimulatorOptions, clock_rate: float, settings: Path | None) -> None:
    with listen_for_stop() as stop:
        async with Simulator(options, make_clock(clock_rate)) as simulator:
            tree: dict[str, Any] = {
                "clock_rate": clock_rate,
                "exchanges": {name: {"urls": urls} for name, urls in simulator.urls.items()},
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
