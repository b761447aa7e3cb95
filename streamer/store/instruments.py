"""Remembers the instrument lists. What is gone from a list is closed, never deleted: its candles remain."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.store.pool import Pool
from streamer.store.statements import query


class Instruments:
    """The instrument sink over PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._save = query("save_instruments")
        self._close = query("close_instruments")
        self._list = query("list_instruments")

    async def save_instruments(
        self, exchange: str, instruments: Sequence[Instrument], markets: Collection[Market] = tuple(Market)
    ) -> None:
        """Replace what is stored of these ``markets`` of ``exchange``; of two with one symbol the later stays.

        Raises:
            StoreUnavailable: nothing changed.

        Cancelling changes nothing either.
        """
        by_symbol = {instrument.symbol: _row(instrument) for instrument in instruments}
        async with self._pool.connection() as connection, connection.transaction():
            if by_symbol:
                columns = map(list, zip(*(by_symbol[symbol] for symbol in sorted(by_symbol)), strict=True))
                await connection.execute(self._save, exchange, *columns)
            await connection.execute(self._close, exchange, list(by_symbol), [market.value for market in markets])

    async def stored(self) -> list[Instrument]:
        """Every instrument that was ever listed, by exchange and symbol.

        Raises:
            StoreUnavailable: the database is away.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(self._list)
        return [_instrument(**row) for row in rows]


def _instrument(
    *, market: str, kind: str, status: str, listed_at: datetime | None, expires_at: datetime | None, **others: Any
) -> Instrument:
    return Instrument(
        market=Market(market),
        kind=Kind(kind),
        status=Status(status),
        listed_time=listed_at,
        expiry_time=expires_at,
        **others,
    )


def _row(instrument: Instrument) -> tuple[object, ...]:
    return (
        instrument.symbol,
        instrument.native_symbol,
        instrument.market.value,
        instrument.kind.value,
        instrument.base,
        instrument.quote,
        instrument.settle,
        instrument.status.value,
        instrument.crypto,
        instrument.contract_size,
        instrument.multiplier,
        instrument.listed_time,
        instrument.expiry_time,
    )
