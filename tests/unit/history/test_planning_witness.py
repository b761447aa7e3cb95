"""Where the first candle is looked for, an empty answer proves nothing."""

from collections.abc import Mapping

import orjson
import pytest

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, from_ms
from streamer.history.runs import Asked
from streamer.rest.transport import RawAnswer
from streamer.store.contract import GapFilter, GapStatus
from streamer.symbols.resolve import Chosen
from tests.fakes.history import NOON, HistoryWorld
from tests.fakes.rest import answer, instrument

DAY_MS = 86_400_000


@pytest.mark.parametrize("empty", [1, 2])
async def test_an_empty_page_of_days_is_no_absence(empty: int) -> None:
    """It is asked for again; and what came empty twice is neither stored nor called absent, but told."""
    world = HistoryWorld(page_rows=10, intervals=(Interval.H1, Interval.D1))
    chosen = Chosen(instrument("BTC"), Interval.H1)
    first_ms = Interval.D1.floor_ms(int(NOON) * 1_000) - 25 * DAY_MS
    whole = world.server.get
    left = [None] * empty

    async def get(url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        if params.get("interval") == "1d" and left:
            left.pop()
            return answer({"rows": [], "refused": {}, "refused_ms": []})
        return await whole(url, params, timeout_s=timeout_s, body_bytes=body_bytes)

    world.server.get = get  # type: ignore[method-assign]  # the fake with a hiccup
    [report] = await world.backfill([Asked(chosen, from_ms(first_ms), from_ms(first_ms + 11 * DAY_MS))])
    assert left == []
    assert await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10) == []
    assert len(world.delivered) == (11 if empty == 1 else 1) * 24
    assert sum(span.candles(Interval.H1) for span in report.unserved) == (0 if empty == 1 else 10) * 24


@pytest.mark.parametrize("opening", [False, True])
async def test_a_series_of_which_days_show_nothing_is_told(*, opening: bool) -> None:
    """Empty days prove no absence: what was asked for is said to be not served."""
    world = HistoryWorld(page_rows=10, intervals=(Interval.H1, Interval.D1))
    chosen = Chosen(instrument("BTC"), Interval.H1)
    first_ms = Interval.D1.floor_ms(int(NOON) * 1_000) - 25 * DAY_MS
    world.server.listed_ms = int(NOON) * 1_000
    [report] = await world.backfill(
        [Asked(chosen, from_ms(first_ms), from_ms(first_ms + 11 * DAY_MS))], opening=opening
    )
    assert (report.candles, report.left, report.error) == (0, (), None)
    assert report.unserved == (Span(first_ms, first_ms + 11 * DAY_MS - 3_600_000),)


async def test_hours_that_came_empty_prove_nothing() -> None:
    """Of the first day, the hours that one answer with candles covers may be called absent, and no others."""
    world = HistoryWorld(page_rows=10, intervals=(Interval.M1, Interval.H1, Interval.D1))
    chosen = Chosen(instrument("BTC"), Interval.M1)
    day_ms = Interval.D1.floor_ms(int(NOON) * 1_000) - 2 * DAY_MS
    world.server.listed_ms = day_ms + 3 * 3_600_000
    whole = world.server.get
    left = [None, None]

    async def get(url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        if params.get("interval") == "1h" and left:
            left.pop()
            return answer({"rows": [], "refused": {}, "refused_ms": []})
        return await whole(url, params, timeout_s=timeout_s, body_bytes=body_bytes)

    world.server.get = get  # type: ignore[method-assign]  # the fake with a hiccup
    await world.backfill([Asked(chosen, from_ms(day_ms), from_ms(day_ms + DAY_MS))])
    absent = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 1_000)
    assert all(gap.run.last_time < from_ms(world.server.listed_ms) for gap in absent)
    assert len(world.delivered) == 21 * 60


@pytest.mark.parametrize(("listed_days", "opening"), [(5, False), (60, True)])
async def test_days_that_were_cut_short_hide_no_older_ones(listed_days: int, *, opening: bool) -> None:
    """Where answers hold the newest hundred rows at most, the first day is older than the first that came."""
    world = HistoryWorld(page_rows=1_000, intervals=(Interval.H1, Interval.D1))
    chosen = Chosen(instrument("BTC"), Interval.H1)
    first_ms = Interval.D1.floor_ms(int(NOON) * 1_000) - 600 * DAY_MS
    world.server.listed_ms = first_ms + listed_days * DAY_MS
    whole = world.server.get

    async def get(url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        raw = await whole(url, params, timeout_s=timeout_s, body_bytes=body_bytes)
        if "interval" not in params:
            return raw
        body = orjson.loads(raw.body)
        return answer({**body, "rows": body["rows"][-100:]})

    world.server.get = get  # type: ignore[method-assign]  # the fake with a smaller page than it says
    await world.backfill([Asked(chosen, from_ms(first_ms), from_ms(first_ms + 580 * DAY_MS))], opening=opening)
    absent = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10)
    assert all(gap.run.last_time < from_ms(world.server.listed_ms) for gap in absent)
    assert len(world.delivered) == (580 - listed_days) * 24
