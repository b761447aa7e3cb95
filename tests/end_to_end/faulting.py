"""Schedules of trouble, and the one oracle that judges what is left of them. Nothing is started or waited for here.

A schedule is drawn from its seed alone. The oracle knows one rule: what the exchanges published of the series that are
followed is what is stored, figure for figure, and what is listed as an open gap; nothing more, nothing else.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from streamer.domain.instrument import Kind, Market
from streamer.domain.interval import Interval
from streamer.simulator.faults import Fault
from streamer.simulator.naming import native
from tests.end_to_end.troubles import ON_ONE_EXCHANGE, TROUBLES, Place, Trouble, Victim
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
_LIVELY = 3  # of these
_EXAMPLES = 5
_CROWDED = 50  # further symbols on each exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What goes wrong in ``length_s`` seconds of the simulator. ``crowded`` follows many series with a tiny spool."""

    seed: int
    length_s: float
    troubles: tuple[Trouble, ...]
    crowded: bool = False

    @property
    def places(self) -> frozenset[Place]:
        """What must be prepared for it."""
        return frozenset(place for one in self.troubles if (place := TROUBLES[one.kind].place) is not None)

    @property
    def calm(self) -> bool:
        """Whether it must cost neither a connection nor a row in ``gaps``."""
        return all(TROUBLES[one.kind].calm for one in self.troubles)

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
    anywhere = [kind for kind, one in TROUBLES.items() if one.place is None]
    troubles = [_draw_one(random, kind, length_s) for kind in random.choices(anywhere, k=random.randint(1, most))]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def _draw_one(random: Random, kind: str, length_s: float) -> Trouble:
    kinds = TROUBLES[kind]
    for_s = random.uniform(kinds.least_s, kinds.most_s)
    at_s = random.uniform(0.0, max(0.0, length_s - for_s - 120.0))
    # A single symbol has a name on one exchange only; wrong URLs are given to one.
    all_of_them = kind not in {"rejection_of_one", *ON_ONE_EXCHANGE} and random.random() < 0.3
    exchange = None if all_of_them else kinds.only or random.choice(EXCHANGES)
    one_of_exchanges = kinds.victim is Victim.EXCHANGE or kind in ON_ONE_EXCHANGE
    return Trouble(kind=kind, at_s=at_s, for_s=for_s, exchange=exchange if one_of_exchanges else None)


def soak(seed: int, hours: float, per_hour: float) -> Schedule:
    """One life of so many hours, with troubles for the exchanges and the database, but none for the process itself."""
    random = Random(seed)  # noqa: S311 - the seed must give it back
    length_s = hours * 3_600
    anywhere = [kind for kind, one in TROUBLES.items() if one.place is None]
    kinds = [kind for kind in anywhere if TROUBLES[kind].victim is not Victim.PROCESS]
    troubles = [_draw_one(random, kind, length_s) for kind in random.choices(kinds, k=max(1, round(hours * per_hour)))]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def mixed(seed: int) -> Schedule:
    """A short schedule with a trouble of each victim, brief enough for every run of the tests."""
    random = Random(seed)  # noqa: S311 - the seed must give it back
    length_s = 480.0
    drawn = [
        _draw_one(
            random,
            random.choice([kind for kind, one in TROUBLES.items() if one.victim is victim and one.mixed]),
            length_s,
        )
        for victim in (Victim.EXCHANGE, Victim.STORE, Victim.PROCESS)
    ]
    troubles = [replace(one, at_s=random.uniform(180.0, 300.0), for_s=min(one.for_s, 120.0)) for one in drawn]
    return Schedule(seed=seed, length_s=length_s, troubles=tuple(sorted(troubles, key=lambda one: one.at_s)))


def single(kind: str, seed: int, at_s: float = 240.0) -> Schedule:
    """A schedule of one trouble of ``kind``, of middling length."""
    kinds = TROUBLES[kind]
    for_s = (kinds.least_s + kinds.most_s) / 2
    drawn = _draw_one(Random(f"{seed} {kind}"), kind, at_s + for_s)  # noqa: S311 - the seed must give it back
    trouble = replace(drawn, at_s=at_s, for_s=for_s)
    return Schedule(seed=seed, length_s=at_s + for_s + 240.0, troubles=(trouble,), crowded=kinds.crowded)


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


def unrest(holding: Holding, reconnects: float) -> Sequence[str]:
    """What a calm trouble cost nevertheless: connections, and rows in ``gaps`` of series that trade all the time."""
    lively = {symbol for symbol, *_ in _SYMBOLS[:_LIVELY]}
    rows = {(gap.exchange, gap.symbol, gap.status) for gap in holding.gaps if gap.symbol in lively}
    broken = [f"{reconnects:.0f} connections were given up"] if reconnects else []
    return [*broken, *_some("rows in gaps of lively series", rows)]


def _some(what: str, which: Collection[tuple[object, ...]]) -> list[str]:
    if not which:
        return []
    shown = ", ".join(" ".join(map(str, one)) for one in sorted(which, key=str)[:_EXAMPLES])
    return [f"{what}: {len(which)} ({shown})"]
