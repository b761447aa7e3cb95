"""The verdict over a database that was away: each promise can be broken."""

from dataclasses import replace

import pytest

from benchmarks.away import Peaks, Report
from benchmarks.losses import Losses

GOOD = Report(
    start_mb=95.0,
    peaks=Peaks(memory_mb=100.0, buffer=8_000.0, spool=26_000.0, waiting=0.0),
    end_mb=100.0,
    drained_s=120.0,
    losses=Losses(48_000, 48_000, 0, 0, ()),
    dropped=0.0,
    duplicates=16.0,
    revised=0.0,
    disorder=0,
    batches=(41, 0),
    open_gaps=0,
    said={},
)


def test_a_run_that_keeps_every_promise_is_right() -> None:
    """Memory within its mark, the spool used, all stored, in order."""
    assert GOOD.wrong(250.0) == []


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (replace(GOOD, losses=Losses(10, 9, 1, 0, ("okx BTC-USDT 0",))), "1 candles are missing"),
        (replace(GOOD, losses=Losses(10, 10, 0, 2, ("okx BTC-USDT 0",))), "2 differ"),
        (replace(GOOD, losses=Losses(0, 0, 0, 0, ())), "nothing was compared"),
        (replace(GOOD, peaks=replace(GOOD.peaks, spool=0.0)), "nothing waited on disk"),
        (replace(GOOD, peaks=replace(GOOD.peaks, memory_mb=251.0)), "memory grew to 251 MB"),
        (replace(GOOD, dropped=3.0), "3 candles were given up"),
        (replace(GOOD, disorder=1), "written before an older one"),
        (replace(GOOD, open_gaps=2), "2 gaps are open"),
    ],
)
def test_each_promise_can_be_broken(bad: Report, sentence: str) -> None:
    """One sentence for each, and no other."""
    [wrong] = bad.wrong(250.0)
    assert sentence in wrong
