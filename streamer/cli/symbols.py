"""``streamer symbols``: what the exchanges list, and how a spelling resolves."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from streamer.app.listing import read_registries
from streamer.cli.options import read_settings, settings_options
from streamer.cli.output import show_json, show_table
from streamer.domain.instrument import Kind, Market, Status
from streamer.settings.model import ADAPTERS
from streamer.symbols.explain import SymbolRow, explain, list_symbols, unread_markets
from streamer.symbols.registry import Registry

_COLUMNS = ("exchange", "symbol", "native", "ccxt", "market", "kind", "status")


@click.command()
@settings_options
@click.argument("spellings", nargs=-1)
@click.option("--exchange", type=click.Choice(sorted(ADAPTERS)), multiple=True, help="Only this exchange; repeatable.")
@click.option("--market", type=click.Choice([one.value for one in Market]))
@click.option("--kind", type=click.Choice([one.value for one in Kind]))
@click.option("--status", type=click.Choice([one.value for one in Status]))
@click.option("--pattern", help="Only symbols that match, such as '*-USDT-PERP'.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def symbols(
    config: Path | None,
    spellings: tuple[str, ...],
    exchange: tuple[str, ...],
    *,
    market: str | None,
    kind: str | None,
    status: str | None,
    pattern: str | None,
    as_json: bool,
    **flags: object,
) -> int:
    """List the exchanges' instruments; with SPELLINGS, show how each would be read in the settings."""
    settings = read_settings(config, **flags)
    registries = asyncio.run(read_registries(settings, exchange or tuple(settings.followed())))
    if spellings:
        return _explain(registries, spellings, as_json=as_json)
    of_market, of_kind = Market(market) if market else None, Kind(kind) if kind else None
    of_status = Status(status) if status else None
    rows = [
        row
        for registry in registries
        for row in list_symbols(registry, market=of_market, kind=of_kind, status=of_status, pattern=pattern)
    ]
    if as_json:
        show_json([asdict(row) for row in rows])
    else:
        show_table(_COLUMNS, _cells(rows))
    unread = [
        f"{registry.exchange} {one.value} could not be asked: {why}"
        for registry in registries
        for one, why in unread_markets(registry, market=of_market, kind=of_kind, pattern=pattern).items()
    ]
    for sentence in unread:
        click.echo(sentence, err=True)
    return 1 if unread else 0


def _explain(registries: Iterable[Registry], spellings: tuple[str, ...], *, as_json: bool) -> int:
    """Show each spelling on each exchange; the exit code is 1 when one means nothing anywhere, or may mean more."""
    found = [(registry.exchange, explain(registry, spelling)) for spelling in spellings for registry in registries]
    if as_json:
        show_json([{"exchange": exchange, **asdict(explanation)} for exchange, explanation in found])
    else:
        for exchange, explanation in found:
            reading = f"{explanation.form.value}{' pattern' if explanation.pattern else ''}"
            click.echo(f"{exchange}: {explanation.spelling} ({reading}): {explanation.problem or ''}".rstrip(": "))
            if explanation.rows:
                show_table(_COLUMNS, _cells(explanation.rows))
    understood = {explanation.spelling for _, explanation in found if explanation.rows}
    understood -= {explanation.spelling for _, explanation in found if explanation.unread}
    return 0 if understood.issuperset(spellings) else 1


def _cells(rows: Iterable[SymbolRow]) -> list[list[str]]:
    return [[str(getattr(row, column)) for column in _COLUMNS] for row in rows]
