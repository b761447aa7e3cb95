"""The spool of a process: its slots, what earlier processes left, and what the disk may do to it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.domain.candle import Delivery
from streamer.domain.errors import StartError
from streamer.ingest.losses import Loss
from streamer.ingest.spool import Spool
from streamer.ingest.spool_slot import SpoolOptions
from streamer.timing.clock import SystemClock, now
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.spool import end_suddenly, live, make_spool, opened, own_file, own_slot, set_disk_full


def minutes(*numbers: int, topic: str = "a") -> list[Delivery]:
    """Candles of one series."""
    return [live(number, topic) for number in numbers]


async def drained(spool: Spool, most: int = 2) -> list[Delivery]:
    """Everything in the spool, as it would be stored; receive instants left out."""
    found: list[Delivery] = []
    while True:
        taken, batch = await spool.take(most)
        if taken is None:
            return found
        found += [Delivery(one.candle, one.source, one.received_time) for one in batch]
        await spool.forget(taken)


def files(folder: Path, pattern: str) -> list[str]:
    """The names that fit."""
    return [path.name for path in folder.glob(pattern)]


def bad(facts: Facts) -> list[tuple[int, str]]:
    """Damage that was said: how many series it touches, and where the file is now."""
    return [(line["series"], Path(line["file"]).name) for line in facts.lines() if line["event"] == "spool_damaged"]


# ---------------------------------------------------------------- from run to run


@pytest.mark.parametrize("leave", [Spool.close, end_suddenly], ids=["closed", "killed"])
async def test_the_next_run_finds_what_was_left(tmp_path: Path, leave: Callable[[Spool], object]) -> None:
    """All that was appended and not forgotten, in order, however the run ended; and it is said."""
    spool = await opened(tmp_path)
    assert await spool.append(minutes(0, 1, 2, 3))
    taken, batch = await spool.take(2)
    assert taken is not None
    assert len(batch) == 2
    await spool.forget(taken)
    await spool.take(1)
    if (ending := leave(spool)) is not None:
        assert asyncio.iscoroutine(ending)
        await ending
    facts = Facts()
    spool = await opened(tmp_path, facts)
    assert len(spool) == 2
    assert facts.said("spool_found") == 1
    assert facts.metric("spool_candles") == 2
    assert await drained(spool) == minutes(2, 3)
    assert facts.metric("spool_candles") == 0
    assert facts.said("spool_drained") == 1
    await spool.close()


async def test_a_real_thread_does_the_same(tmp_path: Path) -> None:
    """The worker that is used in earnest keeps order as well, and ends with the spool."""
    spool = Spool(SpoolOptions(tmp_path), clock=SystemClock(), recorder=Facts().recorder)
    await spool.open()
    async with asyncio.TaskGroup() as tasks:
        for first in range(0, 20, 2):
            tasks.create_task(spool.append(minutes(first, first + 1)))
    assert await drained(spool) == minutes(*range(20))
    await spool.close()


async def test_the_wait_on_disk_counts_as_delay(tmp_path: Path) -> None:
    """A candle's receive instant is worked out for the clock of the process that stores it."""
    clock = FakeClock(start_time=live(0).received_time.timestamp() + 90.0)
    await clock.advance(5.0)
    spool = await opened(tmp_path, clock=clock)
    await spool.append(minutes(0))
    _, [delivery] = await spool.take(1)
    assert clock.monotonic() - delivery.received_at == pytest.approx(95.0)
    await spool.close()


@pytest.mark.parametrize("older_first", [True, False])
async def test_two_processes_have_two_files_and_a_third_adopts_what_they_leave(
    tmp_path: Path, *, older_first: bool
) -> None:
    """Neither sees the other's candles; once both are dead, their candles come oldest head first."""
    first, second = await opened(tmp_path), await opened(tmp_path)
    older, newer = (first, second) if older_first else (second, first)
    await older.append(minutes(0, 1, 8))
    await newer.append(minutes(4, 5))
    assert (len(older), len(newer)) == (3, 2)
    end_suddenly(first)
    end_suddenly(second)
    third = await opened(tmp_path)
    assert len(third) == 5
    assert await drained(third, most=10) == minutes(0, 1, 8, 4, 5)
    assert not (tmp_path / "spool-1.db").exists()
    await third.close()


async def test_an_orphans_losses_are_taken_over(tmp_path: Path) -> None:
    """They survive the file in which they were written."""
    first, second = await opened(tmp_path), await opened(tmp_path, candles=2)
    await second.append(minutes(0, 1, 2, 3))
    end_suddenly(first)
    end_suddenly(second)
    third = await opened(tmp_path)
    assert await drained(third) == minutes(2, 3)
    [loss] = await third.overflowed()
    assert (loss.first_time, loss.last_time, loss.candles) == (live(0).candle.open_time, live(1).candle.open_time, 2)
    await third.clear_overflow([loss])
    assert not third.has_overflow
    await third.close()
    assert files(tmp_path, "*.db") == ["spool-0.db"]


async def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    """A file in its place stops the start."""
    (tmp_path / "spool").write_text("in the way")
    spool = make_spool(tmp_path / "spool")
    with pytest.raises(StartError, match=r"the spool's folder .* cannot be used"):
        await spool.open()
    await spool.close()


# ---------------------------------------------------------------- losses


async def test_what_memory_gave_up_is_kept_with_the_rest(tmp_path: Path) -> None:
    """Losses of memory and of the file are one run per series, and survive the process."""
    facts = Facts()
    spool = await opened(tmp_path, facts, candles=2)
    spool.lost(live(9))
    assert spool.has_overflow
    await spool.append(minutes(0, 1, 2))
    assert facts.metric("candles_dropped_total", exchange="test") == 1
    end_suddenly(spool)
    spool = await opened(tmp_path)
    series = live(0).candle.series
    expected = [Loss(series, live(0).candle.open_time, live(9).candle.open_time, 2)]
    assert await spool.overflowed() == expected
    spool.lost(live(3, "b"))
    await spool.clear_overflow(expected)
    assert [loss.series for loss in await spool.overflowed()] == [live(3, "b").candle.series]
    await spool.close()


# ---------------------------------------------------------------- damage


def cut(path: Path) -> None:
    """Half of the file is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path: Path) -> None:
    """The file holds something else."""
    path.write_bytes(b"\xa5" * path.stat().st_size)


def empty(path: Path) -> None:
    """The file has no length."""
    path.write_bytes(b"")


def delete(path: Path) -> None:
    """The file is gone."""
    path.unlink()


@pytest.mark.parametrize("harm", [cut, scribble, empty, delete])
async def test_a_lost_file_becomes_losses_of_what_it_may_have_held(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """Every series, from its first candle until now; it is said, and the spool goes on with a new file."""
    spool = await opened(tmp_path)
    await spool.append([*minutes(*range(3, 2_000)), *minutes(7, topic="b")])
    await spool.close()
    harm(tmp_path / "spool-0.db")
    facts, clock = Facts(), FakeClock(start_time=live(3_000).received_time.timestamp())
    spool = await opened(tmp_path, facts, clock=clock)
    end_time = live(3_000).candle.series.interval.floor(now(clock))
    assert await spool.overflowed() == [
        Loss(live(3).candle.series, live(3).candle.open_time, end_time, 0),
        Loss(live(7, "b").candle.series, live(7).candle.open_time, end_time, 0),
    ]
    assert [series for series, _ in bad(facts)] == [2]
    assert len(spool) == 0
    await spool.append(minutes(5_000))
    end_suddenly(spool)
    spool = await opened(tmp_path)
    assert await drained(spool) == minutes(5_000)
    assert len(await spool.overflowed()) == 2
    await spool.close()


async def test_a_file_of_another_version_is_set_aside_whole(tmp_path: Path) -> None:
    """Whoever goes back to the newer program still has it, twice if it happens twice."""
    clock = FakeClock()
    for times in (1, 2):
        spool = await opened(tmp_path, clock=clock)
        await spool.append(minutes(1))
        own_file(spool)._db.execute("pragma user_version = 2")
        await spool.close()
        facts = Facts()
        spool = await opened(tmp_path, facts, clock=clock)
        [(_, name)] = bad(facts)
        assert name.startswith("spool-0.damaged-")
        assert len(files(tmp_path, "spool-0.damaged-*.db")) == times
        await spool.close()


async def test_damage_without_a_journal_is_said_to_be_unbounded(tmp_path: Path) -> None:
    """Nothing is known then, and nothing is claimed."""
    spool = await opened(tmp_path)
    await spool.append(minutes(1))
    await spool.close()
    scribble(tmp_path / "spool-0.db")
    scribble(tmp_path / "spool-0.series")
    facts = Facts()
    spool = await opened(tmp_path, facts)
    assert await spool.overflowed() == []
    [line] = [line for line in facts.lines() if line["event"] == "spool_damaged"]
    assert line["series"] == 0
    assert "all since the last stored" in line["cure"]
    await spool.close()


async def test_a_drained_spool_that_is_lost_lost_nothing(tmp_path: Path) -> None:
    """The journal forgets with the file."""
    spool = await opened(tmp_path)
    await spool.append(minutes(1, 2))
    await drained(spool)
    await spool.close()
    delete(tmp_path / "spool-0.db")
    facts = Facts()
    spool = await opened(tmp_path, facts)
    assert await spool.overflowed() == []
    assert bad(facts) == []
    await spool.close()


async def test_losses_outlive_the_loss_of_the_file_that_kept_them(tmp_path: Path) -> None:
    """Until someone took them over, the journal knows of them as well."""
    spool = await opened(tmp_path, candles=1)
    await spool.append(minutes(1, 2))
    assert await drained(spool) == minutes(2)
    await spool.close()
    scribble(tmp_path / "spool-0.db")
    spool = await opened(tmp_path)
    [loss] = await spool.overflowed()
    assert loss.first_time == live(1).candle.open_time
    await spool.close()


async def test_damage_while_running_stops_nothing(tmp_path: Path) -> None:
    """The file is set aside, what it held becomes losses, and what came for it goes into a new one."""
    facts = Facts()
    spool = await opened(tmp_path, facts)
    await spool.append(minutes(1, 2))
    taken, _ = await spool.take(1)
    own_file(spool)._db.execute("drop table candles")
    assert await spool.append(minutes(3))
    assert len(bad(facts)) == 1
    assert taken is not None
    await spool.forget(taken)  # of the old file: it must not touch the new one's
    assert await drained(spool) == minutes(3)
    [loss] = await spool.overflowed()
    assert loss.first_time == live(1).candle.open_time
    await spool.close()


async def test_rows_that_cannot_be_read_are_suspected_and_passed_over(tmp_path: Path) -> None:
    """The healthy ones around them are still stored."""
    spool = await opened(tmp_path)
    await spool.append(minutes(*range(6)))
    own_file(spool)._db.execute("update candles set crc = crc + 1 where id in (2, 3, 4)")
    assert await drained(spool) == minutes(0, 4, 5)
    [loss] = await spool.overflowed()
    assert loss.first_time == live(0).candle.open_time
    await spool.close()


# ---------------------------------------------------------------- a full disk


async def test_a_full_disk_keeps_nothing_and_says_so_once(tmp_path: Path) -> None:
    """The caller is told, the rest of the spool is intact, and all goes on when there is room."""
    facts = Facts()
    spool = await opened(tmp_path, facts)
    await spool.append(minutes(0))
    set_disk_full(own_file(spool), full=True)
    many = minutes(*range(1, 1_000))
    spool.lost(live(5_000))
    assert not await spool.append(many)
    assert not await spool.append(many)
    assert facts.said("spool_refused") == 1
    assert len(spool) == 1
    [loss] = await spool.overflowed()
    assert loss.candles == 1
    set_disk_full(own_file(spool), full=False)
    assert await spool.append(many)
    assert facts.said("spool_accepted") == 1
    assert await drained(spool, most=700) == minutes(*range(1_000))
    assert await spool.overflowed() == [loss]
    await spool.close()


async def test_a_folder_that_vanished_refuses(tmp_path: Path) -> None:
    """Damage with no place for a new file leaves the spool without one, until there is a place again."""
    facts = Facts()
    folder = tmp_path / "spool"
    spool = await opened(folder, facts)
    await spool.append(minutes(0))
    own_file(spool)._db.execute("drop table candles")
    folder.rename(tmp_path / "elsewhere")
    assert not await spool.append(minutes(1))
    assert len(spool) == 0
    assert own_slot(spool)._file is None
    (tmp_path / "elsewhere").rename(folder)
    assert await spool.append(minutes(1))
    assert await drained(spool) == minutes(1)
    [loss] = await spool.overflowed()
    assert loss.first_time == live(0).candle.open_time
    await spool.close()
