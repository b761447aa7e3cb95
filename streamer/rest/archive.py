"""Asks the host of an archive for files: a few at a time, patiently. What is in a file is not looked at here."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from streamer.domain.errors import Geoblocked, HistoryError, MalformedAnswer, Refused, Unavailable
from streamer.rest.transport import RawAnswer, Transport
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying

_OK = 200
_NOT_FOUND = 404
_ELSEWHERE = 451
_PASSING = frozenset({408, 425, 429})  # besides every 5xx, which is how a store of files says "slow down"
_CLIENT_ERRORS, _SERVER_ERRORS = 4, 5  # hundreds of the status


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """How many requests may be under way, what one may take, how often and how soon it is repeated.

    ``body_bytes`` is the most that a file may have: a month of minutes has about two million, a day of seconds three.
    """

    at_once: int = 4
    timeout_s: float = 300.0
    body_bytes: int = 32 << 20
    attempts: int = 5
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, cap_s=60.0))


class ArchiveClient:
    """All traffic to the archive of one exchange at ``base``."""

    def __init__(
        self,
        *,
        exchange: str,
        base: str,
        session: Transport,
        clock: Clock,
        recorder: Recorder,
        random: Random,
        options: ArchiveOptions | None = None,
    ) -> None:
        self.exchange = exchange
        self._base = base.rstrip("/")
        self._session = session
        self._clock = clock
        self._recorder = recorder
        self._random = random
        self._options = options or ArchiveOptions()
        self._slots = asyncio.Semaphore(self._options.at_once)

    async def get(self, path: str) -> bytes | None:
        """The file at ``path``; None where there is none. Cancelling loses nothing but the file.

        Raises:
            HistoryError: it could not be had, once the attempts are used up or asking again cannot help.
        """

        async def attempt(_health: Health) -> bytes | None:
            async with self._slots:  # not around the pauses
                answer = await self._session.get(
                    self._base + path,
                    {},
                    timeout_s=self._clock.real_seconds(self._options.timeout_s),
                    body_bytes=self._options.body_bytes,
                )
            return _body_of(answer, path)

        def before_wait(wait: Wait) -> None:
            self._recorder.archive.retried(self.exchange, wait)

        return await keep_trying(
            attempt,
            retryable=lambda error: isinstance(error, HistoryError) and error.retryable,
            clock=self._clock,
            backoff=self._options.backoff,
            random=self._random,
            before_wait=before_wait,
            attempts=self._options.attempts,
        )


def _body_of(answer: RawAnswer, path: str) -> bytes | None:
    """The body of a success, None for an absent file; everything else is an error."""
    status = answer.status
    if status == _OK:
        return answer.body
    if status == _NOT_FOUND:
        return None
    words = f"the archive answered HTTP {status} to {path}"
    if status == _ELSEWHERE:
        raise Geoblocked(words)
    if status in _PASSING or status // 100 == _SERVER_ERRORS:
        raise Unavailable(words)
    if status // 100 == _CLIENT_ERRORS:
        raise Refused(words)
    raise MalformedAnswer(f"{words}, which it never does: something else answers in its place")
