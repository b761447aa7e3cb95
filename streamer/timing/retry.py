"""The one retry loop. Feed, store and REST use it; everything else fails upward."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock

T = TypeVar("T")


class Health:
    """Handed to the operation, which reports here once it has proven to work; only that resets the backoff.

    A mere handshake proves nothing: against a server that accepts and closes, resetting on it reconnects without pause.
    """

    def __init__(self) -> None:
        self.proven = False

    def report(self) -> None:
        """Say that the operation works: after its next failure the delays start anew."""
        self.proven = True


@dataclass(frozen=True, slots=True)
class Wait:
    """One failed attempt, and how long the loop will now wait. ``attempt`` counts failures since the last health."""

    attempt: int
    delay_s: float
    cause: Exception


async def keep_trying(
    operation: Callable[[Health], Awaitable[T]],
    *,
    retryable: Callable[[Exception], bool],
    clock: Clock,
    backoff: Backoff,
    random: Random,
    before_wait: Callable[[Wait], None],
    attempts: int | None = None,
) -> T:
    """What ``operation`` returns, once it succeeds.

    ``attempts`` limits failures in a row (None: no limit). Cancelling stops at once; what the operation loses then is
    for the operation to say.

    Raises:
        Exception: the operation's own, when ``retryable`` says no or the attempts are used up.
    """
    failures = 0
    delays = backoff.delays(random)
    while True:
        health = Health()
        try:
            return await operation(health)
        except Exception as cause:  # any: which of them may pass is for the caller to say, and the others are raised
            if not retryable(cause):
                raise
            if health.proven:
                failures, delays = 0, backoff.delays(random)
            failures += 1
            if attempts is not None and failures >= attempts:
                raise
            _forget_frames(cause)
            wait = Wait(failures, next(delays), cause)
        before_wait(wait)
        await clock.sleep(wait.delay_s)


def _forget_frames(error: BaseException | None) -> None:
    """Take the tracebacks from an error and all that led to it.

    Libraries' frames often hold the error themselves: such a circle, with its sockets and TLS contexts, waits for
    Python's collector, which comes seldom, and a night without a network makes many of them.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
