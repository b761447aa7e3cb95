"""``streamer demo``: everything at once on this machine, with invented candles, no network and no database."""

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from streamer.app.database import Database
from streamer.app.service import Service
from streamer.cli.options import read_settings, settings_options
from streamer.domain.errors import StoreError
from streamer.settings.model import DEFAULT_SYMBOLS, Settings
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.store.embedded import remove_embedded
from streamer.store.marks import Mark
from streamer.timing.clock import SystemClock

_HISTORY = timedelta(days=7)
_COUNT = "select count(*), count(distinct (exchange, symbol)), max(open_time) from klines"
_LOOK_EVERY_S = 1.0
_INVITATION = """
A week is there. In another terminal:
  streamer sql --data-dir {folder} 'table klines_1d'
  psql '{url}'
  curl http://{address}/metrics

Each minute brings six more candles:"""


@click.command()
@settings_options
@click.option("--port", type=int, help="Port of /metrics, /healthz and /readyz; 0 takes a free one.")
def demo(config: Path | None, data_dir: Path | None, log_level: str | None, port: int | None, **_: object) -> int:
    """Show streamer at work: a simulator, a database of its own, a week of history, then live candles.

    Configured databases and exchanges are left alone. The database is made anew in <data folder>/demo.
    """
    configured = read_settings(config, data_dir=data_dir, log_level=log_level or "warning", http__port=port)
    return asyncio.run(_demo(configured))


async def _demo(configured: Settings) -> int:
    folder = configured.data_dir / "demo"
    await remove_embedded(folder)
    async with Simulator(SimulatorOptions(history_days=_HISTORY.days + 1), SystemClock()) as simulator:
        exchanges = {name: {"symbols": DEFAULT_SYMBOLS, "urls": urls} for name, urls in simulator.urls.items()}
        settings = Settings.model_validate(
            {
                "data_dir": folder,
                "allow_simulated": True,
                "log_level": configured.log_level,
                "http": configured.http.model_dump(),
                "rest": {"share": 1.0},
                "exchanges": exchanges,
            }
        )
        click.echo("streamer demo: invented candles of three simulated exchanges; Ctrl-C ends it.")
        talk = _Talk(settings)
        return await Service(settings, since=_HISTORY, mark=Mark.DEMO, companion=talk.run).run()


class _Talk:
    """Tells what happens: the history as it comes, what to look at, then each minute's candles."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir
        self._clock = SystemClock()
        self._series = sum(len(symbols) for symbols in settings.followed().values())
        self._expected = self._series * int(_HISTORY.total_seconds() // 60)

    async def run(self, database: Database, address: str) -> None:
        """Talk until cancelled."""
        await database.ready.wait()
        stored = 0
        invited = False
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            try:
                [(count, series, newest)] = (await database.read_only(_COUNT, 1))[1]
            except StoreError as error:
                click.echo(f"the database does not answer: {error}")
                continue
            if count == stored:
                continue
            if not invited:
                click.echo(f"history: {count:,} of about {self._expected:,} candles of {series} series")
            else:
                click.echo(f"{newest:%H:%M} +{count - stored} candles, {count:,} in all")
            stored = count
            if not invited and count >= self._expected - 10 * self._series:
                click.echo(_INVITATION.format(folder=self._folder, url=database.url, address=address))
                invited = True
