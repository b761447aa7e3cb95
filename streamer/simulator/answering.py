"""What a REST side of an exchange is asked and answers. Values and contracts, no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from streamer.domain.instrument import Market

BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Question:
    """A GET: the path below the market's base, its parameters, and the exchange's time."""

    market: Market
    path: str
    params: Mapping[str, str]
    now_ms: int

    def integer(self, name: str) -> int | None:
        """The integer in a parameter, or None when it is absent.

        Raises:
            ValueError: the parameter is no integer.
        """
        text = self.params.get(name)
        return int(text) if text else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a question costs of which pool."""

    pool: str
    weight: int = 1


class Asked(NamedTuple):
    """A request as the exchange counted it: its own time in Unix milliseconds, and the status it answered."""

    at_ms: int
    pool: str
    weight: int
    symbol: str
    status: int


class RestSide(Protocol):
    """The REST side of one exchange. Pure."""

    def cost(self, question: Question) -> Cost:
        """What limit the question counts against, and how much."""
        ...

    def answer(self, question: Question) -> Answer:
        """The answer; questions that make no sense get the exchange's error."""
        ...


def as_json(payload: Any, status: int = 200) -> Answer:
    """``payload`` as an answer."""
    return Answer(status, orjson.dumps(payload))
