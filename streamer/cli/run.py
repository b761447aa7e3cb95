"""``streamer run``: the service."""

import asyncio
from pathlib import Path

import click

from streamer.app.service import Service
from streamer.cli.options import read_settings, settings_options


@click.command()
@settings_options
@click.option("--port", "http__port", type=int, help="Port of /metrics, /healthz and /readyz; 0 takes a free one.")
@click.option("--allow-simulated", is_flag=True, default=None, help="For tests: take candles from a simulator.")
def run(config: Path | None, **flags: object) -> int:
    """Follow the configured series and store their closed candles, until stopped."""
    settings = read_settings(config, **flags)
    return asyncio.run(Service(settings).run())
