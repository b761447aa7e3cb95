"""Asks across a gap: once, from the stored candle before it, or some way before it, to the one after.

A halt that is longer than a page would else never have a witness. What the answer proves is the asker's to say.
"""

from datetime import timedelta

from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span
from streamer.domain.interval import from_ms, to_ms
from streamer.history.asking import Asker
from streamer.history.page import Fetched
from streamer.store.contract import Finding, GapCause, Ledger, Run
from streamer.symbols.resolve import Chosen

_FURTHEST = timedelta(days=180)  # no exchange is asked for a longer span: Binance's COIN-M answers 200 days


async def ask_across(
    asker: Asker, ledger: Ledger, chosen: Chosen, span: Span, *, cause: GapCause, attempts: int
) -> tuple[Fetched, list[Finding]] | None:
    """What came, and what to write down of all the rest of ``span``; None where pages must tell.

    That is where pages reach as far, where no candle follows or the next one is too far, and where the answer proves
    nothing or did not come. What it brought is delivered all the same.

    Raises:
        StoreUnavailable: the ledger did not answer.

    Cancelling loses only what was not delivered yet.
    """
    run = Run(chosen.series, from_ms(span.first_ms), from_ms(span.last_ms))
    before, after = await ledger.nearest(run, _FURTHEST)
    if after is None:
        return None
    if before is None:  # it is followed since then: the exchange may have candles before
        before = run.first_time - asker.witnesses_before(chosen) * chosen.interval.duration
    if after - before > _FURTHEST:
        return None
    around = Span(to_ms(before), to_ms(after))
    if asker.sees_beyond(chosen, span, around.last_ms):
        return None
    try:
        return await asker.ask_between(chosen, span, around, cause, attempts)
    except HistoryError:
        return None  # the pages will meet it too, and write it down
