"""What the machine can see of itself."""

from pathlib import Path

from streamer.app.doctor.machine import database_free_bytes, free_bytes, is_here, memory_bytes
from tests.fakes.vitals import server


def test_a_folder_that_is_not_there_yet_lies_where_its_parent_does(tmp_path: Path) -> None:
    """The data folder is made at the first start."""
    assert (free_bytes(tmp_path / "a" / "b") or 0) > 0


def test_a_folder_below_a_file_cannot_be_reached(tmp_path: Path) -> None:
    """Nothing is guessed then."""
    (tmp_path / "file").write_text("")
    assert free_bytes(tmp_path / "file" / "below") is None


def test_only_a_server_on_this_machine_is_seen(tmp_path: Path) -> None:
    """On a socket or the loopback address, with a folder that is there and is PostgreSQL's."""
    (tmp_path / "PG_VERSION").write_text("18")
    folder = str(tmp_path)
    assert database_free_bytes(server(address="127.0.0.1", data_directory=folder))
    assert database_free_bytes(server(address="", data_directory=folder))
    assert database_free_bytes(server(address="10.0.0.7", data_directory=folder)) is None
    assert database_free_bytes(server(address="::1")) is None
    assert database_free_bytes(server(address="::1", data_directory=str(tmp_path / "elsewhere"))) is None


def test_memory_is_known_of_this_machine_alone() -> None:
    """A container's address is not the machine's."""
    assert (memory_bytes(server(address="127.0.0.1")) or 0) > 1 << 20
    assert memory_bytes(server(address="172.18.0.2")) is None
    assert is_here(server(address="127.0.0.53"))
