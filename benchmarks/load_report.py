"""The figures of the load benchmark, as a table and as a verdict. Pure but for the printing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.losses import Losses

_LEAST_LOAD = 0.95  # of the frames asked for: below it the simulator was the limit, and the run says nothing


class Marks(NamedTuple):
    """What must be held."""

    most_ratio: float
    most_mb: float
    frames_per_s: float


@dataclass(slots=True, kw_only=True)
class Side:
    """One process in one window. ``simulator_load`` is in cores; ``stored_after_s`` are p50 and p99 of the service."""

    frames: int
    lasted_s: float
    cpu_s: float
    system_s: float
    peak_mb: float
    simulator_load: float
    stored_after_s: list[float] = field(default_factory=list)

    @property
    def cpu_per_frame_us(self) -> float:
        """CPU time per frame received."""
        return 1e6 * self.cpu_s / max(1, self.frames)


def print_rounds(rounds: Sequence[tuple[Side, Side]], losses: Sequence[Losses], first: int) -> None:
    """Print each round as three lines."""
    for number, ((ours, bare), lost) in enumerate(zip(rounds, losses, strict=True), first):
        for name, side in (("streamer", ours), ("bare", bare)):
            print(
                f"round {number}  {name:8} {side.frames:>9,} frames {side.frames / side.lasted_s:>7,.0f}/s"
                f"  CPU {side.cpu_s:7.2f} s (kernel {side.system_s:6.2f})  {side.cpu_per_frame_us:6.1f} us/frame"
                f"  peak {side.peak_mb:5.1f} MB  simulator {side.simulator_load:.2f} cores"
            )
        p50_s, p99_s = ours.stored_after_s
        print(
            f"round {number}  ratio {ours.cpu_per_frame_us / bare.cpu_per_frame_us:.2f}"
            f"  candles: {lost.sent:,} sent, {lost.stored:,} stored, {lost.missing} missing, {lost.different} different"
            f"  received to stored: p50 {p50_s * 1e3:.0f} ms, p99 {p99_s * 1e3:.0f} ms",
            flush=True,
        )


def verdict(marks: Marks, ratio: float, rounds: Sequence[tuple[Side, Side]], losses: Sequence[Losses]) -> list[str]:
    """A sentence for each mark that was missed."""
    missed: list[str] = []
    if ratio > marks.most_ratio:
        missed.append(f"the service takes {ratio:.2f} times the CPU of the bare loop, {marks.most_ratio} is the mark")
    peak_mb = max(ours.peak_mb for ours, _ in rounds)
    if peak_mb >= marks.most_mb:
        missed.append(f"the service took {peak_mb:.0f} MB, {marks.most_mb:.0f} is the mark")
    if not all(lost.sent for lost in losses):
        missed.append("no whole minute lay in a window, so nothing was compared: take more --minutes")
    for lost in losses:
        if lost.missing or lost.different:
            missed.append(f"{lost.missing} candles are missing and {lost.different} differ: {'; '.join(lost.examples)}")
    slowest = min(side.frames / side.lasted_s for pair in rounds for side in pair)
    if slowest < _LEAST_LOAD * marks.frames_per_s:
        missed.append(
            f"only {slowest:,.0f} frames a second came of {marks.frames_per_s:,.0f}: the load was not reached"
        )
    return missed
