"""What was given up, per series."""

from datetime import timedelta

from streamer.ingest.losses import Loss, Losses, loss_of
from tests.fakes.spool import live


def test_losses_of_one_series_become_one_run() -> None:
    """It spans the first and the last, whatever order they come in, and counts them all."""
    losses = Losses(map(loss_of, (live(5), live(2), live(9), live(4, topic="b"))))
    first, last = live(2).candle, live(9).candle
    other = live(4, topic="b").candle
    assert list(losses) == [
        Loss(first.series, first.open_time, last.open_time, 3),
        Loss(other.series, other.open_time, other.open_time, 1),
    ]


def test_only_losses_that_did_not_grow_are_removed() -> None:
    """What was lost after they were read is still to be told."""
    losses = Losses([loss_of(live(1)), loss_of(live(1, topic="b"))])
    read = list(losses)
    losses.add([loss_of(live(2))])
    losses.remove(read)
    [left] = losses
    assert left.candles == 2
    assert left.last_time - left.first_time == timedelta(minutes=1)


def test_taken_losses_are_gone() -> None:
    """Each is told once."""
    losses = Losses([loss_of(live(1))])
    assert losses.take() == [loss_of(live(1))]
    assert not losses
