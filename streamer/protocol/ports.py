"""What a package needs of a neighbour that it may not import. Fulfilled and wired where the whole is put together."""

from collections.abc import Sequence
from typing import Protocol

from streamer.domain.candle import Delivery


class Deliver(Protocol):
    """Takes candles on their way to the store."""

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Return when there was room for all of ``deliveries``; cancelling loses those that were not taken yet."""
        ...
