"""Watches for connections that are well and yet withhold candles, by what REST shows; tells the feed what to renew.

It asks for nothing by itself but the proof about a subscription that was acknowledged and then stayed silent. What is
missing is the keeper's business.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from streamer.domain.candle import Candle
from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span
from streamer.domain.interval import to_ms
from streamer.domain.series import Series
from streamer.feed.news import Heard
from streamer.history.page import PageFetcher
from streamer.history.patience import Attention
from streamer.history.silence import Silence, Verdict
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.clock import Clock
from streamer.timing.pace import Pace
from streamer.timing.server_time import ServerTime

_EVERY_S = 5.0  # with the two below a silent subscription is judged within 90 s of its acknowledgement
_SILENT_MS = 60_000  # after its acknowledgement a subscription without any frame is looked into
_OPEN_FOR_MS = 20_000  # a candle that opened so long ago shows whether the series trades
_LOOK_CANDLES = 60  # at most, the newest: they are as good a proof as all since the acknowledgement
_FAILED_S = 60.0  # after which REST is asked again for the proof that it did not give


class Deliverer(Protocol):
    """The feed, as far as the sentinel knows it."""

    def heard(self, series: Series) -> Heard:
        """What the present connection of ``series`` has brought of it."""
        ...

    def resubscribe(self, series: Series) -> bool:
        """Ask for ``series`` anew on its connection; whether that is under way."""
        ...

    def replace(self, connection: int, reason: str) -> bool:
        """Replace a connection; whether that is under way."""
        ...


class Sentinel:
    """The sentinel of one exchange's feed."""

    def __init__(
        self,
        *,
        feed: Deliverer,
        chosen: Mapping[Series, Chosen],
        attention: Mapping[Series, Attention],
        fetcher: PageFetcher,
        pace: Pace,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
    ) -> None:
        self._feed = feed
        self._chosen = chosen
        self._attention = attention
        self._fetcher = fetcher
        self._pace = pace
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._silence = Silence()
        self._looked_at: dict[Series, float] = {}  # the acknowledgement that was last looked into
        self._look_again_at: dict[Series, float] = {}

    def delivered(self, series: Series) -> None:
        """The stream brought a closed candle: nothing is held against its connection."""
        self._silence.delivers(self._feed.heard(series).connection, series)

    def broken(self, connection: int) -> None:
        """The connection ended: nothing is held against the next one."""
        self._silence.renewed(connection)

    def shown(self, series: Series, candles: Sequence[Candle]) -> None:
        """REST brought candles, oldest first, that the stream owed us: withheld if traded and nothing came later."""
        traded = [candle for candle in candles if candle.volume > 0]
        heard = self._feed.heard(series)
        if not traded or heard.confirmed_at is None:
            return
        open_ms = to_ms(traded[-1].open_time)
        if heard.last_closed_ms is not None and heard.last_closed_ms >= open_ms:
            return
        end_ms = open_ms + series.interval.milliseconds
        ended_at = self._clock.monotonic() - (self._server_time.now_ms() - end_ms) / 1_000
        if heard.confirmed_at < ended_at and (heard.last_frame_at is None or heard.last_frame_at < ended_at):
            self._judge(series, heard.connection)

    async def run(self) -> None:
        """Look into silent subscriptions until cancelled; cancelling loses nothing."""
        while True:
            await self._clock.sleep(_EVERY_S)
            for chosen in list(self._chosen.values()):  # a listing may add to them meanwhile
                if self._proof(chosen.series) is not None:
                    await self._pace.wait()
                    if (window := self._proof(chosen.series)) is not None:
                        await self._look_into(chosen, window)

    def _proof(self, series: Series) -> Span | None:
        """The newest candles that opened since a silent subscription was acknowledged, once they can prove anything."""
        heard, now_at = self._feed.heard(series), self._clock.monotonic()
        if heard.confirmed_at is None or heard.last_frame_at is not None:
            return None
        if self._looked_at.get(series) == heard.confirmed_at or now_at < self._look_again_at.get(series, now_at):
            return None
        silent_ms, now_ms = int((now_at - heard.confirmed_at) * 1_000), self._server_time.now_ms()
        step = series.interval.milliseconds
        first_ms, last_ms = series.interval.floor_ms(now_ms - silent_ms) + step, series.interval.floor_ms(now_ms)
        if silent_ms < _SILENT_MS or now_ms < first_ms + _OPEN_FOR_MS:
            return None
        return Span(max(first_ms, last_ms - (_LOOK_CANDLES - 1) * step), last_ms)

    async def _look_into(self, chosen: Chosen, window: Span) -> None:
        """Ask REST whether the series traded since it was confirmed; one that did not is merely thin."""
        series = chosen.series
        confirmed_at = self._feed.heard(series).confirmed_at
        try:
            traded = await self._fetcher.look(chosen, window)
        except HistoryError as error:
            self._recorder.history_failed(series, error)
            self._look_again_at[series] = self._clock.monotonic() + _FAILED_S
            return
        if confirmed_at is not None:
            self._looked_at[series] = confirmed_at
        latest = self._feed.heard(series)
        if traded and latest.confirmed_at == confirmed_at and latest.last_frame_at is None:
            self._judge(series, latest.connection)

    def _judge(self, series: Series, connection: int) -> None:
        """Hold it against the connection, and have done what follows; what the feed cannot do now waits for more."""
        carried = {
            other: heard for other in self._chosen if (heard := self._feed.heard(other)).connection == connection
        }
        for other, since_at in self._silence.withheld(connection).items():
            last_frame_at = carried[other].last_frame_at if other in carried else since_at
            if last_frame_at is not None and last_frame_at >= since_at:
                self._silence.delivers(connection, other)
        now_at = self._clock.monotonic()
        since_at = self._silence.withheld(connection).get(series, now_at)
        verdict = self._silence.shown(
            connection,
            series,
            lively=sum(self._attention[other].lively for other in carried),
            mute=all(heard.last_frame_at is None or heard.last_frame_at < since_at for heard in carried.values()),
            now_at=now_at,
        )
        self._recorder.gaps.withheld(series, connection, verdict.value)
        if verdict is Verdict.RESUBSCRIBE and self._feed.resubscribe(series):
            self._silence.resubscribed(connection, series)
        elif verdict is Verdict.REPLACE and self._feed.replace(connection, "it withholds candles that REST shows"):
            self._silence.renewed(connection)
