"""A process that is killed at any moment, again and again, loses nothing that it had put on the disk."""

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random

from tests.integration.spool_process import MINUTES, open_spool, store_some
from tests.paths import ROOT

KILLS = 20


def live_and_die(folder: Path, database: Path, first: int, random: Random) -> int:
    """Start the process and kill it after some of its lines; the last number that it said was kept."""
    arguments = [str(folder), str(database), str(first), str(random.randint(0, 10_000))]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.spool_process", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(random.randint(1, 40))]
        process.kill()
        lines += process.stdout.readlines()
    assert process.returncode == -9
    kept = [int(line.split()[1]) for line in lines if line.startswith("kept ") and line.endswith("\n")]
    return max(kept)


async def drain(folder: Path, database: Path) -> int:
    """Store what the last process left; how much of what was in the spool became a suspicion instead."""
    spool = open_spool(folder)
    await spool.open()
    while await store_some(spool, database, 500):
        pass
    losses = await spool.overflowed()
    await spool.close()
    return len(losses)


def test_twenty_kills_cost_nothing(tmp_path: Path) -> None:
    """Every frame that was kept is stored, in order, at most a batch twice; a candle's last frame stays the last."""
    random = Random(20)  # noqa: S311 - a test's choice
    folder, database = tmp_path / "spool", tmp_path / "database"
    kept: set[int] = set()
    first = 0
    for _ in range(KILLS):
        last = live_and_die(folder, database, first, random)
        kept |= set(range(first, last + 1))
        first = last + 10_000  # what the process kept and could not say any more has numbers of its own
    assert asyncio.run(drain(folder, database)) == 0

    stored = [int(line) for line in database.read_text().splitlines()]
    assert kept <= set(stored)
    assert len(kept) > 10_000
    once = list(dict.fromkeys(stored))
    assert once == sorted(once)
    assert len(stored) - len(once) <= KILLS * 500
    last_of = {number % MINUTES: number for number in stored}
    assert last_of == {number % MINUTES: number for number in once}
