"""The arithmetic of gaps: what rows a series has after one asking. Pure: no connection here, and no judgement.

A row is cut where its candles fare differently, and rows that touch and say the same are joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from asyncpg import Record

from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.store.contract import Finding, Gap, GapCause, GapStatus, Run

_ASKED_AGAIN_AFTER = timedelta(days=1)  # absent ones, once


@dataclass(frozen=True, slots=True)
class GapRow:
    """A row of ``gaps`` of one series. ``id`` is None until it is stored; ``found`` marks what this asking changed."""

    id: int | None
    first: datetime
    last: datetime
    cause: GapCause
    status: GapStatus
    attempts: int
    attempted: datetime | None
    next_attempt: datetime | None
    claimed_until: datetime | None
    last_error: str | None
    detected: datetime
    resolved: datetime | None
    found: bool = False


def row_of(record: Record) -> GapRow:
    """The row in its database form, as a value."""
    return GapRow(
        record["id"],
        record["first_open_time"],
        record["last_open_time"],
        GapCause(record["cause"]),
        GapStatus(record["status"]),
        record["attempts"],
        record["attempted_at"],
        record["next_attempt_at"],
        record["claimed_until"],
        record["last_error"],
        record["detected_at"],
        record["resolved_at"],
    )


def gap_of(record: Record) -> Gap:
    """What the rest of streamer sees of a row."""
    series = Series(record["exchange"], record["symbol"], Interval(record["interval"]))
    return Gap(
        record["id"],
        Run(series, record["first_open_time"], record["last_open_time"]),
        GapCause(record["cause"]),
        GapStatus(record["status"]),
        record["expected"],
        record["found"],
        record["attempts"],
        record["next_attempt_at"],
        record["last_error"],
        record["detected_at"],
        record["resolved_at"],
    )


def values_of(row: GapRow, step: timedelta) -> tuple[object, ...]:
    """The row as the statement that saves it takes it, its candles counted."""
    expected = (row.last - row.first) // step + 1
    found = expected if row.status is GapStatus.REPAIRED else 0
    return (
        row.id, row.first, row.last, row.cause.value, row.status.value, expected, found, row.attempts, row.attempted,
        row.next_attempt, row.claimed_until, row.last_error, row.detected, row.resolved,
    )  # fmt: skip


def settle(
    rows: Sequence[GapRow],
    missing: Sequence[Run],
    findings: Sequence[Finding],
    window: Run,
    now: datetime,
    *,
    asked: bool,
) -> list[GapRow]:
    """The rows after ``window`` was looked at: ``missing`` is what is not stored of it.

    ``rows`` are all that reach into the window or touch it; what comes back takes their place. Attempts are counted
    where ``asked``, once per ``now``.
    """
    step = window.series.interval.duration
    held = {row.first: row for row in rows}
    unstored = {run.first_time: run.last_time for run in missing}
    told = {finding.run.first_time: finding for finding in findings}
    row: GapRow | None = None
    finding: Finding | None = None
    missing_to = window.first_time - step
    after: list[GapRow] = []
    for first, end in pairwise(_cuts(rows, missing, findings, window)):
        row = held.get(first, row if row is not None and row.last >= first else None)
        finding = told.get(first, finding if finding is not None and finding.run.last_time >= first else None)
        missing_to = unstored.get(first, missing_to)
        piece = row
        if window.first_time <= first <= window.last_time:
            if missing_to < first:
                piece = None if row is None else _repaired(row, now)
            elif finding is not None:
                piece = _found(row, finding, now)
            elif row is not None and asked:
                piece = _asked(row, now)
        if piece is None:
            continue
        piece = replace(piece, first=first, last=end - step)
        if after and _alike(after[-1], piece, step):
            after[-1] = _joined(after[-1], piece)
        else:
            after.append(piece)
    return _with_own_ids(after)


def _cuts(rows: Sequence[GapRow], missing: Sequence[Run], findings: Sequence[Finding], window: Run) -> list[datetime]:
    """Every time at which something may begin or end."""
    step = window.series.interval.duration
    runs = [(run.first_time, run.last_time) for run in (window, *missing, *(finding.run for finding in findings))]
    runs += [(row.first, row.last) for row in rows]
    return sorted({time for first, last in runs for time in (first, last + step)})


def _repaired(row: GapRow, now: datetime) -> GapRow:
    if row.status is GapStatus.REPAIRED:
        return row
    return replace(row, status=GapStatus.REPAIRED, next_attempt=None, claimed_until=None, resolved=now)


def _found(row: GapRow | None, finding: Finding, now: datetime) -> GapRow:
    """The finding as a row; it goes on from ``row`` where that was open or absent."""
    if row is not None and row.status is GapStatus.REPAIRED:
        row = None  # it was stored, and is no more: a gap of its own
    next_attempt, resolved = finding.next_attempt_time, None
    if finding.status is GapStatus.ABSENT:
        next_attempt, resolved = now + _ASKED_AGAIN_AFTER, now
        if row is not None and row.status is GapStatus.ABSENT:
            resolved = row.resolved
            was_due = row.next_attempt is None or row.next_attempt <= now
            next_attempt = None if was_due else row.next_attempt
    return GapRow(
        None if row is None else row.id,
        finding.run.first_time,
        finding.run.last_time,
        finding.cause,
        finding.status,
        1 if row is None else _asked(row, now).attempts,
        now,
        next_attempt,
        None,
        finding.error,
        now if row is None else row.detected,
        resolved,
        found=True,
    )


def _asked(row: GapRow, now: datetime) -> GapRow:
    """The row one attempt later. What came may be on its way to the store, so a claim stays until it runs out."""
    if row.status is GapStatus.REPAIRED or (row.attempted is not None and row.attempted >= now):
        return row
    return replace(row, attempts=row.attempts + 1, attempted=now)


def _alike(one: GapRow, other: GapRow, step: timedelta) -> bool:
    """Whether two rows touch and say the same, save when exactly to ask again."""
    return (
        one.last + step == other.first
        and (one.status, one.cause) == (other.status, other.cause)
        and (one.next_attempt is None) == (other.next_attempt is None)
    )


def _joined(one: GapRow, other: GapRow) -> GapRow:
    """Both as one row. What this asking found has the say about the error and the next attempt."""
    said = other if other.found or not one.found else one
    next_attempt = said.next_attempt
    if one.found == other.found:
        next_attempt = _least(one.next_attempt, other.next_attempt)
    return GapRow(
        one.id if one.id is not None else other.id,
        one.first,
        other.last,
        one.cause,
        one.status,
        max(one.attempts, other.attempts),
        _most(one.attempted, other.attempted),
        next_attempt,
        _most(one.claimed_until, other.claimed_until),
        said.last_error,
        min(one.detected, other.detected),
        _most(one.resolved, other.resolved),
        found=one.found or other.found,
    )


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((time for time in (one, other) if time is not None), default=None)


def _most(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((time for time in (one, other) if time is not None), default=None)


def _with_own_ids(rows: Sequence[GapRow]) -> list[GapRow]:
    """The same rows; of the pieces of one row the first keeps its id, the others are new."""
    taken: set[int | None] = set()
    distinct = []
    for row in rows:
        distinct.append(replace(row, id=None, found=False) if row.id in taken else replace(row, found=False))
        taken.add(row.id)
    return distinct
