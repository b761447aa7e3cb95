"""The command line's door: every error ends here as one sentence and an exit code.

0 done, 1 failed, 2 wrong configuration or arguments, 130 or 143 interrupted.
"""

import os
import sys
from typing import NoReturn

import click

from streamer import __version__
from streamer.cli.backfill import backfill
from streamer.cli.demo import demo
from streamer.cli.doctor import doctor
from streamer.cli.gaps import gaps
from streamer.cli.migrate import migrate
from streamer.cli.query import query
from streamer.cli.run import run
from streamer.cli.simulate import simulate
from streamer.cli.sql import sql
from streamer.cli.symbols import symbols
from streamer.cli.verify import verify
from streamer.domain.errors import ConfigurationError, StreamerError

FAILED, WRONG, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def streamer() -> None:
    """Closed market candles from Binance, Bybit and OKX, stored once each in TimescaleDB or PostgreSQL."""


@streamer.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


for verb in (run, demo, simulate, migrate, backfill, verify, gaps, symbols, query, sql, doctor):
    streamer.add_command(verb)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        code = streamer.main(arguments, prog_name="streamer", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        problem.show()
        return WRONG
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (BrokenPipeError, StreamerError, BaseExceptionGroup) as problem:
        if _is_broken_pipe(problem):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        error = _only_ours(problem)
        if error is None:
            raise
        click.echo(f"streamer: {error}", err=True)
        return WRONG if isinstance(error, ConfigurationError) else FAILED
    return code if isinstance(code, int) else 0


def _is_broken_pipe(problem: BaseException) -> bool:
    """Whether the reader of our output went away, as `head` does, and nothing else happened."""
    if isinstance(problem, BaseExceptionGroup):
        return all(_is_broken_pipe(one) for one in problem.exceptions)
    return isinstance(problem, BrokenPipeError)


def _only_ours(problem: BaseException) -> StreamerError | None:
    """The error of ours that ``problem`` is or holds; None for a group that holds anything else too."""
    if isinstance(problem, BaseExceptionGroup):
        ours, others = problem.split(StreamerError)
        return _only_ours(ours.exceptions[0]) if ours is not None and others is None else None
    return problem if isinstance(problem, StreamerError) else None
