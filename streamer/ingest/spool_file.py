"""One spool file: deliveries in order of arrival, in SQLite (WAL), and the losses that no one has taken over yet.

Every change is one transaction and on the disk when the call returns. Ids grow with arrival; the oldest give way when
the file is full. Nothing here knows of other files, of threads or of the event loop.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from streamer.domain.candle import Delivery
from streamer.domain.interval import Interval, from_ms, to_ms
from streamer.domain.series import Series
from streamer.ingest.losses import Loss, loss_of
from streamer.ingest.spool_rows import decode, encode

_VERSION = 1
_SCHEMA = (
    "create table candles (id integer primary key, candle text not null, crc integer not null)",
    """create table losses (exchange text, symbol text, interval text, first_ms integer not null,
       last_ms integer not null, candles integer not null, primary key (exchange, symbol, interval)) without rowid""",
    f"pragma user_version = {_VERSION}",
)
_READ = "select id, cast(candle as blob), crc from candles where id > ? order by id limit ?"
_LOWEST = -(2**63)
_ADD_LOSS = """insert into losses values (?, ?, ?, ?, ?, ?) on conflict (exchange, symbol, interval) do update set
    first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
    candles = candles + excluded.candles"""
_CLEAR_LOSS = """delete from losses where exchange = ? and symbol = ? and interval = ?
    and first_ms = ? and last_ms = ? and candles = ?"""
_DROP_ROWS = 1_000  # at a time, while the file has too many bytes
_SHRINK_PAGES = 1_024  # 4 MiB: an empty file longer than that gives its space back
_DISK_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)


class Damaged(Exception):
    """The file is not what was written, or not of our version. Caught by its slot, which sets it aside."""


class DiskRefused(Exception):
    """The disk is full, read-only or failing; nothing changed. Caught by the slot, whose caller keeps what it has."""


class Rows(NamedTuple):
    """What a read found: ids from ``first_id`` to ``last_id``, of which ``damaged`` rows could not be read."""

    first_id: int
    last_id: int
    deliveries: list[Delivery]
    damaged: int


class SpoolFile:
    """An open spool file, used by one thread."""

    def __init__(self, path: Path, *, most_candles: int, most_bytes: int) -> None:
        """Open the file, or make it.

        Raises:
            Damaged: it is no spool file, a broken one, or one of another version.
            DiskRefused: the disk does not let us, or another program holds the file.
        """
        self._most_candles = most_candles
        self._most_bytes = most_bytes
        self._count: int
        with _translated():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            try:
                self.is_new = self._prepare()
                self._count, first, last = self._db.execute("select count(*), min(id), max(id) from candles").fetchone()
                self.has_losses = self._losses_exist()
            except BaseException:
                self._db.close()
                raise
        self._first_id = 0 if first is None else first
        self._next_id = 1 if last is None else last + 1
        self._forgotten: int | None = None  # ids up to this one are done with, and their rows could not yet be deleted

    def __len__(self) -> int:
        return self._count

    def _prepare(self) -> bool:
        # Exclusive, so that no other program can lock us out later, and no shared memory is needed. Full, so that a
        # power cut costs no more than SIGKILL.
        for pragma in ("locking_mode = exclusive", "journal_mode = wal", "synchronous = full"):
            self._db.execute(f"pragma {pragma}")
        self._db.execute("pragma journal_size_limit = 16777216")
        version = self._value("user_version")
        if version == 0 and self._db.execute("select count(*) from sqlite_master").fetchone() == (0,):
            with self._transaction():
                for statement in _SCHEMA:
                    self._db.execute(statement)
            return True
        if version != _VERSION:
            raise Damaged(f"its version is {version}, and we know {_VERSION}")
        if (finding := self._db.execute("pragma quick_check(1)").fetchone()) != ("ok",):
            raise Damaged(str(finding[0]))
        return False

    def append(self, deliveries: Sequence[Delivery], losses: Iterable[Loss], *, ahead: bool = False) -> list[Delivery]:
        """Keep deliveries behind all others (or ``ahead`` of them), and losses; what had to give way for them.

        Raises:
            Damaged, DiskRefused: nothing was kept.
        """
        rows = [encode(delivery) for delivery in deliveries]
        losses = list(losses)
        with self._transaction():
            self._delete_forgotten()
            first = self._first_id - len(rows) if ahead else self._next_id
            ids = range(first, first + len(rows))
            self._db.executemany(
                "insert into candles values (?, ?, ?)", ((number, *row) for number, row in zip(ids, rows, strict=True))
            )
            count, dropped = self._drop_surplus(self._count + len(rows))
            self._db.executemany(_ADD_LOSS, map(_columns, (*losses, *map(loss_of, dropped))))
        self._forgotten = None
        self._count = count
        self.has_losses = self.has_losses or bool(losses or dropped)
        self._first_id = min(self._first_id, first)
        self._next_id = max(self._next_id, first + len(rows))
        return dropped

    def _drop_surplus(self, count: int) -> tuple[int, list[Delivery]]:
        dropped: list[Delivery] = []
        while count > 0 and (count > self._most_candles or self._bytes() > self._most_bytes):
            most = min(_DROP_ROWS, count) if count <= self._most_candles else count - self._most_candles
            rows = self._db.execute(_READ, (_LOWEST, most)).fetchall()
            self._db.execute("delete from candles where id <= ?", (rows[-1][0],))
            found = _read(rows)
            if found.damaged:
                raise Damaged("a row that had to give way cannot be read")
            dropped += found.deliveries
            count -= len(rows)
        return count, dropped

    def take(self, most: int) -> Rows | None:
        """The oldest rows, at most so many, which stay until they are forgotten; None when there are none.

        Raises:
            Damaged, DiskRefused: they cannot be read.
        """
        with _translated():
            rows = self._db.execute(_READ, (self._floor(), most)).fetchall()
        return _read(rows) if rows else None

    def forget(self, last_id: int) -> None:
        """Be done with every row up to ``last_id``. Where the disk refuses, they are deleted with the next change.

        Raises:
            Damaged: the file is broken.
        """
        with _translated():
            [gone] = self._db.execute(
                "select count(*) from candles where id > ? and id <= ?", (self._floor(), last_id)
            ).fetchone()
        self._forgotten = max(last_id, self._floor())
        self._count -= gone
        with suppress(DiskRefused):
            with self._transaction():
                self._delete_forgotten()
            self._forgotten = None
            if not self._count and self._value("page_count") > _SHRINK_PAGES:
                with _translated():
                    self._db.execute("vacuum")

    def losses(self) -> list[Loss]:
        """The losses that are kept here."""
        with _translated():
            rows = self._db.execute("select * from losses").fetchall()
        try:
            return [
                Loss(Series(exchange, symbol, Interval(interval)), from_ms(first_ms), from_ms(last_ms), count)
                for exchange, symbol, interval, first_ms, last_ms, count in rows
            ]
        except (ValueError, TypeError, OverflowError) as error:
            raise Damaged(f"its losses cannot be read: {error}") from error

    def clear_losses(self, losses: Iterable[Loss]) -> None:
        """Forget the losses that did not grow since they were read."""
        with self._transaction():
            self._db.executemany(_CLEAR_LOSS, map(_columns, losses))
            left = self._losses_exist()
        self.has_losses = left

    def head_time(self) -> datetime | None:
        """When the oldest row was received; None when there is none that can be read."""
        rows = self.take(1)
        return rows.deliveries[0].received_time if rows is not None and rows.deliveries else None

    def close(self) -> None:
        """Close the file; deletions that the disk refused are tried once more."""
        with suppress(DiskRefused, Damaged):
            if self._forgotten is not None:
                with self._transaction():
                    self._delete_forgotten()
        with suppress(sqlite3.Error):
            self._db.close()

    def _floor(self) -> int:
        return _LOWEST if self._forgotten is None else self._forgotten

    def _delete_forgotten(self) -> None:
        if self._forgotten is not None:
            self._db.execute("delete from candles where id <= ?", (self._forgotten,))

    def _losses_exist(self) -> bool:
        return bool(self._db.execute("select exists (select 1 from losses)").fetchone()[0])

    def _value(self, pragma: str) -> int:
        return int(self._db.execute(f"pragma {pragma}").fetchone()[0])

    def _bytes(self) -> int:
        return (self._value("page_count") - self._value("freelist_count")) * self._value("page_size")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._db.execute("rollback")
                raise


def _columns(loss: Loss) -> tuple[str, str, str, int, int, int]:
    series = loss.series
    first_ms, last_ms = to_ms(loss.first_time), to_ms(loss.last_time)
    return series.exchange, series.symbol, series.interval.value, first_ms, last_ms, loss.candles


def _read(rows: Sequence[tuple[int, bytes, int]]) -> Rows:
    deliveries = []
    for _, line, crc in rows:
        with suppress(ValueError, TypeError):
            deliveries.append(decode(line, crc))
    return Rows(rows[0][0], rows[-1][0], deliveries, len(rows) - len(deliveries))


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors in our words: the disk's trouble, or a damaged file."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_CODES:
            raise DiskRefused(str(error)) from error
        raise Damaged(str(error)) from error
