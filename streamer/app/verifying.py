"""The whole of ``streamer verify``: which series are meant, exchange by exchange, and what became of each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from streamer.app.checking import Access, Workplace, workplace
from streamer.app.choosing import choose
from streamer.app.retaining import refuse_expired
from streamer.domain.errors import ConfigurationError, HistoryError, RowsRefused
from streamer.domain.interval import Interval
from streamer.domain.series import Series
from streamer.history.runs import Asked, Progress
from streamer.history.verify import Verified, Verifier, keep_nothing
from streamer.settings.model import Settings
from streamer.store.known import followed_since
from streamer.symbols.registry import Registry
from streamer.symbols.resolve import Chosen
from streamer.timing.clock import now

_LAST = timedelta(hours=3)
_LEAST_CANDLES = 3  # of long intervals, where three hours hold none


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What to compare: without symbols or exchanges what the settings follow.

    Without ``since`` it is the last three hours, or less where a series is followed since less.
    """

    symbols: Sequence[str] = ()
    exchanges: Sequence[str] = ()
    intervals: Sequence[Interval] = ()
    since: datetime | None = None
    until: datetime | None = None
    repair: bool = False


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What became of each series, and of the exchanges, or markets of them, that could not be asked at all.

    ``unbuilt`` is why rollups are not up to date after a repair.
    """

    verified: Sequence[Verified]
    unreachable: Mapping[str, HistoryError]
    unbuilt: RowsRefused | None = None

    @property
    def is_equal(self) -> bool:
        """Whether everything that was meant was compared, and nothing differs any more."""
        return not (self.unreachable or self.unbuilt) and all(one.is_equal for one in self.verified)


async def verify(settings: Settings, request: VerifyRequest, tell: Callable[[str, Progress], None]) -> VerifyReport:
    """Compare, and repair where asked; ``tell`` hears how far each exchange is. One exchange stops no other.

    Raises:
        ConfigurationError: a symbol that no exchange has, a range in which nothing can have closed, mixed candles.
        StoreError, StartError: the database cannot be used.
    """
    names = list(request.exchanges or settings.followed())
    async with workplace(settings) as place, place.exchanges(names, keep_nothing) as opened:
        if request.since is not None:
            refuse_expired(request.since, await place.kept_from(), "compare what is kept")
        registries = {name: access.registry for name, access in opened.accesses.items()}
        choice = choose(
            settings,
            registries,
            request.symbols,
            request.intervals,
            all_known=not opened.unreachable,
            are_named=bool(request.exchanges),
        )
        chosen = choice.series
        if request.symbols or request.intervals:
            chosen = await _kept_here(place, settings, request, registries, chosen)
        elif choice.is_empty and not opened.unreachable:
            raise ConfigurationError(f"nothing is followed on {', '.join(names)}: name the symbols to compare")
        wanted_since = await followed_since(place.pool)
        asked = {name: _asked(opened.accesses[name], series, request, wanted_since) for name, series in chosen.items()}
        async with asyncio.TaskGroup() as tasks:
            verifying = [
                tasks.create_task(_verify(place, name, opened.accesses[name], series, tell, repair=request.repair))
                for name, series in asked.items()
            ]
        verified = [one for task in verifying for one in task.result()]
        unbuilt = None
        if request.repair and verified:
            await place.ledger.reconcile(now(place.clock))
            unbuilt = await place.refresh_rollups()
    return VerifyReport(verified, {**opened.unreachable, **choice.unread}, unbuilt)


async def _kept_here(
    place: Workplace,
    settings: Settings,
    request: VerifyRequest,
    registries: Mapping[str, Registry],
    chosen: Mapping[str, Sequence[Chosen]],
) -> Mapping[str, Sequence[Chosen]]:
    """Of ``chosen`` what is followed or stored here: an exchange may list what nobody ever asked us to keep.

    Raises:
        ConfigurationError: that is nothing.
    """
    followed = choose(settings, registries, (), (), all_known=True).series
    stored = await place.reader.newest([one.series for series in chosen.values() for one in series])
    kept = {
        name: [one for one in series if one in followed[name] or one.series in stored]
        for name, series in chosen.items()
    }
    if not any(kept.values()) and any(chosen.values()):
        named = ", ".join((*request.symbols, *request.intervals))
        raise ConfigurationError(f"nothing is stored of {named}, and it is not followed")
    return kept


def _asked(
    access: Access, chosen: Sequence[Chosen], request: VerifyRequest, wanted_since: Mapping[Series, datetime]
) -> list[Asked]:
    exchange_time = access.server_time.now()
    if request.since is not None and request.since >= exchange_time:
        raise ConfigurationError(f"nothing has closed yet since {request.since.isoformat()}: that is in the future")
    end = exchange_time if request.until is None else min(request.until, exchange_time)
    asked = []
    for one in chosen:
        since = request.since
        if since is None:
            lately = end - max(_LAST, _LEAST_CANDLES * one.interval.duration)
            since = max(lately, wanted_since.get(one.series, lately))
        asked.append(Asked(one, since, end))
    return asked


async def _verify(
    place: Workplace,
    name: str,
    access: Access,
    asked: Sequence[Asked],
    tell: Callable[[str, Progress], None],
    *,
    repair: bool,
) -> list[Verified]:
    verifier = Verifier(
        fetcher=access.fetcher,
        reader=place.reader,
        server_time=access.server_time,
        repair=place.write if repair else None,
    )
    return await verifier.verify(asked, lambda progress: tell(name, progress))
