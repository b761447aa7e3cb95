"""What a backfill is asked for, and which spans of which series that means by the exchanges' own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streamer.app.checking import Access, Opened
from streamer.app.choosing import choose
from streamer.domain.errors import ConfigurationError, HistoryError
from streamer.domain.interval import Interval, from_ms
from streamer.history.dividing import Supply
from streamer.history.page import settled_ms
from streamer.history.runs import Asked
from streamer.settings.model import ADAPTERS, Settings
from streamer.symbols.resolve import Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """What to bring: candles that open in [since, until), or the newest ``latest`` that are settled.

    Without symbols or exchanges what the settings follow. ``is_repeated`` tells a later round of many: what is kept no
    longer since the first is then left out, and not refused; nor is a name that was delisted.
    """

    symbols: Sequence[str] = ()
    exclude: Sequence[str] = ()
    exchanges: Sequence[str] = ()
    intervals: Sequence[Interval] = ()
    since: datetime | None = None
    until: datetime | None = None
    latest: int | None = None
    concurrency: int = 16
    dry_run: bool = False
    source: Supply = Supply.AUTO
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """The spans that are meant, by exchange; and the markets of exchanges that may hold more, but could not be read.

    ``lost`` are names and patterns that mean nothing since an earlier round.
    """

    spans: Mapping[str, Sequence[Asked]] = field(default_factory=dict)
    unread: Mapping[str, HistoryError] = field(default_factory=dict)
    lost: Mapping[str, ConfigurationError] = field(default_factory=dict)


def require_files(settings: Settings, names: Sequence[str]) -> None:
    """Fail unless each of these exchanges can be asked for files.

    Raises:
        ConfigurationError: it publishes none, or only one of its archive and its URLs is a simulator's.
    """
    for name in names:
        if all(facts.archive is None for facts in ADAPTERS[name].markets.values()):
            raise ConfigurationError(f"{name} publishes no files of candles: leave it out with --exchange")
        if settings.archive_base(name) is None:
            raise ConfigurationError(
                f"exchanges.{name}.archive_url and .urls must both be on this machine, or neither:"
                " invented and real candles are never mixed"
            )


def spans_asked(settings: Settings, request: BackfillRequest, opened: Opened) -> Asking:
    """The series that are meant and their spans, for each exchange of which any are.

    Raises:
        ConfigurationError: a symbol that no exchange has, an interval that a named one lacks, nothing at all, or a
            range in which nothing can have closed.
    """
    registries = {name: access.registry for name, access in opened.accesses.items()}
    choice = choose(
        settings,
        registries,
        request.symbols,
        request.intervals,
        request.exclude,
        all_known=not opened.unreachable,
        are_named=bool(request.exchanges),
        lenient=request.is_repeated,
    )
    if choice.is_empty and not opened.unreachable:
        raise ConfigurationError(f"nothing is followed on {', '.join(registries)}: name the symbols to bring")
    spans = {
        name: [_span_of(one, request, opened.accesses[name]) for one in series]
        for name, series in choice.series.items()
        if series
    }
    return Asking(spans, choice.unread, choice.lost)


def _span_of(one: Chosen, request: BackfillRequest, access: Access) -> Asked:
    if request.latest is not None:
        end_ms = one.interval.floor_ms(settled_ms(access.server_time))
        return Asked(one, from_ms(max(0, end_ms - request.latest * one.interval.milliseconds)), from_ms(end_ms))
    if request.since is None:
        raise ConfigurationError("say how far back: --since, --timerange or --latest")
    if request.since >= access.server_time.now():
        raise ConfigurationError(f"nothing has closed yet since {request.since.isoformat()}: that is in the future")
    return Asked(one, request.since, request.until)
