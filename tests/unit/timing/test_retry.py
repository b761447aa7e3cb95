"""The one retry loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest

from streamer.timing.backoff import Backoff
from streamer.timing.retry import Health, Wait, keep_trying
from tests.fakes.clock import FakeClock

BACKOFF = Backoff(first_s=1.0, cap_s=8.0)


class Trouble(Exception):
    """Worth another try."""


class Bug(Exception):
    """Not worth another try."""


class Script:
    """An operation that fails as written; ``healthy`` failures report health first."""

    def __init__(self, *outcomes: Exception | str, healthy: Sequence[int] = ()) -> None:
        self.outcomes = outcomes
        self.healthy = healthy
        self.calls = 0

    async def __call__(self, health: Health) -> str:
        """The next outcome."""
        outcome = self.outcomes[self.calls]
        self.calls += 1
        if self.calls in self.healthy:
            health.report()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def attempt(script: Script, clock: FakeClock, before: Callable[[Wait], None], attempts: int | None = None) -> str:
    """The outcome of the script in the loop, time moving on by itself."""
    return await clock.finish(attempt_forever(script, clock, before, attempts))


async def attempt_forever(
    operation: Callable[[Health], Awaitable[str]],
    clock: FakeClock,
    before: Callable[[Wait], None],
    attempts: int | None = None,
) -> str:
    """Run the operation in the loop."""
    return await keep_trying(
        operation,
        retryable=lambda error: isinstance(error, Trouble),
        clock=clock,
        backoff=BACKOFF,
        random=Random(5),  # noqa: S311 - jitter, not a secret
        before_wait=before,
        attempts=attempts,
    )


async def test_the_outcome_is_that_of_the_first_success() -> None:
    """Failures before it are told one by one, counted from one, each within its ceiling."""
    waits: list[Wait] = []
    clock = FakeClock()
    script = Script(Trouble("a"), Trouble("b"), Trouble("c"), "done")
    assert await attempt(script, clock, waits.append) == "done"
    assert [wait.attempt for wait in waits] == [1, 2, 3]
    assert [str(wait.cause) for wait in waits] == ["a", "b", "c"]
    assert all(wait.delay_s <= ceiling for wait, ceiling in zip(waits, (1, 2, 4), strict=True))
    assert clock.monotonic() == pytest.approx(sum(wait.delay_s for wait in waits))


async def test_an_error_that_is_not_retryable_comes_out_at_once() -> None:
    """Nothing is waited for and nothing told."""
    waits: list[Wait] = []
    with pytest.raises(Bug):
        await attempt(Script(Bug()), FakeClock(), waits.append)
    assert waits == []


async def test_only_health_starts_the_counting_anew() -> None:
    """The third failure came after health, so it counts as the first; the ones without go on counting."""
    waits: list[Wait] = []
    failures = [Trouble() for _ in range(5)]
    await attempt(Script(*failures, "done", healthy=[3]), FakeClock(), waits.append)
    assert [wait.attempt for wait in waits] == [1, 2, 1, 2, 3]
    assert waits[2].delay_s <= 1.0


async def test_attempts_limit_failures_in_a_row() -> None:
    """The last failure comes out as it is; three attempts mean three calls."""
    script = Script(Trouble("1"), Trouble("2"), Trouble("3"), "never")
    with pytest.raises(Trouble, match="3"):
        await attempt(script, FakeClock(), lambda _: None, attempts=3)
    assert script.calls == 3


async def test_health_gives_new_attempts() -> None:
    """Failures before health do not use up the attempts after it."""
    script = Script(Trouble(), Trouble(), Trouble(), "done", healthy=[2])
    assert await attempt(script, FakeClock(), lambda _: None, attempts=3) == "done"


async def test_cancelling_ends_a_wait_at_once() -> None:
    """A stop does not wait for the next attempt."""
    clock = FakeClock()
    script = Script(Trouble(), "never")
    waits: list[Wait] = []
    first = asyncio.Event()

    def told(wait: Wait) -> None:
        waits.append(wait)
        first.set()

    task = asyncio.create_task(attempt_forever(script, clock, told))
    await first.wait()
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.calls == 1


async def test_a_cancelled_operation_is_not_tried_again() -> None:
    """Cancellation is no failure."""
    calls: list[Health] = []

    async def hang(health: Health) -> str:
        calls.append(health)
        await asyncio.Event().wait()
        return "never"

    clock = FakeClock()
    task = asyncio.create_task(attempt_forever(hang, clock, lambda _: None))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(100.0)
    assert len(calls) == 1


async def test_what_a_failure_held_is_let_go_of_before_the_wait() -> None:
    """Neither the error nor what led to it keeps frames, which a library may have tied into a circle with it."""
    clock, waits = FakeClock(), list[Wait]()

    async def fail(_: Health) -> str:
        try:
            return await Script(Bug())(Health())
        except Bug as bug:
            raise Trouble from bug

    with pytest.raises(Trouble):
        await clock.finish(attempt_forever(fail, clock, waits.append, attempts=2))
    [wait] = waits
    assert isinstance(wait.cause.__cause__, Bug)
    assert (wait.cause.__traceback__, wait.cause.__cause__.__traceback__) == (None, None)
