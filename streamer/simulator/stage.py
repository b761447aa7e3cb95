"""What every part of a running simulator shares: its options, its clock, the exchanges' time, its faults."""

from collections.abc import Callable
from dataclasses import dataclass

from streamer.simulator.faults import FaultPlan
from streamer.simulator.options import SimulatorOptions
from streamer.timing.clock import Clock


@dataclass(frozen=True, slots=True)
class Stage:
    """``time`` gives the exchanges' time in Unix seconds."""

    options: SimulatorOptions
    clock: Clock
    plan: FaultPlan
    time: Callable[[], float]

    def now_ms(self) -> int:
        """The exchanges' time in Unix milliseconds."""
        return int(self.time() * 1_000)
