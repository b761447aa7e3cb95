"""What happens to the news of a feed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.series import Series
from streamer.ingest.buffer import Buffer
from streamer.ingest.pipeline import Pipeline
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.toy_exchange import START_MS, candle_of, series_of

AHEAD_S = 100.0


class Stage:
    """A pipeline over a clock that the exchange's is ahead of."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.buffer = Buffer(10, self.facts.recorder)
        self.server_time = ServerTime(self.clock)
        now_at = self.clock.monotonic()
        self.server_time.measured(now_at, now_at, self.clock.time() + AHEAD_S)
        self.doubts = 0
        self.told: list[object] = []
        self.pipeline = Pipeline(
            self.buffer,
            self,
            clock=self.clock,
            server_time=self.server_time,
            recorder=self.facts.recorder,
            clock_doubted=self._doubt,
        )

    def _doubt(self) -> None:
        self.doubts += 1

    def closed(self, candle: Candle) -> None:
        """Hear of a candle."""
        self.told.append(candle)

    def settled(self, series: Sequence[Series]) -> None:
        """Hear of series that are live."""
        self.told.append(tuple(series))

    def broken(self, connection: int, series: Sequence[Series], cause: str) -> None:
        """Hear of a break."""
        self.told.append((connection, tuple(series), cause))


async def test_a_candle_is_stamped_with_the_exchanges_time_and_buffered() -> None:
    """Received by the exchange's clock, waiting by ours; counted on the way."""
    stage = Stage()
    await stage.clock.advance(20.0)
    stage.pipeline.candle_closed(candle_of("a"), None)
    received_time = datetime.fromtimestamp(1_700_000_000 + 20 + AHEAD_S, UTC)
    assert await stage.buffer.take(5) == [Delivery(candle_of("a"), Source.WS, received_time, 20.0)]
    assert stage.facts.metric("candles_received_total", exchange="test", interval="1m") == 1
    late_s = received_time.timestamp() - (START_MS / 1_000 + 60)
    assert stage.facts.metric("close_to_received_seconds_sum") == pytest.approx(late_s)


@pytest.mark.parametrize(("off_s", "doubts"), [(0.0, 0), (1.9, 0), (-1.9, 0), (2.1, 1), (-2.1, 1)])
def test_a_stamp_that_disagrees_raises_a_doubt(off_s: float, doubts: int) -> None:
    """Over two seconds off, the exchange's time is measured again; the candle is buffered all the same."""
    stage = Stage()
    stage.pipeline.candle_closed(candle_of("a"), int((stage.server_time.time() + off_s) * 1_000))
    assert stage.doubts == doubts
    assert len(stage.buffer) == 1


def test_what_the_feed_tells_is_passed_on() -> None:
    """Whoever keeps the series complete learns of candles, of breaks, and from when a stream brings them again."""
    stage = Stage()
    stage.pipeline.candle_closed(candle_of("a"), None)
    stage.pipeline.connection_broken(3, [series_of("a")], "lost")
    stage.pipeline.connection_settled([series_of("a"), series_of("b")])
    assert stage.told == [candle_of("a"), (3, (series_of("a"),), "lost"), (series_of("a"), series_of("b"))]
