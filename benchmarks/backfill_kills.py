"""Kills a command again and again at moments of a seed, and counts what its end made the next one ask again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.processes import Child, child
from streamer.timing.clock import SystemClock

_LOOK_S = 0.02
_CANDLES = frozenset({"klines", "kline", "candles", "history-candles"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What an exchange answered well: requests for candles, others (lists, times, first days); and what it refused."""

    candles: int
    others: int
    refused: int

    def less(self, before: "Asked") -> "Asked":
        """What came since."""
        return Asked(self.candles - before.candles, self.others - before.others, self.refused - before.refused)


@dataclass(frozen=True, slots=True)
class Killed:
    """``kills`` runs ended by SIGKILL, and one that went to its end; ``planned`` requests would have done."""

    kills: int
    planned: int
    asked: Asked

    @property
    def repeated(self) -> float:
        """The share of the requests for candles that were made twice."""
        return self.asked.candles / self.planned - 1

    @property
    def repeated_all(self) -> float:
        """The share of all requests, when each run's reading of lists and times is counted as a repetition too."""
        once = self.planned + self.asked.others / (self.kills + 1)
        return (self.asked.candles + self.asked.others) / once - 1

    def line(self) -> str:
        """The figures in a line."""
        return (
            f"{self.kills} times SIGKILL: {self.asked.candles - self.planned:,} of {self.planned:,} requests for"
            f" candles were made twice ({self.repeated:.2%}; {self.repeated_all:.2%} of all, lists and times included)"
        )


async def asked_of(exchange: str, simulator: Child) -> Asked:
    """What the simulator counted so far."""
    candles = others = refused = 0
    for name, path, status, count in json.loads(await simulator.ask("{}")):
        if name == exchange:
            is_well, is_candles = status == 200, path in _CANDLES
            candles += count * (is_well and is_candles)
            others += count * (is_well and not is_candles)
            refused += count * (not is_well)
    return Asked(candles, others, refused)


def moments(kills: int, planned: int, random: Random) -> Iterator[int]:
    """After how many answers to kill: one moment at random in each of equal parts of the work."""
    return (int((turn + random.random()) * planned / kills) for turn in range(kills))


async def killed_at(answers: Sequence[int], arguments: Sequence[str], exchange: str, simulator: Child) -> None:
    """Start the command anew for each of ``answers``, and kill it once the exchange has given so many in all.

    Raises:
        RuntimeError: it came to its end before that.
    """
    clock = SystemClock()
    before = await asked_of(exchange, simulator)
    for answered in answers:
        async with child(*arguments) as running:
            while (await asked_of(exchange, simulator)).less(before).candles < answered:
                if running.process.returncode is not None:
                    raise RuntimeError(f"it ended with {running.process.returncode} before {answered} answers")
                await clock.sleep(_LOOK_S)
            running.process.kill()
            await running.process.wait()
