"""Judges of what the database holds: its migrations, how many series, what waits and what is missing."""

from collections.abc import Mapping
from datetime import timedelta

from streamer.app.doctor.finding import Finding, fail, ok, skipped, warn
from streamer.store.kinds import Kind
from streamer.store.statements import Migration
from streamer.store.vitals import Books, Building, Schema, Storage, Unread

_MOST_ON_PLAIN = 500
_MOST_WITH_LONG_CHUNKS = 1_000
_LONG_CHUNK = timedelta(days=1)
_WARN_WAIT, _FAIL_WAIT = timedelta(minutes=30), timedelta(days=1)  # beside a backfill refreshes rest


def judge_migrations(schema: Schema | Unread, known: list[Migration], *, applied_by_run: bool) -> Finding:
    """The schema is that of this program; ``known`` are its migrations for this kind of database."""
    check = "migrations"
    if isinstance(schema, Unread):
        return skipped(check, schema.reason)
    if schema.kind is None:
        return fail(check, "the database has no schema yet", "streamer migrate")
    ours = {migration.number: migration for migration in known}
    pending = ours.keys() - {number for number, _, _ in schema.applied}
    foreign = _foreign(schema, ours)
    if foreign is not None:
        return fail(check, *foreign)
    if pending and applied_by_run:
        return warn(check, f"{len(pending)} of {len(ours)} are not applied; `streamer run` will", "streamer migrate")
    if pending:
        return fail(check, f"{len(pending)} of {len(ours)} are not applied", "streamer migrate")
    return ok(check, f"all {len(ours)} are applied")


def _foreign(schema: Schema, ours: Mapping[int, Migration]) -> tuple[str, str] | None:
    """What another program's migration did to this database, and the cure."""
    for number, name, checksum in schema.applied:
        if number not in ours:
            return f"the database is newer than this program: it has {number:04}_{name}", "update streamer"
        if ours[number].checksum != checksum:
            return f"{number:04}_{name} was changed after it was applied", "take the release that made this database"
    return None


def judge_series(schema: Schema | Unread, storage: Storage | Unread, books: Books | Unread) -> Finding:
    """A plain table is meant for some hundred series, long chunks for a thousand."""
    check = "series"
    if isinstance(books, Unread):
        return skipped(check, books.reason)
    count = sum(books.followed.values())
    sentence = f"{count:,} are followed"
    if isinstance(schema, Schema) and schema.kind == Kind.POSTGRESQL and count > _MOST_ON_PLAIN:
        cure = "TimescaleDB with the community licence (docs/operating.md, moving)"
        return warn(check, f"{sentence}, and a plain table is meant for up to about {_MOST_ON_PLAIN}", cure)
    interval = None if isinstance(storage, Unread) else storage.chunk_interval
    if interval is not None and interval > _LONG_CHUNK and count > _MOST_WITH_LONG_CHUNKS:
        cure = "storage.chunk_interval: 1d, then streamer migrate (docs/operating.md, chunks)"
        return warn(check, f"{sentence}, and chunks are {interval.days} days long", cure)
    return ok(check, sentence)


def judge_rollups(building: Building | Unread) -> Finding:
    """All of them are whole; what was written late is brought into them while a service runs."""
    check = "rollups"
    if isinstance(building, Unread):
        return skipped(check, building.reason)
    if building.unfinished:
        names = ", ".join(f"klines_{name}" for name in building.unfinished)
        cure = "streamer migrate, unless one is at work: it goes on with it"
        return fail(check, f"a change was not finished: {names}", cure)
    if building.oldest is None or not building.waiting:
        return ok(check, "no window waits")
    minutes = building.oldest // timedelta(minutes=1)
    sentence = (
        f"{building.waiting:,} windows wait (a run of hours of one series each), the oldest for {minutes:,} minutes"
    )
    cure = "start streamer run; if it runs, its log says what is in the way (rollups_failed)"
    if building.oldest > _FAIL_WAIT:
        return fail(check, sentence, cure)
    return warn(check, sentence, cure) if building.oldest > _WARN_WAIT else ok(check, sentence)


def judge_gaps(books: Books | Unread) -> Finding:
    """What is missing is listed; somebody should know."""
    check = "gaps"
    if isinstance(books, Unread):
        return skipped(check, books.reason)
    if not books.open_gaps:
        return ok(check, "none is open")
    causes = ", ".join(f"{count:,} {cause}" for cause, count in sorted(books.open_gaps.items()))
    sentence = f"{sum(books.open_gaps.values()):,} are open ({causes})"
    return warn(check, sentence, "streamer gaps list; streamer gaps repair")
