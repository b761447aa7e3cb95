"""Memory and disks."""

import re
from dataclasses import replace

import pytest

from streamer.app.doctor.finding import Verdict, spelled
from streamer.app.doctor.space import candles_a_day, judge_disk, judge_memory, judge_spool_disk
from streamer.store.vitals import Unread
from tests.fakes.vitals import BOOKS, GIB, SERVER, STORAGE, server
from tests.paths import ROOT

DAILY = 10 * GIB / 100_000_000 * 144_000  # bytes of one candle, times 100 series of 1m


@pytest.mark.parametrize(
    ("active", "index", "memory", "verdict"),
    [
        (4 * GIB, GIB, None, Verdict.OK),
        (4 * GIB + 1, GIB, None, Verdict.WARN),
        (4 * GIB, 2 * GIB, 8 * GIB, Verdict.OK),
        (4 * GIB, 2 * GIB + 1, 8 * GIB, Verdict.WARN),
        (4 * GIB + 1, GIB, 64 * GIB, Verdict.WARN),
    ],
)
def test_what_is_written_now_fits_into_memory(active: int, index: int, memory: int | None, verdict: Verdict) -> None:
    """All into the cache that the planner assumes, indexes into a fourth of the machine's memory where it is known."""
    found = judge_memory(SERVER, replace(STORAGE, active_bytes=active, active_index_bytes=index), memory)
    assert found.verdict is verdict
    assert ("cannot be seen" in found.sentence) is (memory is None)


def test_the_cure_for_a_large_index_of_a_plain_table_is_no_shorter_chunk() -> None:
    """A plain table has none."""
    plain = replace(STORAGE, chunk_interval=None, active_bytes=5 * GIB, active_index_bytes=5 * GIB)
    for memory in (None, 8 * GIB, 64 * GIB):
        found = judge_memory(SERVER, plain, memory)
        assert (found.verdict, "chunk" in found.cure) == (Verdict.WARN, False)


def test_the_memory_that_the_page_advises_is_enough() -> None:
    """docs/scale.md: the chunk that is written, its index and the least memory, for each number of series."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    rows = {cells[0]: cells[1:] for cells in map(_cells, page.splitlines()) if len(cells) == 4}
    written = rows["chunk that is written, of which index"]
    for sizes, memory_said in zip(written, rows["memory of the server"], strict=True):
        active, index = (int(float(number) * 1e9) for number in re.findall(r"([\d.]+) GB", sizes))
        memory = int(re.findall(r"(\d+) GB", memory_said)[0]) * GIB
        found = judge_memory(
            server(effective_cache_size=str(memory * 3 // 4)),
            replace(STORAGE, active_bytes=active, active_index_bytes=index),
            memory,
        )
        assert found.verdict is Verdict.OK, found.sentence


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_memory_is_not_judged_without_its_facts() -> None:
    """No chunk yet, a setting that is hidden, or no schema."""
    assert judge_memory(SERVER, replace(STORAGE, active_bytes=None), None).verdict is Verdict.SKIPPED
    assert judge_memory(server(shared_buffers=None), STORAGE, None).verdict is Verdict.SKIPPED
    assert judge_memory(SERVER, Unread("none"), None).verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    ("days", "verdict"), [(400.0, Verdict.OK), (81.0, Verdict.OK), (29.9, Verdict.FAIL), (2.9, Verdict.FAIL)]
)
def test_a_disk_that_will_be_full(days: float, verdict: Verdict) -> None:
    """Under a gibibyte is a failure whatever the growth."""
    assert judge_disk(SERVER, STORAGE, BOOKS, int(days * DAILY)).verdict is verdict


def test_a_disk_that_lasts_days_is_a_warning_and_few_days_a_failure() -> None:
    """A hundred times as many series, so that days are many gibibytes."""
    many = replace(BOOKS, followed={"1m": 10_000})
    verdicts = [judge_disk(SERVER, STORAGE, many, int(days * 100 * DAILY)).verdict for days in (30.1, 29.9, 3.1, 2.9)]
    assert verdicts == [Verdict.OK, Verdict.WARN, Verdict.WARN, Verdict.FAIL]


def test_what_cannot_be_told_is_said() -> None:
    """A hidden disk is skipped, with the size; a young table has no growth, and nothing is divided by it."""
    hidden = judge_disk(SERVER, STORAGE, BOOKS, None)
    assert hidden.verdict is Verdict.SKIPPED
    assert "20.0 GiB" in hidden.sentence
    for storage, books in ((replace(STORAGE, candles=None), BOOKS), (STORAGE, replace(BOOKS, followed={}))):
        found = judge_disk(SERVER, storage, books, 5 * GIB)
        assert found.verdict is Verdict.OK
        assert "cannot be told" in found.sentence


def test_the_data_folder_has_room_for_the_spool() -> None:
    """Else candles are dropped while the database is away."""
    assert judge_spool_disk(GIB, GIB).verdict is Verdict.OK
    assert judge_spool_disk(GIB - 1, GIB).verdict is Verdict.WARN
    assert judge_spool_disk(None, GIB).verdict is Verdict.SKIPPED


def test_candles_of_a_day() -> None:
    """By the length of each."""
    assert candles_a_day({"1m": 2, "1s": 1, "1d": 3}) == 2 * 1_440 + 86_400 + 3


def test_sizes_are_spelled_for_people() -> None:
    """From bytes to tebibytes."""
    assert [spelled(1024.0**power * 1.5) for power in range(5)] == ["2 B", "1.5 KiB", "1.5 MiB", "1.5 GiB", "1.5 TiB"]
