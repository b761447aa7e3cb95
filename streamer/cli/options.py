"""Options that several verbs share, and the settings that they lead to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from streamer.settings.load import load_settings
from streamer.settings.model import Settings

F = TypeVar("F", bound=Callable[..., Any])

MOST_ROWS = 1_000_000_000  # that are shown at once: above what memory takes, below what the protocol counts to

_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file [default: streamer.yaml if there]."
)
_DATABASE = click.option("--database-url", help="Where to store [default: a private PostgreSQL in the data folder].")
_DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the embedded database.")
_LOG_LEVEL = click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))


def settings_options(function: F) -> F:
    """Add ``--config``, ``--database-url``, ``--data-dir`` and ``--log-level`` to a verb."""
    for option in (_LOG_LEVEL, _DATA_DIR, _DATABASE, _CONFIG):
        function = option(function)
    return function


def read_settings(config: Path | None, **flags: Any) -> Settings:
    """The settings under the given flags; None means not given.

    Raises:
        ConfigurationError: one sentence about what is wrong.
    """
    given: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        *branches, leaf = name.split("__")
        node = given
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = value
    return load_settings(config, given)
