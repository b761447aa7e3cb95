"""A catalogue as of one fixed moment, for tests of the pure parts."""

from streamer.domain.instrument import Market
from streamer.simulator.catalogue import Catalogue, invent
from streamer.simulator.listing import Listing
from streamer.simulator.options import SimulatorOptions

NOW_MS = 1_795_220_585_000  # 2026-11-21 00:23:05 UTC
MINUTE_MS = 60_000
RUNNING_MS = NOW_MS - NOW_MS % MINUTE_MS


def catalogue(seed: int = 1, symbols: int = 0) -> Catalogue:
    """What a simulator lists that starts at ``NOW_MS``."""
    return invent(SimulatorOptions(seed=seed, symbols=symbols), NOW_MS)


def listed(exchange: str, market: Market, native: str, seed: int = 1) -> Listing:
    """One of its listings."""
    return catalogue(seed).by_name[exchange, market, native]
