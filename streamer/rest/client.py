"""Asks one exchange over HTTP: within its limits, patiently, and with its own words for what went wrong.

What an answer means is the adapter's business; whether it may be sent yet is the limiter's.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from operator import attrgetter
from random import Random
from typing import Generic, Self, TypeVar

from streamer.domain.errors import Banned, HistoryError, MalformedAnswer, Throttled
from streamer.domain.instrument import Market
from streamer.protocol.adapter import ExchangeAdapter, Pool, Request
from streamer.rest.breaker import BreakerState
from streamer.rest.leasing import Leasing
from streamer.rest.limiter import Passage, PoolLimiter
from streamer.rest.priority import Priority
from streamer.rest.statistics import PoolStatistics
from streamer.rest.transport import RawAnswer, Transport
from streamer.telemetry.recorder import Recorder
from streamer.timing.backoff import Backoff
from streamer.timing.clock import Clock
from streamer.timing.retry import Health, Wait, keep_trying
from streamer.timing.server_time import ServerTime

T = TypeVar("T")

PATIENCE_S = 60.0  # longer than pauses for pace, shorter than bans: for what may be had from another host, or later

_OK = 200
_LONGEST_USAGE = 9  # digits; Python refuses to read thousands of them


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """``share`` of every limit that we may spend; what one request may take; how often and how soon it is repeated."""

    share: float = 0.5
    timeout_s: float = 30.0
    body_bytes: int = 32 << 20
    attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What an answer says, and the monotonic instants at which its request was sent and the answer was complete."""

    value: T
    sent_at: float
    received_at: float


class RestClient:
    """All REST traffic to one exchange. ``bases`` overrides the default base of a market.

    With ``leasing`` the limits are shared with other processes; without it they are all ours. ``limiters`` are those
    of a client before it, by pool, and what this one adds: so that neither bans nor what was spent are forgotten.
    """

    def __init__(
        self,
        *,
        adapter: ExchangeAdapter,
        session: Transport,
        clock: Clock,
        server_time: ServerTime,
        recorder: Recorder,
        random: Random,
        bases: Mapping[Market, str] | None = None,
        options: RestOptions | None = None,
        leasing: Leasing | None = None,
        limiters: dict[str, PoolLimiter] | None = None,
    ) -> None:
        self.exchange = adapter.name
        self._markets = adapter.markets
        self._bases = {market: facts.rest_base for market, facts in adapter.markets.items()} | dict(bases or {})
        self._session = session
        self._clock = clock
        self._server_time = server_time
        self._recorder = recorder
        self._random = random
        self._options = options or RestOptions()
        self._leasing = leasing
        self._limiters: dict[str, PoolLimiter] = {} if limiters is None else limiters
        self._used: set[str] = set()  # pools, by this client and its views
        self._statistics: dict[str, PoolStatistics] = {}
        self._priority = Priority.LIVE
        self._patience_s = inf

    def with_priority(self, priority: Priority) -> Self:
        """This client for callers of ``priority``: the same connections, limits and statistics. A client is live."""
        view = copy.copy(self)
        view._priority = priority  # noqa: SLF001 - its own class
        return view

    def with_patience(self, seconds: float) -> Self:
        """This client for callers who would rather hear ``Barred`` than wait longer for a ban or a pause to end."""
        view = copy.copy(self)
        view._patience_s = min(seconds, self._patience_s)  # noqa: SLF001 - its own class
        return view

    def statistics(self) -> tuple[PoolStatistics, ...]:
        """What was spent of each pool by this client and its views, by name; pools never asked are left out."""
        return tuple(self._statistics[name] for name in sorted(self._statistics))

    def take_over(self, stated: Iterable[Pool]) -> None:
        """Go by the limits that the exchange itself states: the least where it states several of one pool."""
        least: dict[str, Pool] = {}
        for pool in stated:
            least[pool.name] = min(least.get(pool.name, pool), pool, key=attrgetter("limit"))
        for name, pool in least.items():
            limiter = self._limiter(pool)
            if limiter.pool.limit != pool.limit:
                self._recorder.limits.limit_stated(name, pool.limit, limiter.pool.limit)
                limiter.restate(pool.limit)

    def known(self, pool: Pool) -> Pool:
        """The pool with the limit that we go by, which the exchange may have stated since."""
        limiter = self._limiters.get(pool.name)
        return pool if limiter is None else limiter.pool

    async def get(self, market: Market, request: Request) -> bytes:
        """The body of the exchange's answer. Raises and cancels like :meth:`ask`."""
        return (await self.ask(market, request, bytes)).value

    async def ask(self, market: Market, request: Request, decode: Callable[[bytes], T]) -> Answer[T]:
        """The decoded answer. A body that ``decode`` calls malformed is asked for again: a proxy may have cut it.

        Raises:
            HistoryError: what the answer stands for, once the attempts are used up or asking again cannot help.

        Cancelling loses nothing but the answer.
        """

        async def attempt(_health: Health) -> Answer[T]:
            return await self._attempt(market, request, decode)

        def before_wait(wait: Wait) -> None:
            self._tally(request.pool, retries=1)
            self._recorder.rest_retried(self.exchange, wait)

        return await keep_trying(
            attempt,
            retryable=lambda error: isinstance(error, HistoryError) and error.retryable,
            clock=self._clock,
            backoff=self._options.backoff,
            random=self._random,
            before_wait=before_wait,
            attempts=self._options.attempts,
        )

    async def _attempt(self, market: Market, request: Request, decode: Callable[[bytes], T]) -> Answer[T]:
        limiter = self._limiter(request.pool)
        async with limiter.spend(request.weight, self._priority, self._patience_s) as passage:
            self._tally(request.pool, calls=1, weight=request.weight)
            self._recorder.limits.budget_part(request.pool.name, limiter.part)
            if passage.probe:
                self._recorder.limits.probing(request.pool.name)
            answer = await self._exchange(market, request)
            received_at = self._clock.monotonic()
            self._note_usage(limiter, answer.headers, passage.left_at)
            fault = self._markets[market].rest.fault(answer.status, answer.headers, answer.body)
            self._judge(limiter, passage, fault)
        if fault is not None:
            raise fault
        if answer.status != _OK:
            raise MalformedAnswer(f"{self.exchange} answered HTTP {answer.status} to {request.path}")
        decoded = Answer(decode(answer.body), passage.left_at, received_at)
        self._tally(request.pool, succeeded=1)
        return decoded

    def _judge(self, limiter: PoolLimiter, passage: Passage, fault: HistoryError | None) -> None:
        """Let the limiter obey, and say once what it does."""
        pool = limiter.pool.name
        pause_s = limiter.judge(passage, fault)
        if isinstance(fault, Throttled):
            self._tally(limiter.pool, throttled=1)
            say = self._recorder.limits.banned if isinstance(fault, Banned) else self._recorder.limits.throttled
            say(pool, pause_s, str(fault))
            self._recorder.limits.budget_part(pool, limiter.part)
            if isinstance(fault, Banned) and self._leasing is not None:
                self._leasing.tell()
        elif passage.probe and limiter.state is BreakerState.CLOSED:
            self._recorder.limits.relented(pool)

    async def _exchange(self, market: Market, request: Request) -> RawAnswer:
        try:
            answer = await self._session.get(
                self._bases[market].rstrip("/") + request.path,
                request.params,
                timeout_s=self._clock.real_seconds(self._options.timeout_s),
                body_bytes=self._options.body_bytes,
            )
        except HistoryError:
            self._recorder.rest_answered(self.exchange, "error")
            raise
        self._recorder.rest_answered(self.exchange, str(answer.status))
        return answer

    def _limiter(self, pool: Pool) -> PoolLimiter:
        limiter = self._limiters.get(pool.name)
        if limiter is None:
            limiter = PoolLimiter(
                pool,
                share=self._options.share,
                clock=self._clock,
                server_time=self._server_time,
                random=self._random,
            )
            self._limiters[pool.name] = limiter
        if pool.name not in self._used:
            self._used.add(pool.name)
            if self._leasing is not None:
                self._leasing.add(limiter)
            self._recorder.limits.pool_used(pool.name)
        return limiter

    def _tally(self, pool: Pool, **more: int) -> None:
        known = self._statistics.get(pool.name) or PoolStatistics(pool.name)
        self._statistics[pool.name] = replace(known, **{name: getattr(known, name) + by for name, by in more.items()})

    def _note_usage(self, limiter: PoolLimiter, headers: Mapping[str, str], left_at: float) -> None:
        used = headers.get(limiter.pool.usage_header or "", "")
        if used.isascii() and used.isdigit() and len(used) <= _LONGEST_USAGE:
            limiter.observe_used(int(used), left_at)
        self._recorder.rest_weight_used(limiter.pool.name, limiter.used_ratio())
