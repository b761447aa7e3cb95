"""A process with the simulator under load. It answers what it sent, from its own ledger.

Standard output: one line of JSON with the URLs, then one line per question. Standard input: per line a question, JSON
with ``series`` (exchange, market, native symbol) and ``first_ms`` to ``last_ms``, or without ``series`` for the
exchanges' time; its end ends the process.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import make_clock


def sent(simulator: Simulator, question: dict[str, Any]) -> list[list[Any]]:
    """The candles whose closing frames were sent: exchange, market, native symbol, open time, and six figures."""
    span = Span(question["first_ms"], question["last_ms"])
    return [
        [*key, one.open_ms, one.open, one.high, one.low, one.close, one.volume, one.quote_volume]
        for key in question["series"]
        for one in simulator.published(key[0], Market(key[1]), key[2], Interval.M1, span)
        if one.sent_closed
    ]


async def _run(options: SimulatorOptions, clock_rate: float) -> None:
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Simulator(options, make_clock(clock_rate)) as simulator:
        print(json.dumps(simulator.urls), flush=True)
        while line := await lines.readline():
            question = json.loads(line)
            answer = sent(simulator, question) if "series" in question else simulator.now_ms()
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--frames-per-s", type=float, required=True)
    parser.add_argument("--clock-rate", type=float, default=1.0)
    chosen = parser.parse_args()
    options = SimulatorOptions(symbols=chosen.symbols, frames_per_s=chosen.frames_per_s, enforce_limits=False)
    asyncio.run(_run(options, chosen.clock_rate))
