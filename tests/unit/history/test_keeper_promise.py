"""The promise, over random histories: what an exchange published is stored, absent by its own word, or an open gap."""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.domain.errors import HistoryError, Refused, Unavailable
from streamer.history.keeper import KeeperOptions
from streamer.store.contract import GapStatus
from tests.fakes.keeping import KeptWorld, Service, minute_of, times_in

MINUTES = 40
BASES = ("BTC", "ETH")
EVERY = KeeperOptions(every_s=20.0)
_STEPS = st.sampled_from(
    ["frame", "frame", "frame", "frame", "late frame", "no frame", "break", "connect", "connect", "kill", "rest away",
     "rest refuses", "rest back", "rest back", "store away", "store back", "store back", "slow store"]
)  # fmt: skip


@dataclass(frozen=True)
class History:
    """What the exchange has, and what happens in each minute; the last quarter of an hour is quiet and all is well.

    A halt is silent minutes of both series, longer than a page. What is hopeless cannot be, for ever. Of what does not
    fit into an answer the exchange keeps the oldest or the newest.
    """

    silent: frozenset[tuple[str, int]]
    empty: frozenset[tuple[str, int]]
    unclosed: frozenset[int]
    impossible: frozenset[int]
    hopeless: frozenset[int]
    halt: range
    keeps_oldest: bool
    steps: list[list[str]]


_MINUTES_OF = st.frozensets(st.tuples(st.sampled_from([f"{base}USDT" for base in BASES]), st.integers(-20, MINUTES)))
HISTORIES = st.builds(
    History,
    silent=_MINUTES_OF,
    empty=_MINUTES_OF,
    unclosed=st.frozensets(st.integers(-20, MINUTES), max_size=2),
    impossible=st.frozensets(st.integers(-20, MINUTES), max_size=2),
    hopeless=st.frozensets(st.integers(-20, MINUTES), max_size=2),
    halt=st.builds(lambda first, length: range(first, first + length), st.integers(-20, 10), st.integers(0, 30)),
    keeps_oldest=st.booleans(),
    steps=st.lists(st.lists(_STEPS, max_size=3), min_size=MINUTES, max_size=MINUTES),
)


class Play:
    """Runs one history."""

    def __init__(self, history: History) -> None:
        self.world = KeptWorld(*BASES, page_rows=12)
        self.history = history
        self.world.exchange.volume = self.volume
        self.world.exchange.impossible = set(history.impossible | history.hopeless)
        self.world.exchange.unclosed = set(history.unclosed)
        self.world.exchange.keeps_oldest = history.keeps_oldest
        self.late: list[tuple[int, str]] = []

    def volume(self, symbol: str, minute: int) -> float | None:
        """What the exchange published."""
        if (symbol, minute) in self.history.silent or minute in self.history.halt:
            return None
        return 0.0 if (symbol, minute) in self.history.empty else 3.0

    async def run(self) -> None:
        """All of it, and then quiet days until nothing is due any more."""
        world = self.world
        service = await world.service(EVERY).start(since=-20)
        for minute, steps in enumerate(self.history.steps):
            await world.go_to(minute + 1.1)
            for number, step in enumerate(steps):
                service = await self.act(step, minute, BASES[(minute + number) % 2], service)
            await world.go_to(minute + 1.5)
            for late, base in self.late:
                self.deliver(service, late, base)
            self.late.clear()
            await self.check()
        world.exchange.failure = lambda _symbol: None
        world.exchange.impossible = set(self.history.hopeless)
        world.exchange.unclosed = set()
        world.ledger.away = None
        world.slow_store = False
        service.flush()
        service.connect()
        for minute in range(MINUTES, MINUTES + 15):
            await world.go_to(minute + 1.1)
            for base in BASES:
                self.deliver(service, minute, base)
        await service.end()
        for days in (1, 2):  # all that comes is stored by others; what is listed is asked for again
            world.store(MINUTES + 15, days * 24 * 60)
            await world.clock.advance((days * 24 * 60 - world.minute) * 60)
            service = await world.service(EVERY).start()
            await world.go_to(days * 24 * 60 + 30)
            await service.end()

    async def act(self, step: str, minute: int, base: str, service: Service) -> Service:
        """One thing that happens in a minute; the service that runs then."""
        world, failures = (
            self.world,
            {"rest away": Unavailable("away"), "rest refuses": Refused("no"), "rest back": None},
        )
        if step == "frame":
            self.deliver(service, minute, base)
        elif step == "late frame":
            self.late.append((minute, base))
        elif step == "break":
            service.disconnect()
        elif step == "connect":
            service.connect()
        elif step == "kill":
            await service.end()
            service = await world.service(EVERY).start(since=minute)
        elif step in failures:
            self.fail(failures[step])
        elif step == "store away":
            world.lose_database()
        elif step == "store back":
            world.ledger.away, world.slow_store = None, False
            service.flush()
        elif step == "slow store":
            world.slow_store = True
        return service

    def fail(self, error: HistoryError | None) -> None:
        """From now on REST answers so."""
        self.world.exchange.failure = lambda _symbol: error

    def deliver(self, service: Service, minute: int, base: str) -> None:
        """The stream brings a candle, if there is one that can be and the series is connected."""
        impossible = self.history.impossible | self.history.hopeless
        published = self.volume(f"{base}USDT", minute) is not None and minute not in impossible
        if published and service.attention[self.world.series(base)].connected:
            service.stream(minute, base)

    async def check(self) -> None:
        """No mark is beyond what is stored or listed as absent, and nothing that exists is called absent."""
        for base in BASES:
            absent = await self.listed(base, GapStatus.ABSENT)
            held = set(self.world.minutes(base))
            assert absent <= self.missing(base) | held
            row = self.world.ledger.followed.get(self.world.series(base))
            if row is not None:
                assert set(range(-20, minute_of(row.mark))) <= held | absent

    def missing(self, base: str) -> set[int]:
        """The minutes of which the exchange has no candle."""
        return {minute for symbol, minute in self.history.silent if symbol == f"{base}USDT"} | set(self.history.halt)

    async def listed(self, base: str, status: GapStatus) -> set[int]:
        """The minutes listed so."""
        series = self.world.series(base)
        return {minute for gap in await self.world.gaps(status) if gap.run.series == series for minute in times_in(gap)}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(HISTORIES)
async def test_what_was_published_is_stored_and_what_was_not_is_absent(history: History) -> None:
    """Once all is well again, exactly; and at every moment before, no mark and no verdict is wrong."""
    play = Play(history)
    await play.run()
    await play.check()
    for base in BASES:
        stored = {minute for minute in play.world.minutes(base) if minute < MINUTES + 10}
        absent = await play.listed(base, GapStatus.ABSENT)
        hopeless = history.hopeless - play.missing(base)
        assert stored == set(range(-20, MINUTES + 10)) - play.missing(base) - hopeless
        assert {minute for minute in absent if minute < MINUTES + 10} == play.missing(base)
        assert await play.listed(base, GapStatus.OPEN) == hopeless
