"""What a backfill says at its end: a table for people, a document for scripts. It decides no exit code."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
import orjson

from streamer.app.backfilling import BackfillReport
from streamer.app.filling import Filled
from streamer.cli.output import show_json, show_table
from streamer.domain.errors import RowsRefused, StreamerError
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, from_ms
from streamer.domain.merge import Outcome
from streamer.domain.series import Series
from streamer.history.archive_report import Left, Why
from streamer.history.backfill import Report
from streamer.history.dividing import Supply
from streamer.rest.statistics import PoolStatistics

_PLANNED = ("exchange", "series", "candles missing", "files", "requests", "weight", "minutes")
_DONE = (
    "exchange", "series", "candles", "stored", "absent", "not served", "failed", "files", "requests", "seconds", "per s"
)  # fmt: skip
_SPENT = ("limit", "calls", "weight", "throttled", "retries", "success")
_MOST_LISTED = 100
_ODD = (Why.CHECKSUM_FAILED, Why.DAMAGED, Why.UNAVAILABLE)
_STORED = (Outcome.INSERTED, Outcome.FILLED, Outcome.REPLACED)


class Said:
    """Tells of rounds. ``in_lines`` writes each document on one line, for there may be many."""

    def __init__(self, *, as_json: bool, dry_run: bool, in_lines: bool) -> None:
        self._as_json = as_json
        self._dry_run = dry_run
        self._in_lines = in_lines
        self._has_told_bound = False

    def told(self, report: BackfillReport) -> None:
        """Show what became of a round, or what it takes; that part of it is kept no longer is said once."""
        if report.kept_from is not None and not self._has_told_bound:
            self._has_told_bound = True
            kept = f"candles from before {report.kept_from:%Y-%m-%d} are kept no longer (storage.retention)"
            click.echo(f"{kept}, and left out from now on", err=True)
        if self._as_json and self._in_lines:
            click.echo(orjson.dumps(_document(report), option=orjson.OPT_UTC_Z))
        elif self._as_json:
            show_json(_document(report))
        elif self._dry_run:
            show_table(_PLANNED, (_planned(one) for one in report.filled))
            _show_troubles(report)
        else:
            show_table(_DONE, (_done(one, report) for one in report.filled))
            show_table(_SPENT, (_spent(pool) for one in report.filled for pool in one.pools))
            _show_troubles(report)

    def failed(self, error: StreamerError) -> None:
        """A round came to nothing."""
        click.echo(f"streamer: {error}; the next round comes as planned", err=True)


def _planned(filled: Filled) -> list[object]:
    plan = filled.plan
    return [
        filled.exchange, filled.asked, f"{filled.missing:,}", f"{filled.division.files:,}",
        f"{plan.requests:,}", f"{plan.weight:,}", f"{filled.seconds / 60:.1f}",
    ]  # fmt: skip


def _done(filled: Filled, report: BackfillReport) -> list[object]:
    counts = _counts(filled)
    rate = counts["candles"] / filled.took_s if filled.took_s else 0.0
    columns = ("candles", "stored", "absent", "not_served", "failed", "files", "requests")
    counts |= {"stored": _stored(filled, report), "files": filled.files}
    return [
        filled.exchange, filled.asked, *(f"{counts[one]:,}" for one in columns), f"{filled.took_s:.1f}", f"{rate:,.0f}",
    ]  # fmt: skip


def _spent(pool: PoolStatistics) -> list[object]:
    return [
        pool.pool, f"{pool.calls:,}", f"{pool.weight:,}", f"{pool.throttled:,}", f"{pool.retries:,}",
        f"{pool.success_rate:.2%}",
    ]  # fmt: skip


def _counts(filled: Filled) -> dict[str, int]:
    return {
        "candles": sum(one.candles for one in filled.reports),
        "absent": sum(one.absent for one in filled.reports),
        "not_served": sum(_candles(one.unserved, one.series.interval) for one in filled.reports),
        "failed": len(filled.failed),
        "requests": sum(one.requests for one in filled.reports),
    }


def _candles(spans: Iterable[Span], interval: Interval) -> int:
    return sum(span.candles(interval) for span in spans)


def _stored(filled: Filled, report: BackfillReport) -> int:
    return sum(
        count for kind, count in report.written.items() if kind.exchange == filled.exchange and kind.outcome in _STORED
    )


def _show_troubles(report: BackfillReport) -> None:
    for line in _troubles(report):
        click.echo(line, err=True)


def _troubles(report: BackfillReport) -> Iterator[str]:
    yield from (f"{name} could not be asked: {error}" for name, error in report.unreachable.items())
    yield from (f"{name} failed: {problem}" for name, problem in report.lost.items())
    yield from (
        f"{one.exchange}: it was not known yet what is missing there" for one in report.filled if not one.is_planned
    )
    reports = [one for filled in report.filled for one in filled.reports]
    failed = [
        f"{one.series} failed: {one.error}{_missing(one.left, one.series.interval)}" for one in reports if one.error
    ]
    yield from _first(failed, "that failed")
    unserved = [
        f"{one.series} was not served whole{_missing(one.unserved, one.series.interval)}"
        for one in reports
        if one.unserved
    ]
    yield from _first(unserved, "not served whole")
    yield from _first([line for filled in report.filled for line in _lines_of_files(filled)], "that files lacked")
    for (series, reason), count in report.rejected.items():
        yield f"{series}: the database refused {count:,} candles ({reason})"
    if report.unbuilt is not None:
        yield unbuilt_sentence(report.unbuilt)
    if report.interrupted:
        yield "interrupted: what was fetched is stored, and the next run goes on from there"


def unbuilt_sentence(refused: RowsRefused) -> str:
    """That some rollups could not be brought up to date, and why."""
    return f"rollups could not be built of what is stored, correct it in klines: {refused}"


def _first(lines: Sequence[str], what: str) -> Iterator[str]:
    yield from lines[:_MOST_LISTED]
    if len(lines) > _MOST_LISTED:
        yield f"(the first {_MOST_LISTED} of {len(lines):,} {what}; --json has all)"


def _lines_of_files(filled: Filled) -> Iterator[str]:
    """What files did not bring, and why: all of it where REST was not asked, else what is odd."""
    then = "" if filled.supply is Supply.FILES else "; REST was asked instead"
    for report in filled.archives:
        for left in report.left:
            if filled.supply is Supply.FILES or left.reason in _ODD:
                yield (
                    f"{report.series}: not from files ({left.reason}): {left.span.candles(report.series.interval):,}"
                    f" candles {_ends((left.span,))}{then}"
                )


def _ends(spans: tuple[Span, ...]) -> str:
    return f"from {from_ms(spans[0].first_ms):%Y-%m-%dT%H:%MZ} to {from_ms(spans[-1].last_ms):%Y-%m-%dT%H:%MZ}"


def _missing(spans: tuple[Span, ...], interval: Interval) -> str:
    if not spans:
        return ""
    return f"; {_candles(spans, interval):,} candles are missing, {_ends(spans)}"


def _document(report: BackfillReport) -> dict[str, Any]:
    return {
        "whole": report.is_whole and not report.interrupted,
        "interrupted": report.interrupted,
        "seconds": round(report.took_s, 3),
        "kept_from": report.kept_from,
        "exchanges": [_exchange(one, report) for one in report.filled],
        "unreachable": {name: str(error) for name, error in report.unreachable.items()},
        "unbuilt": None if report.unbuilt is None else str(report.unbuilt),
        "lost": {name: str(problem) for name, problem in report.lost.items()},
        "rejected": [
            {"series": str(series), "reason": reason, "candles": count}
            for (series, reason), count in report.rejected.items()
        ],
    }


def _exchange(filled: Filled, report: BackfillReport) -> dict[str, Any]:
    plan = filled.plan
    return {
        "exchange": filled.exchange,
        "series": filled.asked,
        "planned": filled.is_planned,
        "plan": {
            "candles": filled.missing,
            "files": filled.division.files,
            "file_candles": filled.division.candles,
            "requests": plan.requests,
            "weight": plan.weight,
            "pools": {pool.name: load.weight for pool, load in plan.loads.items()},
            "seconds": round(filled.seconds, 1),
        },
        **_counts(filled),
        "stored": _stored(filled, report),
        "seconds": round(filled.took_s, 3),
        "pools": {
            one.pool: {
                "calls": one.calls,
                "weight": one.weight,
                "throttled": one.throttled,
                "retries": one.retries,
                "success_rate": round(one.success_rate, 6),
            }
            for one in filled.pools
        },
        "files": {
            "used": filled.files,
            "candles": filled.file_candles,
            "bytes": filled.file_bytes,
            "left": [_left(report.series, left) for report in filled.archives for left in report.left],
        },
        "troubles": [_trouble(one) for one in filled.reports if one.error or one.unserved],
    }


def _left(series: Series, left: Left) -> dict[str, Any]:
    exchange, symbol, interval = series
    return {
        "exchange": exchange,
        "symbol": symbol,
        "interval": interval.value,
        "reason": left.reason.value,
        **_runs([left.span])[0],
    }


def _trouble(one: Report) -> dict[str, Any]:
    exchange, symbol, interval = one.series
    return {
        "exchange": exchange,
        "symbol": symbol,
        "interval": interval.value,
        "error": None if one.error is None else str(one.error),
        "missing": _runs(one.left),
        "not_served": _runs(one.unserved),
    }


def _runs(spans: Iterable[Span]) -> list[dict[str, Any]]:
    return [{"first_open_time": from_ms(span.first_ms), "last_open_time": from_ms(span.last_ms)} for span in spans]
