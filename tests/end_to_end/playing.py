"""Plays a schedule of trouble on the real process, the simulator and a real database, and has the oracle judge it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval
from streamer.simulator.simulator import Simulator
from streamer.timing.clock import Clock, FastClock, SystemClock
from tests.end_to_end.ailing import Store
from tests.end_to_end.faulting import (
    Holding,
    Schedule,
    Verdict,
    followed,
    judge,
    unrest,
)
from tests.end_to_end.holding import read_holding, revisions
from tests.end_to_end.places import NotPermitted, Places, places
from tests.end_to_end.proxy import door
from tests.end_to_end.restarting import Subject, Tally, Urls
from tests.end_to_end.troubles import TROUBLES, Place, Trouble, Victim
from tests.end_to_end.world import MINUTE_MS, Followed, Key, simulating, write_settings

RATE = 60.0
_CALM_RATE = 10.0  # faster, a busy machine is what ends connections: their limits last half a second
_SETTLE_S = 40 * 60.0  # gaps are asked for again after 1, 5 and 15 minutes, thin series every 10
_SETTLE_REFUSED_S = 80 * 60.0  # what an exchange refused is tried again after an hour
_HOURLY = {"rejection_of_one", "geoblock"}
_LOOK_EVERY_S = 60.0
_SPIKE_MS = 4_000
_TINY = 1_000  # candles: the least that the settings accept
_FORMING_EVERY_S = 5.0
_CROWD = 160  # instruments on each exchange: the named ones, and fifty spot ones at least


@dataclass(slots=True)
class Outcome:
    """What a schedule left behind. ``wrong`` is empty when the oracle is content."""

    schedule: Schedule
    verdict: Verdict
    wrong: list[str]
    tally: Tally
    stored: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    revisions: int = 0
    settled_s: float = 0.0
    log: list[str] = field(default_factory=list)

    def played(self) -> str:
        """Which troubles there were, and what became of what was listed as missing."""
        kinds = Counter(trouble.kind for trouble in self.schedule.troubles)
        listed, still = sum(self.gaps.values()), self.gaps.get("open", 0)
        return (
            f"faults: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))};"
            f" gaps: {listed} opened, {listed - still} closed, {still} open"
        )

    def report(self) -> str:
        """The figures, in a few lines."""
        tally, verdict = self.tally, self.verdict
        gaps = ", ".join(f"{count} {status}" for status, count in sorted(self.gaps.items())) or "none"
        growth = f", {tally.last_mb / warm_mb - 1:+.1%} since minute ten" if (warm_mb := tally.warm_mb) else ""
        return (
            f"{len(self.schedule.troubles)} troubles; candles: {verdict.owed} owed, {self.stored} stored,"
            f" {len(verdict.missing)} missing, the last mark {max(0, verdict.behind_ms) / MINUTE_MS:.0f} min behind;"
            f" {tally.total('candles_duplicate'):.0f} duplicates, {self.revisions} revisions,"
            f" {tally.total('candles_dropped'):.0f} given up; gaps: {gaps};"
            f" {tally.total('ws_reconnects'):.0f} reconnects, {tally.starts} starts;"
            f" REST: {tally.total('rest_requests'):.0f} requests,"
            f" at most {tally.most_weight:.0%} of a pool;"
            f" memory {tally.first_mb:.1f} to {tally.last_mb:.1f} MB{growth};"
            f" whole {self.settled_s / 60:.1f} min after the last trouble"
        )


def published(simulator: Simulator, wanted: list[Followed], since_ms: int) -> dict[Key, tuple[float | None, ...]]:
    """Every candle that the exchanges have published of these series, with its figures."""
    span = Span(since_ms, simulator.now_ms())
    found: dict[Key, tuple[float | None, ...]] = {}
    for one in wanted:
        for candle in simulator.published(one.exchange, one.market, one.native, one.interval, span):
            values = asdict(candle)
            key = one.exchange, one.symbol, one.interval.value, int(values.pop("open_ms"))
            values.pop("sent_closed")
            found[key] = tuple(values.values())
    return found


class Play:
    """One schedule in its world."""

    def __init__(self, schedule: Schedule, simulator: Simulator, clock: Clock, subject: Subject, store: Store) -> None:
        self._schedule = schedule
        self._simulator = simulator
        self._clock = clock
        self._subject = subject
        self._store = store
        self._wanted = followed(schedule)
        self._since_ms = Interval.M1.floor_ms(simulator.now_ms())
        self._began_at = clock.monotonic()

    async def run(self) -> Outcome:
        """Do the harm, wait until all is well or the time for it is over, stop the service, and judge."""
        await self._subject.start()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._subject.watch(self._clock))
            async with asyncio.TaskGroup() as troubles:
                for trouble in self._schedule.troubles:
                    troubles.create_task(self._strike(trouble))
                troubles.create_task(self._until(self._schedule.length_s))
            until_ms = self._simulator.now_ms()
            ended_at = self._clock.monotonic()
            hourly = any(trouble.kind in _HOURLY for trouble in self._schedule.troubles)
            await self._settle(until_ms, ended_at + (_SETTLE_REFUSED_S if hourly else _SETTLE_S))
            settled_s = self._clock.monotonic() - ended_at
            watching.cancel()
        wrong = await self._subject.finish()
        holding = await read_holding(self._store.url)
        verdict = self._judge(holding, until_ms)
        statuses = [gap.status for gap in holding.gaps]
        wrong += self._subject.places.missing_from("\n".join(self._subject.lines))
        if self._store.missed_a_copy and len(self._schedule.troubles) == 1:
            wrong.append("no COPY came: the trouble did not strike in one")
        if self._schedule.calm:
            wrong += unrest(holding, self._subject.tally.total("ws_reconnects"))
        return Outcome(
            schedule=self._schedule,
            verdict=verdict,
            wrong=[*verdict.wrong, *wrong],
            tally=self._subject.tally,
            stored=len(holding.rows),
            gaps={status: statuses.count(status) for status in set(statuses)},
            revisions=await revisions(self._store.url),
            settled_s=settled_s,
            log=self._subject.lines,
        )

    async def _settle(self, until_ms: int, deadline_at: float) -> None:
        while self._clock.monotonic() < deadline_at:
            await self._clock.sleep(_LOOK_EVERY_S)
            if self._judge(await read_holding(self._store.url), until_ms).whole:
                return

    def _judge(self, holding: Holding, until_ms: int) -> Verdict:
        return judge(published(self._simulator, self._wanted, self._since_ms), self._wanted, holding, until_ms)

    async def _until(self, at_s: float) -> None:
        await self._clock.sleep(max(0.0, at_s - (self._clock.monotonic() - self._began_at)))

    async def _strike(self, trouble: Trouble) -> None:
        if trouble.victim is Victim.EXCHANGE:
            return  # the simulator's script has it
        await self._until(trouble.at_s)
        if trouble.kind == "killed_at_the_minute":
            into_ms = self._simulator.now_ms() % MINUTE_MS
            spread_ms = hash((self._schedule.seed, trouble.at_s)) % _SPIKE_MS
            await self._clock.sleep((MINUTE_MS - into_ms + spread_ms) / 1_000)
        pause = self._clock.sleep
        if trouble.victim is Victim.PLACE:
            await self._subject.places.suffer(trouble, pause, self._store)
        elif trouble.victim is Victim.STORE:
            await self._store.suffer(trouble.kind, lambda: pause(trouble.for_s))
        else:
            await self._subject.suffer(trouble, lambda: pause(trouble.for_s), self._store)


@asynccontextmanager
async def _world(schedule: Schedule, folder: Path, rate: float, installation: Path | None) -> AsyncIterator[Play]:
    clock = FastClock(rate) if rate != 1.0 else SystemClock()
    with places(schedule.places, folder) as place:
        store = Store(place.store_disk.folder if place.store_disk else folder, installation)
        if Place.COLUMNS in schedule.places and not store.has_columns:
            raise NotPermitted("only TimescaleDB compresses chunks, and this database has none")
        await store.start()
        try:
            async with (
                door(store.url) as way,
                simulating(
                    *schedule.faults,
                    rate=rate,
                    seed=schedule.seed,
                    forming_every_s=_FORMING_EVERY_S,
                    symbols=_CROWD if schedule.crowded else 0,
                ) as simulator,
            ):
                store.door = way
                urls = _urls(schedule, simulator)
                settings = _settings(schedule, urls, folder, way.url, rate=rate, place=place)
                subject = Subject(settings, urls, folder, place, clock)
                play = Play(schedule, simulator, clock, subject, store)
                try:
                    yield play
                finally:
                    await subject.end()
        finally:
            await store.end()


def _urls(schedule: Schedule, simulator: Simulator) -> Urls:
    """The simulator's, by name where names are to fail: everything else is reached by address."""
    named = {one.exchange for one in schedule.troubles if TROUBLES[one.kind].place is Place.NAMES}
    return {
        exchange: {
            market: {
                side: url.replace("127.0.0.1", "localhost") if exchange in named else url for side, url in pair.items()
            }
            for market, pair in markets.items()
        }
        for exchange, markets in simulator.urls.items()
    }


def _settings(schedule: Schedule, urls: Urls, folder: Path, database_url: str, *, rate: float, place: Places) -> Path:
    symbols: dict[str, list[str]] = {}
    for one in followed(schedule):
        symbols.setdefault(one.exchange, []).append(one.symbol)
    more: dict[str, Any] = {"buffer_candles": _TINY} if schedule.crowded else {}
    if place.spool_disk is not None:
        more["data_dir"] = str(place.spool_disk.folder)
    elif schedule.crowded:
        more["spool"] = {"candles": _TINY}
    return write_settings(folder, urls, symbols, database_url=database_url, rate=rate, **more)


async def play(schedule: Schedule, folder: Path, *, rate: float = RATE, installation: Path | None = None) -> Outcome:
    """What ``schedule`` left behind, played in ``folder``, which any account may enter.

    Raises:
        NotPermitted: this machine does not allow what must be prepared for it.
    """
    rate = min(rate, _CALM_RATE) if schedule.calm else rate
    async with _world(schedule, folder, rate, installation) as one:
        return await one.run()
