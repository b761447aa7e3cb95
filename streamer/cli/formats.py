"""The formats of ``streamer query``, and where the bytes go: standard output, or a file that is there whole or not."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from streamer.cli.sheets import CsvSheet, JsonLinesSheet, Sheet, TableSheet
from streamer.domain.errors import ConfigurationError, StreamerError


class Format(StrEnum):
    """How candles are written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"


_BINARY = frozenset({Format.PARQUET, Format.ARROW})
_SUFFIXES = {f".{one.value}": one for one in Format if one is not Format.TABLE} | {".feather": Format.ARROW}


def chosen_format(named: str | None, output: Path | None) -> Format:
    """The format that is named, or that the file's name says, or a table.

    Raises:
        ConfigurationError: the name says none, a table is to go into a file or bytes to a terminal, or pyarrow is not
            installed.
    """
    found = Format(named) if named is not None else Format.TABLE if output is None else _SUFFIXES.get(output.suffix)
    if found is None or (found is Format.TABLE and output is not None):
        kinds = ", ".join(sorted(_SUFFIXES))
        raise ConfigurationError(f"give --format, or an --output that ends in {kinds}: a table is for the screen")
    if found in _BINARY:
        if output is None and sys.stdout.isatty():
            raise ConfigurationError(f"{found.value} is not for a terminal: give --output, or lead it into a program")
        _arrow_sheets()
    return found


@contextmanager
def destination(output: Path | None) -> Iterator[BinaryIO]:
    """Where to write; a file appears under its name when the block ends well, and not at all when it fails.

    Raises:
        ConfigurationError: the file cannot be made. StreamerError: it cannot be written to its end.
    """
    try:
        with _standard_output() if output is None else _file(output) as file:
            yield file
    except BrokenPipeError:
        raise  # whoever read it has enough
    except OSError as error:
        raise StreamerError(f"{output or 'standard output'} cannot be written: {error.strerror or error}") from error


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    sys.stdout.flush()
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at the end
        raise


@contextmanager
def _file(output: Path) -> Iterator[BinaryIO]:
    target = output.resolve()  # what a link points to
    if target.exists() and not target.is_file():  # a pipe, a device
        with _opened(target, output) as file:
            yield file
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(part, output) as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def sheet_of(wanted: Format, file: BinaryIO, names: Sequence[str], output: Path | None) -> Sheet:
    """What writes ``names`` in the wanted format."""
    if wanted is Format.TABLE:
        return TableSheet(names)
    if wanted is Format.CSV:
        return CsvSheet(file, names)
    if wanted is Format.JSONL:
        return JsonLinesSheet(file, names)
    sheets = _arrow_sheets()
    if wanted is Format.PARQUET:
        made: Sheet = sheets.parquet_sheet(file, names)
    elif output is None:
        made = sheets.arrow_stream_sheet(file, names)
    else:
        made = sheets.arrow_file_sheet(file, names)
    return made


def _opened(path: Path, output: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from error


def _arrow_sheets() -> Any:
    """The module that needs pyarrow, loaded when it is first asked for.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        return import_module("streamer.cli.arrow_sheets")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise ConfigurationError(
            "parquet and arrow need pyarrow: pip install 'streamer[arrow]', or choose csv or jsonl"
        ) from error
