"""What the client needs of HTTP: one GET, whole. The real one is in ``session``; tests play a script."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends requests; several may be under way at once."""

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The answer, of whatever status, within ``timeout_s`` of the world's seconds. Cancelling gives it up.

        Raises:
            Unavailable: no answer came.
            MalformedAnswer: its body is longer than ``body_bytes``.
        """
        ...
