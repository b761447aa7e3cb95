"""A series that comes out of two pools: what one endpoint gives says nothing about what the other does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from streamer.domain.candle import Delivery
from streamer.domain.gaps import Span
from streamer.domain.instrument import Market
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.exchanges.okx import OKX
from streamer.history.backfill import Backfill, Report
from streamer.history.page import PageFetcher
from streamer.history.plan import make_plan
from streamer.history.planning import Planner, note_absent
from streamer.history.runs import Asked
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.transport import RawAnswer
from streamer.store.contract import GapFilter
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.history import NOON, unheard
from tests.fakes.ledger import MemoryLedger
from tests.fakes.rest import instrument

AT_NOON = datetime.fromtimestamp(NOON, UTC)
STEP = 60_000
BTC = Chosen(
    replace(instrument("BTC", market=Market.SPOT, native="BTC-USDT"), exchange="okx", listed_time=from_ms(0)),
    Interval.M1,
)


class Server:
    """OKX with every minute, newest first; its history gives at most a hundred rows, and late."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The time, or one page."""
        assert timeout_s > 0
        assert body_bytes > 0
        await self._clock.sleep(2.0 if "history-candles" in url else 0.01)
        now_ms = int(self._clock.time() * 1_000)
        if url.endswith("/time"):
            return _answer([{"ts": str(now_ms)}])
        most = min(int(params["limit"]), 100 if "history-candles" in url else 300)
        first_ms = Interval.M1.floor_ms(int(params["before"]) + STEP)
        opens = range(first_ms, int(params["after"]), STEP)
        rows = [[str(at), "1", "2", "1", "2", "3", "3", "3", "1"] for at in opens if at + STEP <= now_ms]
        return _answer(rows[::-1][:most])


def _answer(data: list[dict[str, str]] | list[list[str]]) -> RawAnswer:
    return RawAnswer(200, {}, orjson.dumps({"code": "0", "msg": "", "data": data}))


class World:
    """OKX's history over that server, at noon."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.server_time = ServerTime(self.clock)
        self.delivered: set[datetime] = set()
        self.ledger = MemoryLedger(lambda _, at: at in self.delivered, lambda _: self.delivered)
        self._recorder = Facts().recorder
        client = RestClient(
            adapter=OKX,
            session=Server(self.clock),
            clock=self.clock,
            server_time=self.server_time,
            recorder=self._recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            options=RestOptions(share=1.0),
        )
        self.fetcher = PageFetcher(
            client=client,
            adapter=OKX,
            clock=self.clock,
            server_time=self.server_time,
            deliver=self._deliver,
            recorder=self._recorder,
        )

    async def backfill(self, minutes: int) -> Report:
        """Bring so many minutes before noon; while the time is read, noon passes."""
        planner = Planner(fetcher=self.fetcher, ledger=self.ledger, server_time=self.server_time, note=True)
        found = await planner.find([Asked(BTC, AT_NOON - timedelta(minutes=minutes))])

        async def proved(chosen: Chosen, absent: Sequence[Span]) -> None:
            await note_absent(self.ledger, chosen, absent, self.server_time.now())

        backfill = Backfill(
            make_plan(found.wants, planner.pools),
            fetcher=self.fetcher,
            proved=proved,
            settled=self._settled,
            clock=self.clock,
            recorder=self._recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            tell=unheard,
        )
        await backfill.run()
        [report] = backfill.reports()
        return report

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.delivered |= {one.candle.open_time for one in deliveries}

    async def _settled(self) -> None:
        """What is delivered is stored at once."""


async def test_fewer_rows_out_of_one_pool_are_no_absence() -> None:
    """300 rows of the newest candles do not make a whole answer of a hundred rows of history."""
    world = World()
    report = await world.clock.finish(world.backfill(12_000))
    assert (report.absent, report.unserved, report.error) == (0, (), None)
    assert world.delivered == {AT_NOON + timedelta(minutes=at) for at in range(-12_000, -1)}
    assert await world.ledger.gaps(GapFilter(), 10) == []


async def test_a_page_tells_out_of_which_pool_it_really_came() -> None:
    """One that was meant for the newest candles comes out of the history once it is too old for them."""
    world = World()
    await world.clock.finish(world.fetcher.ensure_time(BTC))
    noon_ms = to_ms(AT_NOON)

    async def pool(minutes_ago: int, route: int) -> str:
        first_ms = noon_ms - minutes_ago * STEP
        fetched = world.fetcher.fetch(BTC, Span(first_ms, first_ms + 9 * STEP), route=route)
        return (await world.clock.finish(fetched)).pool

    newest, history = [
        way.pool.name for way in world.fetcher.requests(BTC, Span(noon_ms - 200 * STEP, noon_ms - 190 * STEP))
    ]
    assert newest != history
    assert [await pool(200, 0), await pool(200, 1), await pool(3_000, 0), await pool(3_000, 1)] == [
        newest, history, history, history,
    ]  # fmt: skip
