"""The load benchmark's verdict and its quantiles: a benchmark that cannot fail proves nothing."""

from dataclasses import replace
from math import isnan

import pytest

from benchmarks.load_report import Marks, Round, Side, Stored, median_ratio, missed_marks
from benchmarks.losses import Losses
from benchmarks.service import quantile, total

MARKS = Marks(most_ratio=2.5, most_mb=200.0, frames_per_s=5_000.0)
SERVICE = Side(
    name="streamer", frames=600_000, lasted_s=120.0, cpu_s=24.0, system_s=2.0, peak_mb=90.0, simulator_load=0.3
)
BARE = replace(SERVICE, name="bare", cpu_s=12.0, peak_mb=27.0)
NOTHING_LOST = Losses(6_000, 6_000, 0, 0, ())
GOOD = Round(service=SERVICE, rivals=[BARE], stored=Stored(NOTHING_LOST, 0.01, 0.1))


def test_a_run_within_its_marks_misses_none() -> None:
    """A round at twice the bare loop's CPU, with little memory and nothing lost, meets every mark."""
    assert missed_marks(MARKS, [GOOD]) == []


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (replace(GOOD, service=replace(SERVICE, cpu_s=31.0)), "2.58 times the CPU"),
        (replace(GOOD, service=replace(SERVICE, peak_mb=200.0)), "took 200 MB"),
        (replace(GOOD, stored=Stored(Losses(10, 9, 1, 0, ("okx BTC-USDT 0",)), 0.0, 0.0)), "1 candles are missing"),
        (replace(GOOD, stored=Stored(Losses(10, 10, 0, 1, ("okx BTC-USDT 0",)), 0.0, 0.0)), "1 differ"),
        (replace(GOOD, stored=Stored(Losses(0, 0, 0, 0, ()), 0.0, 0.0)), "nothing was compared"),
        (replace(GOOD, rivals=[replace(BARE, frames=599_000)]), "the load was not reached"),
    ],
)
def test_each_mark_can_be_missed(bad: Round, sentence: str) -> None:
    """One bad round is enough for each mark, and its sentence says which."""
    [missed] = missed_marks(MARKS, [bad])

    assert sentence in missed


def test_the_ratio_is_the_median_of_the_rounds_per_frame() -> None:
    """A disturbed round does not decide, and a side that got more frames is not punished for it."""
    disturbed = replace(GOOD, service=replace(SERVICE, cpu_s=60.0))
    longer = replace(GOOD, service=replace(SERVICE, cpu_s=48.0, frames=1_200_000))

    assert median_ratio([GOOD, disturbed, longer]) == pytest.approx(2.0)


def test_a_quantile_counts_what_came_between_two_looks() -> None:
    """Observations before the window are left out, and the quantile is linear within its bucket."""

    def look(*counts: float) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            ("seconds_bucket", frozenset({("le", edge)})): count
            for edge, count in zip(("0.1", "0.2", "+Inf"), counts, strict=True)
        }

    assert quantile(look(50, 50, 50), look(50, 150, 150), "seconds", 0.5) == pytest.approx(0.15)
    assert quantile(look(50, 50, 50), look(50, 50, 60), "seconds", 0.99) == pytest.approx(0.2)
    assert isnan(quantile(look(1, 1, 1), look(1, 1, 1), "seconds", 0.5))


def test_a_total_adds_the_samples_with_the_labels() -> None:
    """Labels that are not named do not matter; other metrics and other values do not count."""
    samples = {
        ("frames_total", frozenset({("exchange", "okx")})): 3.0,
        ("frames_total", frozenset({("exchange", "bybit")})): 4.0,
        ("other_total", frozenset({("exchange", "okx")})): 9.0,
    }

    assert (total(samples, "frames_total"), total(samples, "frames_total", exchange="okx")) == (7.0, 3.0)
