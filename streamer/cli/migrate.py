"""``streamer migrate``: bring the database's schema up to date."""

import asyncio
from pathlib import Path

import click

from streamer.app.database import database_of, spoken
from streamer.app.listing import quiet_recorder
from streamer.cli.options import read_settings, settings_options
from streamer.domain.errors import StoreError
from streamer.settings.model import Settings
from streamer.store.migrate import MigrationReport
from streamer.timing.clock import SystemClock


@click.command()
@settings_options
def migrate(config: Path | None, **flags: object) -> None:
    """Create or update the tables and views, keep candles as the settings say, and say what was done."""
    report, changes = asyncio.run(_migrate(read_settings(config, **flags)))
    for name in report.applied:
        click.echo(f"applied {name}")
    for line in (*spoken(report), *changes):
        click.echo(line)
    if report.undone:
        raise StoreError("; ".join(report.undone))


async def _migrate(settings: Settings) -> tuple[MigrationReport, tuple[str, ...]]:
    async with database_of(settings, SystemClock(), quiet_recorder()) as database:
        await database.open_beside(create=True)
        report = await database.migrate()
        return report, await database.settle_storage()
