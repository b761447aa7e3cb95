"""The measured process: ``streamer run`` as a user starts it, watched through its log and its metrics."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.following import Following
from benchmarks.processes import Child, child

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Service:
    """A running service, seen from outside. ``troubles`` are the lines of its log that are no mere news."""

    def __init__(self, running: Child, connections: int) -> None:
        self.running = running
        self._ready = asyncio.Event()
        self.troubles: list[str] = []
        self._address = ""
        self._stores = False
        self._connections = connections

    async def until_ready(self, most_s: float) -> None:
        """Return when every connection is live and the database answers.

        Raises:
            TimeoutError: that took longer than ``most_s``.
        """
        async with asyncio.timeout(most_s):
            await self._ready.wait()

    async def watch(self) -> None:
        """Read its log for ever."""
        while True:
            line = await self.running.line()
            try:
                told = json.loads(line)
            except ValueError:
                self.troubles.append(line.strip())
                continue
            event = told["event"]
            self._address = told.get("http", self._address)
            self._connections -= event == "connection_live"
            self._stores = self._stores or event == "database_reachable"
            if told["level"] not in {"info", "debug"}:
                self.troubles.append(line.strip())
            if self._connections <= 0 and self._stores:
                self._ready.set()

    async def metrics(self) -> Samples:
        """Every sample of ``/metrics`` by name and labels."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self._address}/metrics") as answer:
            text = await answer.text()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@asynccontextmanager
async def service(
    following: Following, urls: Mapping[str, Any], database_url: str, folder: Path, **more: Any
) -> AsyncIterator[Service]:
    """The service over the given simulator and database, stopped and drained at the end of the block.

    ``more`` are further settings.
    """
    config = folder / "streamer.yaml"
    tree = {
        **more,
        "rest": {"share": 1.0},
        "exchanges": {name: {"symbols": following.symbols(name), "urls": bases} for name, bases in urls.items()},
    }
    config.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    arguments = ("streamer", "run", "--config", str(config), "--port", "0", "--allow-simulated")
    async with child(*arguments, environment={"DATABASE_URL": database_url}, errors_too=True) as running:
        watched = Service(running, len(following.connections))
        async with asyncio.TaskGroup() as tasks:  # when the service ends by itself, so does the block
            watching = tasks.create_task(watched.watch())
            yield watched
            watching.cancel()


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (sample, own), value in samples.items() if sample == name and wanted <= own)


def quantile(before: Samples, after: Samples, histogram: str, share: float) -> float:
    """The quantile of what was observed between two looks, as Prometheus computes it: linear within a bucket."""
    counts = sorted(
        (float(dict(own)["le"]), value - before.get((sample, own), 0.0))
        for (sample, own), value in after.items()
        if sample == f"{histogram}_bucket"
    )
    if not counts or not counts[-1][1]:
        return float("nan")
    rank = share * counts[-1][1]
    low_s, below = 0.0, 0.0
    for high_s, count in counts:
        if count >= rank:
            return low_s if high_s == float("inf") else low_s + (high_s - low_s) * (rank - below) / (count - below)
        low_s, below = high_s, count
    return low_s
