"""The sharing benchmark's figures, from what the simulator says it was asked."""

from benchmarks.spending import Limit, refused, share, windows
from streamer.simulator.answering import Asked


def asked(at_ms: int, pool: str, weight: int = 1, status: int = 200) -> Asked:
    """One request."""
    return Asked(at_ms, pool, weight, "BTCUSDT", status)


def test_aligned_windows_are_whole_minutes() -> None:
    """What was spent before the first and after the last of them is left out."""
    assert windows(Limit(10, 60.0, aligned=True), 90_000, 245_000) == [120_000, 180_000]
    assert windows(Limit(10, 5.0), 1_000, 12_000) == [1_000, 6_000]


def test_a_share_is_what_was_spent_of_all_pools_in_whole_windows() -> None:
    """By the time of each window: twenty in two seconds are twice ten in two seconds."""
    spent = [asked(at, "okx candles") for at in range(0, 4_000, 100)]
    spent += [asked(at, "okx history-candles") for at in range(0, 4_000, 200)]
    part, count = share(spent, "okx", 0, 5_000)
    assert (round(part, 6), count) == (0.5, 2)
    futures = [asked(at, "binance futures", 24) for at in range(30_000, 130_000, 1_000)]
    part, count = share(futures, "binance", 30_000, 130_000)
    assert (round(part, 6), count) == (0.6, 1)


def test_without_a_whole_window_nothing_was_shown() -> None:
    """Not even when much was spent."""
    assert share([asked(0, "bybit", 600)], "bybit", 0, 4_000) == (0.0, 0)


def test_refusals_are_counted_by_status() -> None:
    """All but 200."""
    assert refused([asked(0, "bybit"), asked(1, "bybit", status=403), asked(2, "bybit", status=403)]) == {403: 2}
