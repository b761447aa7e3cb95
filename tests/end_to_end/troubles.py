"""The kinds of trouble, and one trouble of a schedule: what it asks of the simulator. Nothing is drawn or done here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from streamer.domain.instrument import Kind, Market
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.naming import native

_SPOT = (Market.SPOT, Kind.SPOT)


class Victim(StrEnum):
    """Where trouble strikes."""

    EXCHANGE = "exchange"  # played by the simulator
    STORE = "store"
    PROCESS = "process"
    PLACE = "place"  # what the process or the database is put in: a disk, a clock, names


class Place(StrEnum):
    """What must be prepared before anything is started; see ``places``."""

    SPOOL_DISK = "spool_disk"
    STORE_DISK = "store_disk"
    WALL = "wall"
    NAMES = "names"
    COLUMNS = "columns"  # a database with TimescaleDB


class Kinds(NamedTuple):
    """One kind of trouble: where, how long in seconds of the simulator, and for exchanges which faults it is made of.

    ``cut`` is how often, five seconds apart, connections are cut besides, so that the fault is met. ``place`` must be
    prepared for it, and then it is played by itself only. ``mixed``: the short schedules of every test run draw it;
    their remembered seeds hold for just these kinds. ``crowded``: it takes many series. ``calm``: it must cost neither
    a connection nor a row in ``gaps``, and is played no faster than at rate 10. ``only`` is the one exchange that it
    can strike.
    """

    victim: Victim
    least_s: float
    most_s: float
    faults: tuple[Fault, ...] = ()
    cut: int = 0
    place: Place | None = None
    mixed: bool = True
    crowded: bool = False
    calm: bool = False
    only: str | None = None


def _stream(kind: FaultKind, least_s: float, most_s: float, cut: int = 0, code: int | None = None) -> Kinds:
    return Kinds(Victim.EXCHANGE, least_s, most_s, (Fault(kind=kind, code=code),), cut)


def _moment(kind: FaultKind, code: int | None = None) -> Kinds:
    return Kinds(Victim.EXCHANGE, 0.0, 0.0, (Fault(kind=kind, code=code),))


def _new(victim: Victim, least_s: float, most_s: float, *faults: Fault, cut: int = 0, only: str | None = None) -> Kinds:
    return Kinds(victim, least_s, most_s, faults, cut, mixed=False, only=only)


_LATE = Fault(kind=FaultKind.LATE, seconds=25.0)
_UNSETTLED = Fault(kind=FaultKind.WRONG_REST, seconds=5.0)
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
    "every_close_25_s_late": _new(Victim.EXCHANGE, 60, 300, _LATE)._replace(calm=True),
    "rest_wrong_for_5_s": _new(Victim.EXCHANGE, 300, 900, _UNSETTLED, cut=4),
    "store_cut_in_a_copy": _new(Victim.STORE, 1, 120),
    "store_restarted_in_a_copy": _new(Victim.STORE, 10, 120),
    "store_backend_ended_in_a_copy": _new(Victim.STORE, 0, 0),
    "store_fails_for_a_while": _new(Victim.STORE, 30, 300),
    "store_refuses_some_rows": _new(Victim.STORE, 60, 300),
    "store_chunks_compressed": _new(Victim.STORE, 120, 300, cut=4)._replace(place=Place.COLUMNS),
    "stopped_in_backoff": _new(Victim.PROCESS, 60, 300, *_GONE, cut=1),
    "tls_untrusted": _new(Victim.PROCESS, 60, 300),
    "unrouted_url": _new(Victim.PROCESS, 150, 300, only="binance"),
    "name_unknown": Kinds(Victim.PLACE, 60, 300, cut=4, place=Place.NAMES, mixed=False),
    "clock_set_ahead": Kinds(Victim.PLACE, 60, 300, place=Place.WALL, mixed=False, calm=True),
    "clock_set_back": Kinds(Victim.PLACE, 60, 300, place=Place.WALL, mixed=False, calm=True),
    "spool_disk_full": Kinds(Victim.PLACE, 1_200, 1_500, place=Place.SPOOL_DISK, mixed=False, crowded=True),
    "store_disk_full": Kinds(Victim.PLACE, 60, 300, place=Place.STORE_DISK, mixed=False),
}
ON_ONE_EXCHANGE = frozenset({"dead_urls", "tls_refused", "tls_untrusted", "unrouted_url", "name_unknown"})


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
