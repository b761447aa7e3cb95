"""The whole of ``streamer gaps``: which listed gaps are meant, what asking for them takes, and what came of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from operator import attrgetter

from streamer.app.checking import Access, Opened, Workplace, workplace
from streamer.app.retaining import refuse_expired
from streamer.domain.errors import ConfigurationError, HistoryError, Refused
from streamer.domain.series import Series
from streamer.history.asking import Asker
from streamer.history.repair import NOT_LISTED, GapRepair, Outcome, give_up, requests_for
from streamer.settings.model import ADAPTERS, Settings
from streamer.store.contract import Gap, GapFilter, GapStatus
from streamer.store.known import known_series
from streamer.symbols.readable import unread_for
from streamer.symbols.resolve import Chosen
from streamer.symbols.spellings import folded
from streamer.timing.clock import now

_ALL = 1_000_000
_NO_SUCH_EXCHANGE = "this program does not know the exchange"


@dataclass(frozen=True, slots=True)
class Plan:
    """What repairing one gap takes; ``requests`` is None where the exchange cannot be asked, for this ``reason``."""

    gap: Gap
    requests: int | None
    reason: str | None = None


async def list_gaps(settings: Settings, wanted: GapFilter, most: int) -> list[Gap]:
    """At most ``most`` gaps, by series and time.

    Raises:
        ConfigurationError: the series is not one of this database. StoreError, StartError: the database is not usable.
    """
    async with workplace(settings) as place:
        return await place.ledger.gaps(await _known(place, wanted), most)


async def plan_repair(settings: Settings, wanted: GapFilter, ids: Sequence[int]) -> list[Plan]:
    """What :func:`repair_gaps` would ask for. Of the exchanges only their lists are read; nothing is claimed.

    Raises:
        ConfigurationError, StoreError, StartError: as there.
    """
    async with workplace(settings) as place:
        gaps = await _wanted(place, wanted, ids)
        async with place.exchanges(_askable(gaps), place.write) as opened:
            return [
                _plan(gap, opened.accesses.get(_exchange(gap)), opened.unreachable.get(_exchange(gap))) for gap in gaps
            ]


async def repair_gaps(
    settings: Settings, wanted: GapFilter, ids: Sequence[int], tell: Callable[[int, int], None]
) -> list[Outcome]:
    """Ask for these gaps, or for those of ``ids`` when there are any; what became of each, by series and time.

    ``tell`` hears how many are done, and of how many.

    Raises:
        ConfigurationError: an unknown series or gap; mixed candles. StoreError, StartError: the database is not usable.
        RowsRefused: all is stored and the gaps know it, but rollups could not be built of it.
    """
    async with workplace(settings) as place:
        gaps = await _wanted(place, wanted, ids)
        async with place.exchanges(_askable(gaps), place.write) as opened:
            outcomes = await ask_for(gaps, place, opened, tell)
        refused = await place.refresh_rollups()
    if refused is not None:
        raise refused
    return outcomes


async def ask_for(
    gaps: Sequence[Gap], place: Workplace, opened: Opened, tell: Callable[[int, int], None]
) -> list[Outcome]:
    """What became of each of ``gaps``, which are sorted by series; those that cannot be asked for stay open.

    Raises:
        StoreUnavailable: the database is away.
    """
    done = 0

    def finished(_outcome: Outcome) -> None:
        nonlocal done
        done += 1
        tell(done, len(gaps))

    async with asyncio.TaskGroup() as tasks:
        asking = []
        for name, group in groupby(gaps, key=_exchange):
            access = opened.accesses.get(name)
            if access is not None:
                repair = GapRepair(
                    asker=Asker(fetcher=access.fetcher, server_time=access.server_time),
                    ledger=place.ledger,
                    find=partial(_find, access),
                    now=access.server_time.now,
                )
                for unread, part in groupby(group, key=partial(_unread, access)):
                    if unread is None:
                        asking.append(tasks.create_task(repair.repair(list(part), finished)))
                    else:
                        late = give_up(place.ledger, list(part), unread, now(place.clock), finished)
                        asking.append(tasks.create_task(late))
            else:
                reason = opened.unreachable.get(name) or Refused(_NO_SUCH_EXCHANGE)
                late = give_up(place.ledger, list(group), reason, now(place.clock), finished)
                asking.append(tasks.create_task(late))
    return [outcome for task in asking for outcome in task.result()]


_exchange: Callable[[Gap], str] = attrgetter("run.series.exchange")


def _askable(gaps: Sequence[Gap]) -> list[str]:
    """The exchanges of these gaps that this program knows."""
    return sorted({_exchange(gap) for gap in gaps} & ADAPTERS.keys())


def _find(access: Access, series: Series) -> Chosen | None:
    instrument = access.registry.by_symbol(series.symbol)
    return None if instrument is None else Chosen(instrument, series.interval)


def _unread(access: Access, gap: Gap) -> HistoryError | None:
    """Why nobody knows whether the exchange still lists the symbol of ``gap``; None when it is known."""
    if _find(access, gap.run.series) is not None:
        return None
    return next(iter(unread_for(access.registry, [gap.run.series.symbol]).values()), None)


def _plan(gap: Gap, access: Access | None, unreachable: HistoryError | None) -> Plan:
    if access is None:
        return Plan(gap, None, str(unreachable or _NO_SUCH_EXCHANGE))
    chosen = _find(access, gap.run.series)
    if chosen is None:
        return Plan(gap, None, str(_unread(access, gap) or NOT_LISTED))
    return Plan(gap, requests_for(gap.run, access.fetcher.page_rows(chosen)))


async def _wanted(place: Workplace, wanted: GapFilter, ids: Sequence[int]) -> list[Gap]:
    """The gaps that the filter lets through, and of those only ``ids`` when there are any; never repaired ones.

    Those of what is kept no longer are left out: a service forgets them.

    Raises:
        ConfigurationError: an unknown series, an id that is no such gap, or one or a range that is not kept any more.
    """
    known, bound = await _known(place, wanted), await place.kept_from()
    if known.until is not None:
        refuse_expired(known.until, bound, "ask for gaps of what is kept")
    if not ids:
        return [gap for gap in await place.ledger.gaps(known, _ALL) if bound is None or gap.run.last_time >= bound]
    listed = [
        gap
        for status in (GapStatus.OPEN, GapStatus.ABSENT)
        for gap in await place.ledger.gaps(replace(known, status=status), _ALL)
    ]
    unknown = sorted(set(ids) - {gap.id for gap in listed})
    if unknown:
        raise ConfigurationError(f"gap {unknown[0]} is not there, is repaired already, or is outside the given filters")
    chosen = sorted((gap for gap in listed if gap.id in set(ids)), key=lambda gap: gap.run)
    for gap in chosen:
        refuse_expired(gap.run.last_time, bound, f"gap {gap.id} is forgotten by the next `streamer run`")
    return chosen


async def _known(place: Workplace, wanted: GapFilter) -> GapFilter:
    """The filter with its symbol as we spell it.

    Raises:
        ConfigurationError: no followed series and no gap has it; the nearest that one has is named.
    """
    if wanted.symbol is None:
        return wanted
    series = [
        one
        for one in await known_series(place.pool)
        if wanted.exchange in {None, one.exchange} and wanted.interval in {None, one.interval}
    ]
    symbols = {folded(one.symbol): one.symbol for one in series}
    symbol = symbols.get(folded(wanted.symbol))
    if symbol is None:
        near = get_close_matches(folded(wanted.symbol), symbols, n=1)
        hint = f"; the nearest is {symbols[near[0]]}" if near else ""
        raise ConfigurationError(f"no series {wanted.symbol!r} was ever followed here, nor has one a gap{hint}")
    return replace(wanted, symbol=symbol)
