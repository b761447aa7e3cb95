"""The cheapest way to ask for what is missing: which pages, over which pool, how many requests. Pure.

A page holds at most what one request may bring, begins and ends with a missing candle, and as few of them as can be
cover all that is missing. What a request then brings, and what follows from that, is for ``walk``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval
from streamer.protocol.adapter import Pool
from streamer.symbols.resolve import Chosen

_MOST_PAGES = 16  # of a stretch: its pages are asked for one after the other
_STRETCHES = 64  # at least so many, where there are pages enough: they are fetched side by side
_ROUND_TRIP_S = 0.1  # of a request that waits for nothing, and ...
_AT_ONCE = 16  # ... so many are under way
_WITNESSES = (10, 1)  # candles asked for beyond a page, as far as they fit in it and cost nothing

SURE_ROWS = 100  # any exchange answers so many whole; some answer no more, whatever their documents say

Cost = Callable[[int], int]  # the weight of a request for so many rows


class Page(NamedTuple):
    """One request: ``beyond`` more candles are asked for as witnesses, where that costs nothing."""

    window: Span
    beyond: int

    def rows(self, interval: Interval) -> int:
        """How many candles the request may bring."""
        return self.window.candles(interval) + self.beyond


@dataclass(frozen=True, slots=True)
class Want:
    """What is missing of one series, oldest first, and what asking for it takes."""

    chosen: Chosen
    holes: tuple[Span, ...]
    rows: int
    cost: Cost

    @property
    def candles(self) -> int:
        """How many candles are missing."""
        return sum(hole.candles(self.chosen.interval) for hole in self.holes)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of what is missing of one series, to be asked for in order; ``route`` says over which of its pools."""

    want: Want
    holes: tuple[Span, ...]
    route: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of one pool."""

    requests: int = 0
    weight: int = 0

    def plus(self, weight: int, requests: int = 1) -> "Load":
        """With so much more."""
        return Load(self.requests + requests, self.weight + weight)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be asked of one exchange: a lane for each pool, which work side by side."""

    wants: tuple[Want, ...]
    lanes: Mapping[Pool, tuple[Stretch, ...]]
    loads: Mapping[Pool, Load]

    @property
    def candles(self) -> int:
        """How many candles are missing."""
        return sum(want.candles for want in self.wants)

    @property
    def requests(self) -> int:
        """How many requests bring them when nothing fails and nothing is absent."""
        return sum(load.requests for load in self.loads.values())

    @property
    def weight(self) -> int:
        """What these cost, over all pools."""
        return sum(load.weight for load in self.loads.values())

    def seconds(self, share: float) -> float:
        """About how long that takes when ``share`` of each limit may be spent and nobody else spends it."""
        return max((_seconds(pool, load, share) for pool, load in self.loads.items()), default=0.0)


def page_of(interval: Interval, holes: Sequence[Span], most: int, cost: Cost) -> Page:
    """The first page of what is missing; ``holes`` are sorted, apart, and at least one."""
    first_ms, step = holes[0].first_ms, interval.milliseconds
    reach_ms = first_ms + (most - 1) * step
    last_ms = first_ms
    for hole in holes:
        if hole.first_ms > reach_ms:
            break
        last_ms = min(hole.last_ms, reach_ms)
    window = Span(first_ms, last_ms)
    rows = window.candles(interval)
    witnesses = sorted({*_WITNESSES, SURE_ROWS - rows}, reverse=True)  # in a small page as many as are sure to come
    free = (more for more in witnesses if 0 < more <= most - rows and cost(rows + more) == cost(rows))
    return Page(window, next(free, 0))


def pages(interval: Interval, holes: Iterable[Span], most: int, cost: Cost) -> Iterator[Page]:
    """The fewest pages of at most ``most`` candles that hold all that is missing, oldest first."""
    left = list(holes)[::-1]
    while left:
        near = []
        reach_ms = left[-1].first_ms + (most - 1) * interval.milliseconds
        while left and left[-1].first_ms <= reach_ms:
            near.append(left.pop())
        page = page_of(interval, near, most, cost)
        yield page
        left += after(near, interval, page.window.last_ms)[::-1]


def after(holes: Iterable[Span], interval: Interval, last_ms: int) -> list[Span]:
    """What of the holes opens after ``last_ms``."""
    first_ms = last_ms + interval.milliseconds
    return [Span(max(hole.first_ms, first_ms), hole.last_ms) for hole in holes if hole.last_ms >= first_ms]


def until(holes: Iterable[Span], last_ms: int) -> list[Span]:
    """What of the holes opens at ``last_ms``, a boundary, or before."""
    return [Span(hole.first_ms, min(hole.last_ms, last_ms)) for hole in holes if hole.first_ms <= last_ms]


def make_plan(wants: Sequence[Want], routes: Callable[[Chosen, Page], Sequence[Pool]]) -> Plan:
    """The plan for what is missing. ``routes`` gives the pools over which a page may be asked for, the usual one first.

    Pages that may take either of two pools go where they are done sooner. They are each a stretch of its own and come
    first, because the second way may close while the others are fetched.
    """
    about = sum(-(-want.candles // want.rows) for want in wants)
    each = max(1, min(_MOST_PAGES, about // _STRETCHES))
    lanes: dict[Pool, list[Stretch]] = {}
    loads: dict[Pool, Load] = {}
    either: list[tuple[Want, Page, Sequence[Pool]]] = []
    for want in wants:
        found = pages(want.chosen.interval, want.holes, want.rows, want.cost)
        for ways, alike in groupby(found, key=partial(_ways, routes, want.chosen)):
            whole = list(alike)
            if len(ways) > 1:
                either += ((want, page, ways) for page in whole)
                continue
            for first in range(0, len(whole), each):
                part = whole[first : first + each]
                lanes.setdefault(ways[0], []).append(Stretch(want, _within(want, part[0], part[-1])))
                loads[ways[0]] = loads.get(ways[0], Load()).plus(_weight(want, part), len(part))
    ahead: dict[Pool, list[Stretch]] = {}
    for want, page, pools in either:
        weight = _weight(want, [page])
        busy_s = [loads.get(pool, Load()).plus(weight).weight * pool.window_s / pool.limit for pool in pools]
        route = busy_s.index(min(busy_s))
        ahead.setdefault(pools[route], []).append(Stretch(want, _within(want, page, page), route))
        loads[pools[route]] = loads.get(pools[route], Load()).plus(weight)
    return Plan(tuple(wants), {pool: (*ahead.get(pool, ()), *lanes.get(pool, ())) for pool in loads}, loads)


def _ways(routes: Callable[[Chosen, Page], Sequence[Pool]], chosen: Chosen, page: Page) -> tuple[Pool, ...]:
    return tuple(routes(chosen, page))


def _within(want: Want, first: Page, last: Page) -> tuple[Span, ...]:
    interval = want.chosen.interval
    rest = after(want.holes, interval, first.window.first_ms - interval.milliseconds)
    return tuple(until(rest, last.window.last_ms))


def _weight(want: Want, found: Iterable[Page]) -> int:
    return sum(want.cost(page.rows(want.chosen.interval)) for page in found)


def _seconds(pool: Pool, load: Load, share: float) -> float:
    windows = -(-load.weight // max(1, int(pool.limit * share)))
    return max(0, windows - 1) * pool.window_s + load.requests * _ROUND_TRIP_S / _AT_ONCE
