"""The present state in words."""

from streamer.telemetry.status import StatusBoard


def test_before_anything_happened_the_database_is_missing() -> None:
    """A fresh board is not ready."""
    assert StatusBoard().reasons() == ["database: not connected yet"]


def test_each_exchange_that_is_not_all_live_is_a_reason() -> None:
    """With its trouble, or as still connecting; in order of name."""
    board = StatusBoard(database=None)
    board.feed("okx").planned = 2
    board.feed("okx").live = 1
    board.feed("bybit").planned = board.feed("bybit").live = 1
    board.feed("binance").trouble = "no answer"
    assert board.reasons() == [
        "binance: 0 of 0 connections live (no answer)",
        "okx: 1 of 2 connections live (connecting)",
    ]
