"""Turns what the driver and the server raise into our errors, at the edge: nothing of asyncpg leaks out of the store.

Errors are told apart by SQLSTATE, never by their text. What is not known keeps the batch: losing data needs a reason.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from streamer.domain.errors import RowsRefused, StoreError, StoreMisconfigured, StoreUnavailable

_ROW_CLASS = "22"  # data exception
_ROW_STATES = frozenset({"23514", "23502"})  # check violation, not null violation
_MISCONFIGURED_CLASSES = frozenset({"28", "3D", "3F", "42"})  # authorization, database, schema, rights and names
_DRIVER_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, EOFError)
_ENCODING_ERRORS = (OverflowError, ValueError, struct.error)  # from spelling a value that no column can hold


def _sentence(error: asyncpg.PostgresError, where: str) -> str:
    said = (error.args[0] if error.args else "").splitlines()[:1]
    return f"{where}: {said[0] if said else type(error).__name__} (SQLSTATE {error.sqlstate or 'XX000'})"


def translate(error: Exception, where: str) -> StoreError:
    """Our error for one of the driver's; ``where`` names the database without its password."""
    if isinstance(error, asyncpg.PostgresError):
        state, sentence = error.sqlstate or "XX000", _sentence(error, where)
        if state[:2] == _ROW_CLASS or state in _ROW_STATES:
            return RowsRefused(state, sentence)
        return StoreMisconfigured(sentence) if state[:2] in _MISCONFIGURED_CLASSES else StoreUnavailable(sentence)
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"{where} did not answer in time")
    return StoreUnavailable(f"{where} cannot be reached: {error or type(error).__name__}")


def refusal(error: asyncpg.DataError, where: str) -> RowsRefused:
    """Our error for values that the server could not work with."""
    return RowsRefused(error.sqlstate or "22000", _sentence(error, where))


@contextmanager
def mapped(where: str) -> Iterator[None]:
    """Let only our errors out of the block.

    Raises:
        StoreUnavailable, StoreMisconfigured, RowsRefused: what went wrong, in a sentence.
    """
    try:
        yield
    except (asyncpg.PostgresError, *_DRIVER_ERRORS) as error:
        raise translate(error, where) from error


@contextmanager
def encoding() -> Iterator[None]:
    """Around a COPY: a value that cannot be sent at all is the row's own fault.

    Raises:
        RowsRefused: with the SQLSTATE of a data exception.
    """
    try:
        yield
    except (asyncpg.PostgresError, *_DRIVER_ERRORS):
        raise
    except _ENCODING_ERRORS as error:
        raise RowsRefused("22000") from error
