"""The facts of the spool."""

from tests.fakes.facts import Facts


def test_the_use_of_the_disk_is_said_when_it_begins_and_when_it_ends() -> None:
    """Not for every batch; the gauge follows every change."""
    facts = Facts()
    for candles in (0, 5, 9, 4, 0, 0, 3):
        facts.recorder.spool.filled(candles)
        assert facts.metric("spool_candles") == candles
    assert facts.said("spool_in_use") == 2
    assert facts.said("spool_drained") == 1


def test_a_disk_that_refuses_is_said_once_until_it_accepts() -> None:
    """Each trouble has one line and one end."""
    facts = Facts()
    for _ in range(3):
        facts.recorder.spool.refused("full")
    facts.recorder.spool.accepted()
    facts.recorder.spool.accepted()
    facts.recorder.spool.refused("full")
    assert facts.said("spool_refused") == 2
    assert facts.said("spool_accepted") == 1


def test_damage_tells_whether_more_may_be_missing() -> None:
    """The cure differs, the file is named."""
    facts = Facts()
    facts.recorder.spool.damaged("data/spool/x.db", "cut off", 3, sure=True)
    facts.recorder.spool.damaged("data/spool/y.db", "cut off", 0, sure=False)
    first, second = facts.lines()
    assert (first["file"], first["series"]) == ("data/spool/x.db", 3)
    assert first["cure"] != second["cure"]
