"""A process with the simulator as a server of history, limits enforced. It tells what it published and answered.

Standard output: one line of JSON with the URLs, then one line per question. Standard input: per line a question in
JSON: with ``exchange``, ``market``, ``native``, ``first_ms`` and ``last_ms`` the candles of that series; without, how
many requests were answered, by exchange, last part of the path, and status. Its end ends the process.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import astuple
from typing import Any

from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import make_clock


def answer(simulator: Simulator, question: dict[str, Any]) -> Any:
    """The open time and nine figures of each candle, or the counts."""
    if "exchange" in question:
        rows = simulator.published(
            question["exchange"],
            Market(question["market"]),
            question["native"],
            Interval.M1,
            Span(question["first_ms"], question["last_ms"]),
        )
        return [astuple(row)[:10] for row in rows]
    return [[*place, count] for place, count in simulator.answered.items()]


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
    parser.add_argument("--history-days", type=int, required=True)
    parser.add_argument("--clock-rate", type=float, default=1.0)
    chosen = parser.parse_args()
    asyncio.run(
        _run(
            SimulatorOptions(
                symbols=chosen.symbols,
                latency_s=chosen.latency_s,
                history_days=chosen.history_days,
                forming_every_s=0.0,
            ),
            chosen.clock_rate,
        )
    )
