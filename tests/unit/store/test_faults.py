"""Errors are told apart by SQLSTATE, and what is not known keeps the batch."""

import struct

import asyncpg
import pytest

from streamer.domain.errors import RowsRefused, StoreError, StoreMisconfigured, StoreUnavailable
from streamer.store.faults import encoding, mapped, translate


def server_error(state: str) -> asyncpg.PostgresError:
    """The driver's error for a state, as it makes them itself."""
    return asyncpg.PostgresError.new({"C": state, "M": "as the server said\nin lines", "S": "ERROR"})


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("22003", RowsRefused),
        ("22021", RowsRefused),
        ("23514", RowsRefused),
        ("23502", RowsRefused),
        ("23505", StoreUnavailable),
        ("08006", StoreUnavailable),
        ("25006", StoreUnavailable),
        ("40001", StoreUnavailable),
        ("40P01", StoreUnavailable),
        ("53100", StoreUnavailable),
        ("53400", StoreUnavailable),
        ("55P03", StoreUnavailable),
        ("57014", StoreUnavailable),
        ("57P01", StoreUnavailable),
        ("57P03", StoreUnavailable),
        ("XX000", StoreUnavailable),
        ("TS042", StoreUnavailable),
        ("28P01", StoreMisconfigured),
        ("3D000", StoreMisconfigured),
        ("42501", StoreMisconfigured),
        ("42P01", StoreMisconfigured),
    ],
)
def test_each_state_is_one_of_ours(state: str, expected: type[StoreError]) -> None:
    """Only a row's own fault rejects; rights and names are said apart; the state is in the sentence."""
    error = translate(server_error(state), "the database here")
    assert type(error) is expected
    assert state in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("lost"),
        EOFError(),
    ],
)
def test_what_the_driver_raises_is_unavailability(error: Exception) -> None:
    """The cause is kept, and the sentence names the place."""
    with pytest.raises(StoreUnavailable, match="the database here") as raised, mapped("the database here"):
        raise error
    assert raised.value.__cause__ is error


def test_our_own_errors_pass_through() -> None:
    """Nothing is wrapped twice."""
    with pytest.raises(RowsRefused, match="22003"), mapped("the database here"):
        raise RowsRefused("22003")


def test_a_value_that_cannot_be_sent_is_the_rows_fault() -> None:
    """The encoder speaks in built-in errors; those of the connection pass."""
    for fault in (OverflowError(), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), struct.error()):
        with pytest.raises(RowsRefused, match="22000"), encoding():
            raise fault
    with pytest.raises(asyncpg.InterfaceError), encoding():
        raise asyncpg.InterfaceError("closed")
