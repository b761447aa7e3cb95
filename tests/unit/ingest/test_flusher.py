"""Moving candles from the buffer to the store, whatever the store does."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from streamer.domain.candle import Delivery, Source
from streamer.domain.errors import StoreMisconfigured, StoreUnavailable
from streamer.domain.merge import Outcome
from streamer.ingest.buffer import Buffer
from streamer.ingest.flusher import Flusher
from streamer.store.contract import Rejection, WriteReport, Written
from streamer.timing.clock import now
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import candle_of


class ScriptedSink:
    """Fails as written, then accepts; remembers every attempt. ``hang`` never answers."""

    def __init__(self, *failures: Exception, report: WriteReport | None = None) -> None:
        self.failures = list(failures)
        self.report = report
        self.attempts: list[list[Delivery]] = []
        self.accepted: list[Delivery] = []
        self.hang = False

    async def write(self, batch: Sequence[Delivery]) -> WriteReport:
        """The next outcome."""
        self.attempts.append(list(batch))
        if self.hang:
            await asyncio.Event().wait()
        if self.failures:
            raise self.failures.pop(0)
        self.accepted += batch
        if self.report is not None:
            return self.report
        kinds = (
            Written(one.candle.series.exchange, one.candle.series.interval, one.source, Outcome.INSERTED)
            for one in batch
        )
        return WriteReport(Counter(kinds))


class Stage:
    """A flusher between a buffer and a scripted sink."""

    def __init__(self, sink: ScriptedSink) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.buffer = Buffer(100, self.facts.recorder)
        self.sink = sink
        self.contested: list[Delivery] = []
        self.flusher = Flusher(
            self.buffer,
            sink,
            recorder=self.facts.recorder,
            clock=self.clock,
            random=Random(3),  # noqa: S311 - jitter, not a secret
            contested=self.contested.extend,
        )

    def live(self, minute: int) -> Delivery:
        """A candle off a stream, received now."""
        return Delivery(candle_of("a", minute), Source.WS, now(self.clock), self.clock.monotonic())

    def offer(self, *minutes: int) -> list[Delivery]:
        """Candles off a stream."""
        deliveries = [self.live(minute) for minute in minutes]
        for delivery in deliveries:
            self.buffer.offer(delivery)
        return deliveries


async def test_everything_held_is_stored_once_and_then_it_ends() -> None:
    """A closed buffer is drained; every candle is counted as written."""
    stage = Stage(ScriptedSink())
    offered = stage.offer(0, 1, 2)
    stage.buffer.close()
    await stage.clock.finish(stage.flusher.run())
    assert stage.sink.accepted == offered
    assert len(stage.buffer) == 0
    labels = {"exchange": "test", "interval": "1m", "source": "ws"}
    assert stage.facts.metric("candles_written_total", **labels) == 3
    assert stage.facts.metric("buffer_candles") == 0
    assert stage.facts.metric("database_up") == 1


@pytest.mark.parametrize("failures", [1, 5, 30])
async def test_an_outage_costs_nothing(failures: int) -> None:
    """The batch in hand is written again as it was until it is stored, and each candle is accepted exactly once."""
    sink = ScriptedSink(*[StoreUnavailable("away")] * failures)
    stage = Stage(sink)
    task = asyncio.create_task(stage.flusher.run())
    offered = stage.offer(0, 1)
    await stage.clock.advance(0.0)
    offered += stage.offer(2, 3)
    stage.buffer.close()
    await stage.clock.finish(task)
    assert sink.accepted == offered
    assert sink.attempts[: failures + 1] == [sink.attempts[0]] * (failures + 1)
    assert stage.facts.said("database_unreachable") == 1
    assert stage.facts.metric("database_up") == 1
    assert stage.clock.monotonic() <= failures * 10.0


async def test_a_database_that_will_not_have_us_is_tried_again() -> None:
    """A password may be mended while we wait; each cause is said once."""
    stage = Stage(
        ScriptedSink(StoreMisconfigured("password"), StoreUnavailable("away"), StoreMisconfigured("password"))
    )
    stage.offer(0)
    stage.buffer.close()
    await stage.clock.finish(stage.flusher.run())
    assert stage.facts.said("database_unreachable") == 2
    assert len(stage.sink.accepted) == 1


async def test_one_write_at_a_time_and_the_next_takes_all_that_came_meanwhile() -> None:
    """Batches grow by themselves while a write lasts."""
    stage = Stage(ScriptedSink(StoreUnavailable("slow")))
    task = asyncio.create_task(stage.flusher.run())
    stage.offer(0)
    await stage.clock.settle()
    stage.offer(1, 2, 3)
    await stage.clock.advance(1.0)
    assert [len(attempt) for attempt in stage.sink.attempts] == [1, 1, 3]
    stage.buffer.close()
    await stage.clock.finish(task)


async def test_cancelling_keeps_the_batch_in_hand_counted() -> None:
    """What was not stored is known, so that the end can say how much it was."""
    sink = ScriptedSink()
    sink.hang = True
    stage = Stage(sink)
    stage.offer(0, 1)
    task = asyncio.create_task(stage.flusher.run())
    await stage.clock.settle()
    stage.offer(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(stage.buffer) == 3
    assert sink.accepted == []


async def test_cancelling_between_two_attempts_is_immediate() -> None:
    """A drain that runs out of time does not wait for the next attempt."""
    stage = Stage(ScriptedSink(*[StoreUnavailable("away")] * 100))
    stage.offer(0)
    task = asyncio.create_task(stage.flusher.run())
    await stage.clock.advance(30.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(stage.buffer) == 1


async def test_the_fate_of_every_candle_is_recorded() -> None:
    """Outcomes and rejections are counted, contested ones are passed on, and the delay to storage is measured."""
    stage = Stage(ScriptedSink())
    offered = stage.offer(0, 1, 2, 3)
    kind = (offered[0].candle.series.exchange, offered[0].candle.series.interval, Source.WS)
    counts = Counter(
        {Written(*kind, Outcome.REPLACED): 1, Written(*kind, Outcome.KEPT): 1, Written(*kind, Outcome.DUPLICATE): 1}
    )
    stage.sink.report = WriteReport(counts, (offered[1],), (Rejection(offered[3], "22003"),))
    stage.buffer.close()
    await stage.clock.finish(stage.flusher.run())
    assert stage.contested == [offered[1]]
    for name in ("candles_revised_total", "candles_disagreed_total", "candles_duplicate_total"):
        assert stage.facts.metric(name, exchange="test") == 1
    assert stage.facts.metric("candles_rejected_total", exchange="test", reason="22003") == 1
    assert stage.facts.metric("received_to_stored_seconds_count") == 4
    assert stage.facts.metric("write_batch_rows_sum") == 4


async def test_a_bug_of_the_store_is_not_retried() -> None:
    """Only the store's own word makes it try again."""
    stage = Stage(ScriptedSink(ZeroDivisionError()))
    stage.offer(0)
    with pytest.raises(ZeroDivisionError):
        await stage.clock.finish(stage.flusher.run())
    assert len(stage.sink.attempts) == 1
