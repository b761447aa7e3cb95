"""The figures of the load benchmark, as a table and as a verdict. Pure but for the printing."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from benchmarks.losses import Losses


class Marks(NamedTuple):
    """What must be held."""

    most_ratio: float
    most_mb: float
    frames_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One process in one window; ``simulator_load`` is what the simulator used beside it, in cores."""

    name: str
    frames: int
    lasted_s: float
    cpu_s: float
    system_s: float
    peak_mb: float
    simulator_load: float

    @property
    def frames_per_s(self) -> float:
        """Frames received in a second."""
        return self.frames / self.lasted_s

    @property
    def cpu_per_frame_us(self) -> float:
        """CPU time per frame received."""
        return 1e6 * self.cpu_s / max(1, self.frames)


class Stored(NamedTuple):
    """What became of the window's candles: nothing lost, and how fast, in seconds from frame to committed row."""

    losses: Losses
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The service and its rivals, one after the other; the first rival is the one that the mark is held against."""

    service: Side
    rivals: Sequence[Side]
    stored: Stored

    def ratio(self, rival: int = 0) -> float:
        """The service's CPU per frame over that of a rival."""
        return self.service.cpu_per_frame_us / self.rivals[rival].cpu_per_frame_us


def print_round(number: int, one: Round) -> None:
    """Print a round, a line for each process and one for the candles."""
    for side in (one.service, *one.rivals):
        print(
            f"round {number}  {side.name:10} {side.frames:>9,} frames {side.frames_per_s:>6,.0f}/s"
            f"  CPU {side.cpu_s:6.2f} s (kernel {side.system_s:5.2f})  {side.cpu_per_frame_us:5.1f} us/frame"
            f"  peak {side.peak_mb:5.1f} MB  simulator {side.simulator_load:.2f} cores"
        )
    ratios = ", ".join(f"{one.ratio(number):.2f} to {side.name}" for number, side in enumerate(one.rivals))
    lost = one.stored.losses
    print(f"round {number}  ratio {ratios}")
    print(
        f"round {number}  candles: {lost.sent:,} sent, {lost.stored:,} stored, {lost.missing} missing,"
        f" {lost.different} different; from frame to row p50 {one.stored.p50_s * 1e3:.0f} ms,"
        f" p99 {one.stored.p99_s * 1e3:.0f} ms",
        flush=True,
    )


def median_ratio(rounds: Sequence[Round]) -> float:
    """The median over the rounds of the ratio to the first rival."""
    return median(one.ratio() for one in rounds)


def missed_marks(marks: Marks, rounds: Sequence[Round]) -> list[str]:
    """A sentence for each mark that was missed."""
    missed: list[str] = []
    if (ratio := median_ratio(rounds)) > marks.most_ratio:
        missed.append(f"the service takes {ratio:.2f} times the CPU of the bare loop, {marks.most_ratio} is the mark")
    if (peak_mb := max(one.service.peak_mb for one in rounds)) >= marks.most_mb:
        missed.append(f"the service took {peak_mb:.0f} MB, {marks.most_mb:.0f} is the mark")
    losses = [one.stored.losses for one in rounds]
    if not all(lost.sent for lost in losses):
        missed.append("no whole minute lay in a window, so nothing was compared: take more --minutes")
    missed += [
        f"{lost.missing} candles are missing and {lost.different} differ: {'; '.join(lost.examples)}"
        for lost in losses
        if lost.missing or lost.different
    ]
    slowest = min(side.frames_per_s for one in rounds for side in (one.service, *one.rivals))
    if slowest < marks.frames_per_s:
        missed.append(f"{slowest:,.0f} frames a second came of {marks.frames_per_s:,.0f}: the load was not reached")
    return missed
