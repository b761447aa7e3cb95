"""One spool file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.domain.candle import Delivery
from streamer.ingest.losses import Loss, loss_of
from streamer.ingest.spool_file import Damaged, DiskRefused, SpoolFile
from tests.fakes.spool import live, set_disk_full


class Desk:
    """Opens spool files at one path, and closes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open_files: list[SpoolFile] = []

    def open(self, candles: int = 1_000_000, size: int = 1 << 30) -> SpoolFile:
        """The file, after whoever had it open before let it go."""
        self.close()
        self.open_files.append(SpoolFile(self.path, most_candles=candles, most_bytes=size))
        return self.open_files[-1]

    def close(self) -> None:
        """Let go of everything."""
        while self.open_files:
            self.open_files.pop().close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose files are closed after the test."""
    desk = Desk(tmp_path / "spool-0.db")
    yield desk
    desk.close()


def minutes(*numbers: int) -> list[Delivery]:
    """Candles of one series."""
    return [live(number) for number in numbers]


def held(file: SpoolFile) -> list[Delivery]:
    """Everything in the file."""
    rows = file.take(1_000_000)
    return [] if rows is None else rows.deliveries


def test_what_went_in_comes_out_in_order_and_stays_until_forgotten(desk: Desk) -> None:
    """Also for the next process."""
    file = desk.open()
    assert file.is_new
    file.append(minutes(0, 1, 2), [])
    file.append(minutes(1), [])
    rows = file.take(2)
    assert rows is not None
    assert rows.deliveries == minutes(0, 1)
    assert held(file) == minutes(0, 1, 2, 1)
    file.forget(rows.last_id)
    assert len(file) == 2
    file = desk.open()
    assert not file.is_new
    assert len(file) == 2
    assert held(file) == minutes(2, 1)


def test_what_belongs_ahead_goes_ahead(desk: Desk) -> None:
    """In its own order, before all others, in a file that is empty or not, and after a restart too."""
    file = desk.open()
    file.append(minutes(4, 5), [], ahead=True)
    file.append(minutes(6), [])
    file.append(minutes(2, 3), [], ahead=True)
    file = desk.open()
    file.append(minutes(0, 1), [], ahead=True)
    file.append(minutes(7), [])
    assert held(file) == minutes(*range(8))
    assert len(file) == 8


def test_beyond_its_candles_the_oldest_give_way_and_are_remembered(desk: Desk) -> None:
    """What gave way is told, and is among the losses, for the next process too."""
    file = desk.open(candles=3)
    assert file.append(minutes(0, 1), []) == []
    assert file.append(minutes(2, 3, 4), []) == minutes(0, 1)
    assert held(file) == minutes(2, 3, 4)
    assert file.append(minutes(5), []) == minutes(2)
    first, last = live(0).candle, live(2).candle
    file = desk.open(candles=3)
    assert file.has_losses
    assert file.losses() == [Loss(first.series, first.open_time, last.open_time, 3)]


def test_beyond_its_bytes_the_oldest_give_way(desk: Desk) -> None:
    """The file stays about as large as it may be."""
    size = 400_000
    file = desk.open(size=size)
    dropped = 0
    for first in range(0, 20_000, 500):
        dropped += len(file.append(minutes(*range(first, first + 500)), []))
    assert dropped > 10_000
    assert len(file) + dropped == 20_000
    assert held(file) == minutes(*range(dropped, 20_000))
    assert desk.path.stat().st_size < 2 * size


def test_a_smaller_limit_holds_from_the_next_change_on(desk: Desk) -> None:
    """A setting may change between two runs."""
    desk.open().append(minutes(*range(50)), [])
    file = desk.open(candles=10)
    assert len(file.append(minutes(50), [])) == 41
    assert held(file) == minutes(*range(41, 51))


def test_losses_are_cleared_only_as_they_were_read(desk: Desk) -> None:
    """One that grew meanwhile stays."""
    file = desk.open()
    file.append([], [loss_of(live(1)), loss_of(live(1, "b"))])
    read = file.losses()
    file.append([], [loss_of(live(2))])
    file.clear_losses(read)
    [left] = file.losses()
    assert left.candles == 2
    file.clear_losses([left])
    assert file.losses() == []
    assert not file.has_losses


def test_a_full_disk_refuses_the_whole_of_an_append(desk: Desk) -> None:
    """Nothing of it is kept, what was there is still there, and it goes on when there is room."""
    file = desk.open()
    file.append(minutes(0), [])
    set_disk_full(file, full=True)
    with pytest.raises(DiskRefused, match="full"):
        file.append(minutes(*range(1, 1_000)), [loss_of(live(0))])
    assert held(file) == minutes(0)
    assert file.losses() == []
    set_disk_full(file, full=False)
    file.append(minutes(1), [])
    assert held(file) == minutes(0, 1)


def test_what_is_stored_is_not_given_again_while_the_disk_refuses_to_delete_it(desk: Desk) -> None:
    """It is deleted with the next change that the disk accepts."""
    file = desk.open()
    file.append(minutes(0, 1, 2), [])
    file._db.execute("pragma query_only = on")  # what SQLite answers is what a read-only disk makes it answer
    file.forget(2)
    assert len(file) == 1
    assert held(file) == minutes(2)
    with pytest.raises(DiskRefused, match="readonly"):
        file.append(minutes(3), [])
    file._db.execute("pragma query_only = off")
    file.append(minutes(1), [], ahead=True)
    assert held(file) == minutes(1, 2)
    assert len(file) == 2
    file = desk.open()
    assert held(file) == minutes(1, 2)


def test_an_emptied_file_gives_its_space_back(desk: Desk) -> None:
    """After a long outage the disk is free again, and the file goes on."""
    file = desk.open()
    for first in range(0, 40_000, 10_000):
        file.append(minutes(*range(first, first + 10_000)), [])
    rows = file.take(40_000)
    assert rows is not None
    assert file._value("page_count") * file._value("page_size") > 4_000_000
    file.forget(rows.last_id)
    file.append(minutes(1), [])
    assert held(file) == minutes(1)
    desk.close()
    assert desk.path.stat().st_size < 100_000


def test_rows_that_are_damaged_are_left_out_and_counted(desk: Desk) -> None:
    """A changed digit inside an otherwise healthy file makes no candle."""
    file = desk.open()
    file.append(minutes(0, 1, 2), [])
    file._db.execute("update candles set candle = replace(candle, '1.5', '1.7') where id = 2")
    file._db.execute("update candles set candle = x'ff' where id = 3")
    rows = file.take(10)
    assert rows is not None
    assert rows.deliveries == minutes(0)
    assert rows.damaged == 2
    assert rows.last_id == 3


@pytest.mark.parametrize(
    "content", [b"no database" * 1_000, b"SQLite format 3\0" + bytes(4_080), b"\0" * 8_192], ids=["words", "head", "0"]
)
def test_what_is_no_spool_file_is_told_apart(desk: Desk, content: bytes) -> None:
    """Garbage is damage, not a crash."""
    desk.path.write_bytes(content)
    with pytest.raises(Damaged):
        desk.open()


def test_a_file_that_was_cut_off_is_damage(desk: Desk) -> None:
    """It is found when it is opened."""
    desk.open().append(minutes(*range(5_000)), [])
    desk.close()
    octets = desk.path.read_bytes()
    desk.path.write_bytes(octets[: len(octets) // 2])
    with pytest.raises(Damaged):
        desk.open()


def test_a_file_of_another_version_is_left_alone(desk: Desk) -> None:
    """An older program does not touch what a newer one wrote."""
    desk.open()._db.execute("pragma user_version = 7")
    with pytest.raises(Damaged, match="version is 7"):
        desk.open()


def test_a_file_that_another_program_holds_is_refused(desk: Desk) -> None:
    """It is healthy: it must not be taken for damaged."""
    desk.open()
    with pytest.raises(DiskRefused, match="locked"):
        SpoolFile(desk.path, most_candles=10, most_bytes=1 << 20)
