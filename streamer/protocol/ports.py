"""What a package needs of a neighbour that it may not import. Fulfilled and wired where the whole is put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streamer.domain.candle import Delivery


class Deliver(Protocol):
    """Takes candles on their way to the store."""

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Return when there was room for all of ``deliveries``; cancelling loses those that were not taken yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one process wants of a pool: ``total`` weight of a window is there for all who share the address.

    ``held`` is the most that its requests may count for now, ``needed`` what it has use for. What was spent counts for
    ``counts_s`` seconds after it stopped. For ``banned_s`` seconds from now the exchange bans the address.
    """

    pool: str
    total: int
    held: int
    needed: int
    counts_s: float
    banned_s: float = 0.0


class Lease(NamedTuple):
    """The weight of a window that may be spent, and for how many seconds the address is banned, as any claim said."""

    units: int
    banned_s: float


class Budget(Protocol):
    """Divides the exchanges' limits among the processes that share an address."""

    async def lease(self, claims: Sequence[Claim], lasting_s: float) -> Mapping[str, Lease]:
        """What this process may spend of each claimed pool, for ``lasting_s`` from the asking.

        Whatever the processes claim, the leases in force and what is still counted of earlier ones never exceed the
        total. Cancelling it, or an error, may have leased all the same: go on with what was leased before.

        Raises:
            StoreUnavailable: whoever divides is away.
        """
        ...

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give everything back: nothing more is spent. Raises as :meth:`lease`."""
        ...
