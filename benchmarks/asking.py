"""A process with the simulator as a server of history that remembers what it was asked, and when, by its own clock.

Standard output: one line of JSON with the URLs, then one line per question. Standard input: per line a question in
JSON: with ``since_ms`` the requests from then on, with a series as in ``benchmarks.serving`` its candles, and else the
exchanges' time. Its end ends the process.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from benchmarks.serving import answer as candles
from streamer.simulator.faults import parse_faults
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import make_clock


def answer(simulator: Simulator, question: dict[str, Any]) -> Any:
    """What was asked since, the candles, or the time."""
    if "since_ms" in question:
        return [one for one in simulator.asked if one.at_ms >= question["since_ms"]]
    return candles(simulator, question) if "exchange" in question else simulator.now_ms()


async def _run(options: SimulatorOptions, rate: float) -> None:
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Simulator(options, make_clock(rate)) as simulator:
        print(json.dumps(simulator.urls), flush=True)
        while line := await lines.readline():
            print(json.dumps(answer(simulator, json.loads(line))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--latency-s", type=float, required=True)
    parser.add_argument("--script", type=json.loads, default={"faults": []})
    parser.add_argument("--clock-rate", type=float, default=1.0)
    chosen = parser.parse_args()
    asyncio.run(
        _run(
            SimulatorOptions(
                symbols=chosen.symbols,
                latency_s=chosen.latency_s,
                faults=parse_faults(chosen.script),
                forming_every_s=0.0,
            ),
            chosen.clock_rate,
        )
    )
