"""An exchange that has every candle since its listing, and the parts of history built on it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from streamer.domain.candle import Delivery
from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, to_ms
from streamer.domain.series import Series
from streamer.history.backfill import Backfill, BackfillOptions, Headway, Report
from streamer.history.page import PageFetcher
from streamer.history.patient import PatientLedger
from streamer.history.plan import make_plan
from streamer.history.planning import Planner, note_absent
from streamer.history.runs import Asked
from streamer.rest.client import RestOptions
from streamer.rest.transport import RawAnswer
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.ledger import MemoryLedger
from tests.fakes.rest import answer, make_adapter, make_client

NOON = 1_699_963_200.0  # 2023-11-14T12:00:00Z


def unheard(_headway: Headway) -> None:
    """Tell nobody."""


@dataclass
class HistoryServer:
    """Serves candles as exchanges do: the forming one included, and more than was asked for where ``generous``."""

    clock: FakeClock
    listed_ms: int = 0
    absent: set[int] = field(default_factory=set)
    open_flags: set[int] = field(default_factory=set)  # open times that the exchange itself flags as not closed
    failing: dict[str, HistoryError] = field(default_factory=dict)  # by native symbol
    refused: dict[str, int] = field(default_factory=dict)
    refused_ms: list[int] = field(default_factory=list)
    generous: bool = False
    ahead_s: float = 0.0
    asked: list[tuple[str, str, int, int]] = field(default_factory=list)  # symbol, interval, first and last open time

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The server's time, or the candles of one window."""
        assert timeout_s > 0
        assert body_bytes > 0
        now_ms = int((self.clock.time() + self.ahead_s) * 1_000)
        if url.endswith("/time"):
            return answer(now_ms)
        symbol, interval = params["symbol"], Interval(params["interval"])
        first_ms, last_ms = int(params["first"]), int(params["last"])
        self.asked.append((symbol, interval.value, first_ms, last_ms))
        if symbol in self.failing:
            raise self.failing[symbol]
        step = interval.milliseconds
        if self.generous:
            first_ms, last_ms = first_ms - step, last_ms + step
        return answer({
            "rows": [
                (open_ms, False if open_ms in self.open_flags else None)
                for open_ms in range(max(first_ms, interval.floor_ms(self.listed_ms)), last_ms + 1, step)
                if open_ms <= now_ms and open_ms not in self.absent
            ],
            "refused": self.refused,
            "refused_ms": self.refused_ms,
        })  # fmt: skip


class HistoryWorld:
    """One exchange's history, wired together, at noon; what is delivered is kept."""

    def __init__(
        self,
        *,
        start_time: float = NOON,
        page_rows: int = 10,
        intervals: Sequence[Interval] = (Interval.M1,),
    ) -> None:
        self.clock = FakeClock(start_time)
        self.facts = Facts()
        self.server = HistoryServer(self.clock)
        self.server_time = ServerTime(self.clock)
        self.delivered: list[Delivery] = []
        self.storing = asyncio.Event()
        self.storing.set()
        adapter = make_adapter(page_rows=page_rows, intervals=intervals)
        client = make_client(
            adapter,
            self.server,
            self.facts.recorder,
            clock=self.clock,
            server_time=self.server_time,
            options=RestOptions(attempts=1),
        )
        self.fetcher = PageFetcher(
            client=client,
            adapter=adapter,
            clock=self.clock,
            server_time=self.server_time,
            deliver=self._deliver,
            recorder=self.facts.recorder,
        )
        self.ledger = MemoryLedger(
            lambda series, at: (series, at) in self.stored,
            lambda series: [at for one, at in self.stored if one == series],
        )

    @property
    def stored(self) -> set[tuple[Series, datetime]]:
        """What was delivered is stored."""
        return {(one.candle.series, one.candle.open_time) for one in self.delivered}

    async def backfill(
        self,
        asked: Sequence[Asked],
        tell: Callable[[Headway], None] = unheard,
        options: BackfillOptions | None = None,
        *,
        opening: bool = False,
    ) -> list[Report]:
        """Find out what is missing of the spans, and bring it; one report per series that lacked anything.

        With ``opening`` a first page is asked for where nobody says since when there are candles.
        """
        ledger = PatientLedger(
            self.ledger,
            clock=self.clock,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            before_wait=self.facts.recorder.database_unreachable,
        )
        planner = Planner(
            fetcher=self.fetcher,
            ledger=ledger,
            server_time=self.server_time,
            note=True,
            settled=self._settled if opening else None,
        )
        found = await planner.find(asked)

        async def proved(chosen: Chosen, absent: Sequence[Span]) -> None:
            await note_absent(ledger, chosen, absent, self.server_time.now())

        backfill = Backfill(
            make_plan(found.wants, planner.pools),
            fetcher=self.fetcher,
            proved=proved,
            settled=self._settled,
            clock=self.clock,
            recorder=self.facts.recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            tell=tell,
            options=options,
        )
        await backfill.run()
        return found.reported(backfill.reports())

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.delivered += deliveries

    async def _settled(self) -> None:
        """What is delivered is stored at once, unless a test holds it up."""
        await self.storing.wait()

    def minutes(self, symbol: str = "BTC-USDT") -> list[int]:
        """The minutes after (or before) noon at which the delivered candles of ``symbol`` open, as delivered."""
        opens = [one.candle.open_time for one in self.delivered if one.candle.series.symbol == symbol]
        return [(to_ms(at) - int(NOON) * 1_000) // 60_000 for at in opens]
