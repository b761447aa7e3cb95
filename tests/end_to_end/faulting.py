"""Schedules of trouble, and the one oracle that judges what is left of them. Nothing is started or waited for here.

A schedule is drawn from its seed alone. The oracle knows one rule: what the exchanges published of the series that are
followed is what is stored, figure for figure, and what is listed as an open gap; nothing more, nothing else.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import NamedTuple

from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.naming import native
from tests.end_to_end.world import MINUTE_MS, Followed, Key, Row

EXCHANGES = ("binance", "bybit", "okx")
_SPOT, _LINEAR, _INVERSE = (
    (Market.SPOT, Kind.SPOT),
    (Market.LINEAR, Kind.PERPETUAL),
    (Market.INVERSE, Kind.PERPETUAL),
)
_SYMBOLS = (
    ("BTC-USDT", _SPOT, "BTC", "USDT"),
    ("ETH-USDT-PERP", _LINEAR, "ETH", "USDT"),
    ("BTC-USD-PERP", _INVERSE, "BTC", "USD"),
    ("POWR-USDT", _SPOT, "POWR", "USDT"),  # thin: flat candles
    ("KEY-USDT", _SPOT, "KEY", "USDT"),  # thin: the stream is silent, REST has flat candles
    ("QUIET-USDT", _SPOT, "QUIET", "USDT"),  # thin: the exchange has no such candles
)
_EXAMPLES = 5
_CROWDED = 50  # further symbols on each exchange


class Victim(StrEnum):
    """Where trouble strikes."""

    EXCHANGE = "exchange"  # played by the simulator
    STORE = "store"
    PROCESS = "process"


class Kinds(NamedTuple):
    """One kind of trouble: where, how long in seconds of the simulator, and for exchanges which faults it is made of.

    ``cut`` is how often, five seconds apart, connections are cut besides, so that the fault is met.
    """

    victim: Victim
    least_s: float
    most_s: float
    faults: tuple[Fault, ...] = ()
    cut: int = 0


def _stream(kind: FaultKind, least_s: float, most_s: float, cut: int = 0, code: int | None = None) -> Kinds:
    return Kinds(Victim.EXCHANGE, least_s, most_s, (Fault(kind=kind, code=code),), cut)


def _moment(kind: FaultKind, code: int | None = None) -> Kinds:
    return Kinds(Victim.EXCHANGE, 0.0, 0.0, (Fault(kind=kind, code=code),))


_GONE = tuple(Fault(kind=kind) for kind in (FaultKind.HANDSHAKE_REFUSED, FaultKind.REST_DOWN))

TROUBLES: Mapping[str, Kinds] = {
    "handshake_503": _stream(FaultKind.HANDSHAKE_REFUSED, 60, 300, cut=1),
    "handshake_429": _stream(FaultKind.HANDSHAKE_REFUSED, 60, 300, cut=1, code=429),
    "accept_then_close": _stream(FaultKind.ACCEPT_THEN_CLOSE, 60, 400, cut=1),
    "close_1000": _moment(FaultKind.CLOSE, 1000),
    "close_1001": _moment(FaultKind.CLOSE, 1001),
    "close_1006": _moment(FaultKind.CLOSE, 1006),
    "close_1012": _moment(FaultKind.CLOSE, 1012),
    "drop": _moment(FaultKind.DROP),
    "drops_while_subscribing": Kinds(Victim.EXCHANGE, 0.0, 0.0, cut=8),
    "half_open": _moment(FaultKind.HALF_OPEN),
    "oversized": _moment(FaultKind.OVERSIZED),
    "server_shutdown": _stream(FaultKind.SERVER_SHUTDOWN, 30, 600),
    "stall": _stream(FaultKind.STALL, 30, 400),
    "silence": _stream(FaultKind.SILENCE, 60, 400),
    "garbage": _stream(FaultKind.GARBAGE, 60, 300),
    "truncated": _stream(FaultKind.TRUNCATED, 60, 300),
    "duplicate": _stream(FaultKind.DUPLICATE, 60, 600),
    "late": _stream(FaultKind.LATE, 60, 600),
    "reordered": _stream(FaultKind.REORDERED, 60, 600),
    "slow_reader": _stream(FaultKind.SLOW_READER, 60, 300),
    "confirmation_lost": _stream(FaultKind.NO_ACK, 60, 300, cut=1),
    "acknowledged_but_silent": _stream(FaultKind.ACK_THEN_SILENCE, 60, 300, cut=1),
    "rest_429": _stream(FaultKind.RATE_LIMIT, 30, 300, cut=1),
    "rest_418": _stream(FaultKind.RATE_LIMIT, 30, 300, cut=1, code=418),
    "rest_down": _stream(FaultKind.REST_DOWN, 60, 600, cut=1),
    "rest_html": _stream(FaultKind.REST_HTML, 60, 600, cut=1),
    "rest_wrong": _stream(FaultKind.WRONG_REST, 120, 900, cut=2),
    "geoblock": _stream(FaultKind.GEOBLOCK, 60, 300, cut=1),
    "clock_off": _stream(FaultKind.CLOCK_OFF, 60, 900, cut=1),
    "exchange_gone": Kinds(Victim.EXCHANGE, 300, 600, _GONE, cut=1),
    "rejection_of_one": _stream(FaultKind.REFUSE_SYMBOL, 60, 300, cut=1),
    "store_cut": Kinds(Victim.STORE, 1, 300),
    "store_deaf": Kinds(Victim.STORE, 30, 300),
    "store_answers_lost": Kinds(Victim.STORE, 1, 120),
    "store_locked": Kinds(Victim.STORE, 30, 300),
    "store_backends_ended": Kinds(Victim.STORE, 0, 0),
    "store_polite_shutdown": Kinds(Victim.STORE, 30, 300),
    "store_rude_shutdown": Kinds(Victim.STORE, 30, 300),
    "store_killed": Kinds(Victim.STORE, 30, 300),
    "killed": Kinds(Victim.PROCESS, 0, 300),
    "killed_at_the_minute": Kinds(Victim.PROCESS, 0, 0),
    "stopped": Kinds(Victim.PROCESS, 0, 300),
    "frozen": Kinds(Victim.PROCESS, 30, 300),
    "started_without_store": Kinds(Victim.PROCESS, 30, 200),
    "dead_urls": Kinds(Victim.PROCESS, 60, 300),
    "tls_refused": Kinds(Victim.PROCESS, 60, 300),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One entry of a schedule; seconds of the simulator since its start. ``exchange`` None: all of them."""

    kind: str
    at_s: float
    for_s: float = 0.0
    exchange: str | None = None

    @property
    def victim(self) -> Victim:
        """Where it strikes."""
        return TROUBLES[self.kind].victim

    def faults(self) -> Iterator[Fault]:
        """What the simulator is told of it."""
        kinds = TROUBLES[self.kind]
        for fault in kinds.faults:
            one = replace(fault, at_s=self.at_s, for_s=self.for_s or None, exchange=self.exchange)
            if self.kind == "rejection_of_one" and self.exchange is not None:
                one = replace(one, symbol=native(self.exchange, _SPOT, "BTC", "USDT", None))
            yield one
        for number in range(kinds.cut):
            yield Fault(kind=FaultKind.DROP, at_s=self.at_s + 5.0 * number + 0.5, exchange=self.exchange)

    def __str__(self) -> str:
        where = f" on {self.exchange}" if self.exchange else ""
        return f"{self.kind}{where} at {self.at_s:.0f} s" + (f" for {self.for_s:.0f} s" if self.for_s else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What goes wrong in ``length_s`` seconds of the simulator. ``crowded`` follows many series with a tiny spool."""

    seed: int
    length_s: float
    troubles: tuple[Trouble, ...]
    crowded: bool = False

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The simulator's script."""
        return tuple(fault for trouble in self.troubles for fault in trouble.faults())

    def __str__(self) -> str:
        crowd = ", crowded" if self.crowded else ""
        return f"seed {self.seed} ({self.length_s / 60:.0f} min{crowd}): " + "; ".join(map(str, self.troubles))


def draw(seed: int, minutes: tuple[float, float] = (20.0, 30.0), most: int = 5) -> Schedule:
    """The schedule of ``seed``: one to ``most`` troubles, somewhere in so many minutes, on one exchange or on all."""
    random = Random(seed)  # noqa: S311 - the seed must give it back
    length_s = random.uniform(*minutes) * 60
    troubles = [_draw_one(random, kind, length_s) for kind in random.choices(list(TROUBLES), k=random.randint(1, most))]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def _draw_one(random: Random, kind: str, length_s: float) -> Trouble:
    kinds = TROUBLES[kind]
    for_s = random.uniform(kinds.least_s, kinds.most_s)
    at_s = random.uniform(0.0, max(0.0, length_s - for_s - 120.0))
    # A single symbol has a name on one exchange only; wrong URLs are given to one.
    all_of_them = kind not in {"rejection_of_one", "dead_urls", "tls_refused"} and random.random() < 0.3
    exchange = None if all_of_them else random.choice(EXCHANGES)
    one_of_exchanges = kinds.victim is Victim.EXCHANGE or kind in {"dead_urls", "tls_refused"}
    return Trouble(kind=kind, at_s=at_s, for_s=for_s, exchange=exchange if one_of_exchanges else None)


def soak(seed: int, hours: float, per_hour: float) -> Schedule:
    """One life of so many hours, with troubles for the exchanges and the database, but none for the process itself."""
    random = Random(seed)  # noqa: S311 - the seed must give it back
    length_s = hours * 3_600
    kinds = [kind for kind, one in TROUBLES.items() if one.victim is not Victim.PROCESS]
    troubles = [_draw_one(random, kind, length_s) for kind in random.choices(kinds, k=max(1, round(hours * per_hour)))]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def mixed(seed: int) -> Schedule:
    """A short schedule with a trouble of each victim, brief enough for every run of the tests."""
    random = Random(seed)  # noqa: S311 - the seed must give it back
    length_s = 480.0
    drawn = [
        _draw_one(random, random.choice([kind for kind, one in TROUBLES.items() if one.victim is victim]), length_s)
        for victim in Victim
    ]
    troubles = [replace(one, at_s=random.uniform(180.0, 300.0), for_s=min(one.for_s, 120.0)) for one in drawn]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def single(kind: str, seed: int, at_s: float = 240.0) -> Schedule:
    """A schedule of one trouble of ``kind``, of middling length."""
    kinds = TROUBLES[kind]
    for_s = (kinds.least_s + kinds.most_s) / 2
    drawn = _draw_one(Random(seed), kind, at_s + for_s)  # noqa: S311 - the seed must give it back
    trouble = replace(drawn, at_s=at_s, for_s=for_s)
    return Schedule(seed=seed, length_s=at_s + for_s + 240.0, troubles=(trouble,))


def gone_for_an_hour(seed: int) -> Schedule:
    """One exchange answers nobody for an hour."""
    exchange = Random(seed).choice(EXCHANGES)  # noqa: S311 - the seed must give it back
    trouble = Trouble(kind="exchange_gone", at_s=300.0, for_s=3_600.0, exchange=exchange)
    return Schedule(seed=seed, length_s=4_200.0, troubles=(trouble,))


def disk_full(seed: int) -> Schedule:
    """The database is away for longer than memory and a tiny spool can hold."""
    return Schedule(
        seed=seed,
        length_s=2_400.0,
        troubles=(Trouble(kind="store_cut", at_s=300.0, for_s=1_500.0),),
        crowded=True,
    )


def kills(count: int, seed: int) -> Schedule:
    """The process is killed ``count`` times in a row, each time while the frames of a minute's end come in."""
    troubles = tuple(Trouble(kind="killed_at_the_minute", at_s=240.0 + 300.0 * number) for number in range(count))
    return Schedule(seed=seed, length_s=240.0 + 300.0 * count, troubles=troubles)


def followed(schedule: Schedule) -> list[Followed]:
    """The series of a schedule: lively and thin ones of every market on each exchange."""
    found = [
        Followed(exchange, symbol, place[0], native(exchange, place, base, quote, None))
        for exchange in EXCHANGES
        for symbol, place, base, quote in _SYMBOLS
    ]
    if schedule.crowded:
        found += [
            Followed(
                exchange, f"X{number:04d}-USDT", Market.SPOT, native(exchange, _SPOT, f"X{number:04d}", "USDT", None)
            )
            for exchange in EXCHANGES
            for number in range(_CROWDED)
        ]
    return found


# ------------------------------------------------------------ the oracle


class Listed(NamedTuple):
    """A row of ``gaps``: a run of candles, both ends included, and whether it is asked for again by itself."""

    exchange: str
    symbol: str
    interval: str
    first_ms: int
    last_ms: int
    status: str
    asked_again: bool

    def candles(self) -> Iterator[Key]:
        """Its candles."""
        step = Interval(self.interval).milliseconds
        for open_ms in range(self.first_ms, self.last_ms + step, step):
            yield self.exchange, self.symbol, self.interval, open_ms


class Kept(NamedTuple):
    """A row of ``followed``: since when a series is wanted, and its mark."""

    since_ms: int
    mark_ms: int


class Holding(NamedTuple):
    """What the database says, the marks read first."""

    kept: Mapping[tuple[str, str, str], Kept]
    gaps: Sequence[Listed]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``owed`` candles had to be there; ``missing`` ones are not stored; ``wrong`` are the broken promises.

    ``behind_ms`` is how far the furthest mark is behind the last candle that was owed: no promise, but telling.
    """

    owed: int
    behind_ms: int
    missing: Collection[Key]
    open_gaps: int
    wrong: Sequence[str]

    @property
    def whole(self) -> bool:
        """Whether all is stored and nothing is wrong."""
        return not self.missing and not self.wrong


def judge(
    published: Mapping[Key, tuple[float | None, ...]], wanted: Sequence[Followed], holding: Holding, until_ms: int
) -> Verdict:
    """Hold the database against what was ``published``: the ``wanted`` candles that ended by ``until_ms`` are owed."""
    figures = {row.key: row.figures for row in holding.rows}
    listed = {key for gap in holding.gaps if gap.status == "open" for key in gap.candles()}
    absent = {key for gap in holding.gaps if gap.status == "absent" for key in gap.candles()}
    forgotten = {gap for gap in holding.gaps if gap.status == "open" and not gap.asked_again}
    series = {(one.exchange, one.symbol, one.interval.value) for one in wanted}
    owed = {
        key
        for key in published
        if (kept := holding.kept.get(key[:3])) is not None and kept.since_ms <= key[3] <= until_ms - MINUTE_MS
    }
    missing = owed - figures.keys()
    marks = {name: kept.mark_ms for name, kept in holding.kept.items()}
    wrong = [
        *_some("never followed", series - holding.kept.keys()),
        *_some("stored, though nobody published it", figures.keys() - published.keys()),
        *_some(
            "stored with other figures than published",
            {key for key, ours in figures.items() if key in published and published[key] != ours},
        ),
        *_some("called absent, though it was published", {key for key in missing if key in absent}),
        *_some("before the mark, and neither stored nor absent", {key for key in missing if key[3] < marks[key[:3]]}),
        *_some("neither stored nor listed as an open gap", missing - listed),
        *_some("an open gap, though it is stored", listed & figures.keys()),
        *_some("open, and never asked for again", forgotten),
    ]
    return Verdict(
        owed=len(owed),
        behind_ms=max((until_ms - mark for mark in marks.values()), default=0),
        missing=missing,
        open_gaps=sum(gap.status == "open" for gap in holding.gaps),
        wrong=wrong,
    )


def _some(what: str, which: Collection[tuple[object, ...]]) -> list[str]:
    if not which:
        return []
    shown = ", ".join(" ".join(map(str, one)) for one in sorted(which, key=str)[:_EXAMPLES])
    return [f"{what}: {len(which)} ({shown})"]
