"""A format is named or told by the file's name; a file is there whole or not at all."""

import os
from pathlib import Path

import pytest

from streamer.cli.formats import Format, chosen_format, destination
from streamer.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("named", "output", "wanted"),
    [
        (None, None, Format.TABLE),
        ("csv", None, Format.CSV),
        (None, "a.jsonl", Format.JSONL),
        (None, "a.b.csv", Format.CSV),
        ("csv", "a.txt", Format.CSV),
    ],
)
def test_the_format_is_found(named: str | None, output: str | None, wanted: Format) -> None:
    """What is named counts before what the file is called."""
    assert chosen_format(named, None if output is None else Path(output)) is wanted


@pytest.mark.parametrize(("named", "output"), [(None, "a.txt"), (None, "csv"), ("table", "a.csv")])
def test_a_file_without_a_format_is_refused(named: str | None, output: str) -> None:
    """The sentence names what would do."""
    with pytest.raises(ConfigurationError, match=r"give --format, or an --output that ends in .arrow, .csv"):
        chosen_format(named, Path(output))


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Until then its place has what was there before."""
    target = tmp_path / "a.csv"
    target.write_bytes(b"old")
    with destination(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """Neither half a file nor a file on the side."""
    target = tmp_path / "a.csv"

    def fail_half_way() -> None:
        with destination(target) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_a_device_stay_what_they_are(tmp_path: Path) -> None:
    """The file behind a link is replaced; a device is written to."""
    target, link = tmp_path / "a.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    with destination(link) as file:
        file.write(b"new")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")
    with destination(Path(os.devnull)) as file:
        file.write(b"gone")
    assert Path(os.devnull).is_char_device()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In one sentence that names the file as it was given."""
    with (
        pytest.raises(ConfigurationError, match=r"no/a.csv cannot be written: No such file or directory"),
        destination(tmp_path / "no" / "a.csv"),
    ):
        pass
