"""The facts of archives."""

from streamer.domain.errors import MalformedAnswer
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from tests.fakes.facts import Facts

SERIES = Series("binance", "BTC-USDT", Interval.M1)


def test_every_file_is_counted_by_what_came_of_it() -> None:
    """A file that is refused is a warning, one that is absent is not."""
    facts = Facts()
    archive = facts.recorder.archive
    archive.taken(SERIES, "/a.zip", 1_440, 60_000)
    archive.absent(SERIES, "/b.zip")
    archive.refused(SERIES, "/c.zip", "damaged", MalformedAnswer("two files in it"))
    archive.unavailable(SERIES, "/d.zip", MalformedAnswer("a page"))
    for outcome in ("taken", "absent", "damaged", "unavailable"):
        assert facts.metric("archive_files_total", exchange="binance", outcome=outcome) == 1
    assert facts.metric("archive_bytes_total", exchange="binance") == 60_000
    assert [line["event"] for line in facts.lines()] == [
        "archive_file_taken",
        "archive_file_absent",
        "archive_file_refused",
        "archive_unavailable",
    ]
    assert [line["path"] for line in facts.lines()] == ["/a.zip", "/b.zip", "/c.zip", "/d.zip"]
