"""What can be read of a database about its health: facts alone, in the order in which they are judged elsewhere.

Every part is read by itself, or is ``Unread`` with the reason: a role that may see little still sees the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that could not be read, and why: a few words, without a full stop."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server. ``offset_s`` is its clock less ours, right to ``error_s``; ``bytes`` is the size of the database."""

    version: str
    major: int
    address: str
    offset_s: float
    error_s: float
    connected: int
    frozen_age: int
    bytes: int
    settings: Mapping[str, str]

    def number(self, setting: str) -> int | None:
        """A setting of the server in bytes or pieces; None where it has none of that name, or hides it."""
        value = self.settings.get(setting)
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Extension:
    """TimescaleDB: the version in this database, the one that the server has, and the licence; None where absent."""

    installed: str | None
    available: str | None
    licence: str | None


@dataclass(frozen=True, slots=True)
class Schema:
    """What the database remembers of its migrations; ``kind`` and ``owner`` are None before the first."""

    kind: str | None
    owner: str | None
    applied: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One job of TimescaleDB over ``relation``. ``since`` its last success; ``failed`` tells of its last run alone."""

    name: str
    relation: str
    scheduled: bool
    every: timedelta
    failed: bool
    since: timedelta | None


@dataclass(frozen=True, slots=True)
class Policies:
    """The jobs, the aggregates by both of their names, and how long candles are to be kept; None: for ever."""

    jobs: tuple[Policy, ...]
    aggregates: tuple[tuple[str, str], ...]
    retention: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The size of klines. ``active_bytes`` is what is written now: the newest chunk, or on a plain table the index.

    ``active_index_bytes`` are the indexes in it, which every write goes through.
    ``candles`` is the planner's estimate, None before the first analysis; ``lockable`` what one statement over all of
    klines locks.
    """

    bytes: int
    candles: int | None
    active_bytes: int | None
    active_index_bytes: int | None
    chunk_interval: timedelta | None
    chunks: int
    lockable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view, and what ``streamer_read`` may do with it; None where there is no such role."""

    name: str
    owner: str
    readable: bool | None
    writable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who we are, and what the roles may."""

    name: str
    is_superuser: bool
    service_is_superuser: bool
    reader_may_create: bool
    reader_is_owner: bool
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Series followed by interval, and gaps open by cause."""

    followed: Mapping[str, int]
    open_gaps: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """Windows, each a run of hours of one series, that wait for the rollups, and for how long the oldest has.

    ``unfinished`` are the lengths, shortest first, whose relation is not filled yet or not dropped to the end.
    """

    waiting: int
    oldest: timedelta | None
    unfinished: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Everything at once. ``policies`` is None where there is no TimescaleDB; ``pooled`` is about a pooler between."""

    server: Server
    extension: Extension | Unread
    schema: Schema | Unread
    policies: Policies | Unread | None
    storage: Storage | Unread
    rights: Rights | Unread
    books: Books | Unread
    building: Building | Unread
    pooled: bool | Unread
