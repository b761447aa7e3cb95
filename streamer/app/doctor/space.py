"""Judges of room: what is written now against the server's memory, and the disks against what is coming."""

from collections.abc import Mapping
from datetime import timedelta

from streamer.app.doctor.finding import Finding, fail, ok, skipped, spelled, warn
from streamer.domain.interval import Interval
from streamer.store.vitals import Books, Server, Storage, Unread

_DAY = timedelta(days=1)
_FEW_CANDLES = 10_000  # below it pages and empty chunks are most of the size
_WARN_DAYS, _FAIL_DAYS = 30.0, 3.0
_LEAST_FREE = 1 << 30
_PART_OF_MEMORY = 4  # the indexes that are written now should take no more than a fourth of the machine's


def judge_memory(server: Server, storage: Storage | Unread, memory: int | None) -> Finding:
    """What is written now must stay in memory; ``memory`` is the machine's, None where it cannot be known.

    The indexes in a fourth of it, for every write goes through them; all of it in the cache that the planner assumes.
    https://www.tigerdata.com/docs/learn/hypertables/sizing-hypertable-chunks (read 2026-11-21).
    """
    check = "memory"
    if isinstance(storage, Unread):
        return skipped(check, storage.reason)
    active, index = storage.active_bytes, storage.active_index_bytes
    buffers, cache = server.number("shared_buffers"), server.number("effective_cache_size")
    if active is None or index is None or buffers is None or cache is None:
        return skipped(check, "there is no chunk yet, or the settings are not shown to this role")
    chunked = storage.chunk_interval is not None
    written = f"the index of klines takes {spelled(index)}"
    if chunked:
        written = f"the newest chunk takes {spelled(active)}, {spelled(index)} of it indexes"
    part = None if memory is None else memory // _PART_OF_MEMORY
    seen = "the machine's memory cannot be seen from here"
    if part is not None:
        seen = f"a fourth of the machine's memory is {spelled(part)}"
    settings = f"shared_buffers are {spelled(buffers)}, effective_cache_size is {spelled(cache)}"
    sentence = f"{written}; {seen}, {settings}"
    if part is not None and index > part:
        cure = "a shorter storage.chunk_interval for new chunks (docs/operating.md), or more memory"
        return warn(check, sentence, cure if chunked else "more memory, or TimescaleDB (docs/operating.md)")
    if active > cache:
        cure = "an effective_cache_size of three fourths of the memory"
        cure = f"{cure}, or a shorter storage.chunk_interval for new chunks (docs/operating.md)" if chunked else cure
        return warn(check, sentence, cure)
    return ok(check, sentence)


def judge_disk(server: Server, storage: Storage | Unread, books: Books | Unread, free: int | None) -> Finding:
    """How long the disk of the database lasts; ``free`` is None where it cannot be seen from here."""
    check = "disk of the database"
    growth = _growth(storage, books)
    grows = "its growth cannot be told yet" if growth is None else f"grows by about {spelled(growth)} a day"
    sentence = f"the database takes {spelled(server.bytes)} and {grows}"
    if free is None:
        return skipped(check, f"{sentence}; the free space of its disk cannot be seen from here")
    days = free / growth if growth else None
    lasts = f", which lasts {days:,.0f} days" if days is not None else ""
    sentence = f"{sentence}; {spelled(free)} are free{lasts}"
    cure = "make room (docs/operating.md, a full disk)"
    if free < _LEAST_FREE or (days is not None and days < _FAIL_DAYS):
        return fail(check, sentence, cure)
    if days is not None and days < _WARN_DAYS:
        return warn(check, sentence, cure)
    return ok(check, sentence)


def judge_spool_disk(free: int | None, spool_bytes: int) -> Finding:
    """While the database is away candles wait in the data folder."""
    check = "disk of the data folder"
    if free is None:
        return skipped(check, "the data folder cannot be reached")
    sentence = f"{spelled(free)} are free, the spool may take {spelled(spool_bytes)}"
    if free < spool_bytes:
        return warn(check, sentence, "make room, or lower spool.megabytes")
    return ok(check, sentence)


def candles_a_day(followed: Mapping[str, int]) -> float:
    """How many candles a day so many series bring, by interval."""
    return sum(series * (_DAY / Interval(interval).duration) for interval, series in followed.items())


def _growth(storage: Storage | Unread, books: Books | Unread) -> float | None:
    """Bytes a day: what one stored candle takes, times the candles of a day."""
    if isinstance(storage, Unread) or isinstance(books, Unread) or (storage.candles or 0) < _FEW_CANDLES:
        return None
    return storage.bytes / (storage.candles or 1) * candles_a_day(books.followed) or None
