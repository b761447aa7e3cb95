"""What a simulator can be told. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Ports of 0 are chosen freely. Times are in seconds of the simulator's clock.

    ``symbols`` is how many instruments each exchange lists at least; beyond the named ones they are synthetic and
    alternate between spot and linear. ``thin_share`` of the synthetic ones trade rarely. Forming frames come every
    ``forming_every_s`` for each subscribed series (0: none), or ``frames_per_s`` in total when that is given.
    ``latency_s`` delays every REST answer. ``clock_offset_s`` is how far the exchanges' clocks are ahead of ours.
    ``enforce_limits`` turns the exchanges' rate limits on. ``weights`` are Binance's weights a minute, by market, where
    they are not the documented ones: its lists state them, and linear's is that of both futures. ``replay`` names a
    recorded session, then the only market.
    """

    host: str = "127.0.0.1"
    ws_port: int = 0
    rest_port: int = 0
    seed: int = 1
    symbols: int = 0
    thin_share: float = 0.1
    forming_every_s: float = 2.0
    frames_per_s: float | None = None
    latency_s: float = 0.0
    clock_offset_s: float = 0.0
    history_days: int = 30
    enforce_limits: bool = True
    weights: Mapping[Market, int] = field(default_factory=dict)
    compression: bool = False
    faults: Sequence[Fault] = field(default=())
    replay: Path | None = None
