"""What is known of a spool file that cannot be read."""

from pathlib import Path

from streamer.domain.interval import from_ms, to_ms
from streamer.ingest.losses import Loss
from streamer.ingest.spool_journal import Journal
from tests.fakes.spool import TIME, live

NOW = TIME.replace(year=2027)


def noted(path: Path, *minutes: int, topic: str = "a") -> Journal:
    """A journal that was told of candles."""
    journal = Journal(path)
    journal.note((live(minute, topic).candle.series, live(minute, topic).candle.open_time) for minute in minutes)
    return journal


def test_each_series_is_suspected_from_its_first_candle_on(tmp_path: Path) -> None:
    """Another process reads the same: from the earliest open time until now, count unknown."""
    path = tmp_path / "spool-0.series"
    noted(path, 5, 7, 3)
    noted(path, 8, topic="b")
    first, other = live(3).candle, live(8, "b").candle
    assert Journal(path).suspects(NOW) == [
        Loss(first.series, first.open_time, NOW, 0),
        Loss(other.series, other.open_time, NOW, 0),
    ]


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    """A journal has a line per series, not per candle."""
    path = tmp_path / "spool-0.series"
    journal = noted(path, 3)
    length = path.stat().st_size
    journal.note([(live(9).candle.series, live(9).candle.open_time)])
    assert path.stat().st_size == length
    assert len(journal) == 1


def test_damage_costs_the_damaged_lines_only(tmp_path: Path) -> None:
    """The others are still believed, and it is known that some are not."""
    path = tmp_path / "spool-0.series"
    noted(path, 1)
    noted(path, 2, topic="b")
    octets = bytearray(path.read_bytes())
    octets[12] ^= 1
    path.write_bytes(octets)
    journal = Journal(path)
    assert journal.damaged
    assert [loss.series for loss in journal.suspects(NOW)] == [live(2, "b").candle.series]


def test_a_line_that_was_cut_off_spoils_no_later_one(tmp_path: Path) -> None:
    """A process that died while writing it is followed by one that begins on a new line."""
    path = tmp_path / "spool-0.series"
    noted(path, 1)
    path.write_bytes(path.read_bytes()[:-7])
    noted(path, 2, topic="b")
    assert [loss.series for loss in Journal(path).suspects(NOW)] == [live(2, "b").candle.series]


def test_an_emptied_journal_suspects_nothing(tmp_path: Path) -> None:
    """And it can be told anew."""
    path = tmp_path / "spool-0.series"
    journal = noted(path, 1)
    journal.clear()
    assert Journal(path).suspects(NOW) == []
    journal.note([(live(6).candle.series, live(6).candle.open_time)])
    [suspect] = Journal(path).suspects(NOW)
    assert suspect.first_time == live(6).candle.open_time


def test_a_candle_of_the_future_makes_no_run_that_ends_before_it_begins(tmp_path: Path) -> None:
    """The clock at the next start may be behind."""
    journal = noted(tmp_path / "spool-0.series", 5)
    [suspect] = journal.suspects(from_ms(to_ms(live(1).candle.open_time)))
    assert suspect.first_time == suspect.last_time == live(5).candle.open_time
