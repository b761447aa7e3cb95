"""Whole clients against a simulator that counts as the exchanges do: the most that is allowed, and never more."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.exchanges import discover
from streamer.protocol.adapter import Request
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.priority import Priority
from streamer.rest.server_time import measure_server_time
from streamer.rest.session import HttpSession, make_session
from streamer.rest.transport import RawAnswer
from streamer.simulator.faults import Fault, FaultKind
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.simulator import Simulator
from streamer.symbols.load import load_registry
from streamer.timing.clock import FastClock
from streamer.timing.server_time import ServerTime
from tests.fakes.facts import Facts
from tests.fakes.rest import instrument, make_client

LATENCY_S = 0.08
ADAPTERS = discover()


class Watched:
    """The real session, which remembers what left and when, by the clock that rules."""

    def __init__(self, session: HttpSession, clock: FastClock) -> None:
        self.left: list[tuple[float, bool]] = []  # and whether it was marked
        self._session = session
        self._clock = clock

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The session's answer."""
        self.left.append((self._clock.monotonic(), "timeZone" in params))
        return await self._session.get(url, params, timeout_s=timeout_s, body_bytes=body_bytes)


@asynccontextmanager
async def limited(
    rate: float, *faults: Fault, weights: Mapping[Market, int] | None = None
) -> AsyncIterator[tuple[Simulator, FastClock]]:
    """A simulator with its limits on and the latency of the world, and its clock."""
    clock = FastClock(rate)
    options = SimulatorOptions(
        latency_s=LATENCY_S, enforce_limits=True, forming_every_s=0.0, faults=faults, weights=weights or {}
    )
    async with Simulator(options, clock) as simulator:
        yield simulator, clock


@asynccontextmanager
async def client_of(
    simulator: Simulator, exchange: str, clock: FastClock, share: float, facts: Facts
) -> AsyncIterator[tuple[RestClient, Watched]]:
    """A client of its own session that knows the exchange's time."""
    bases = {market: simulator.urls[exchange][market.value]["rest"] for market in Market}
    server_time = ServerTime(clock)
    async with make_session(bases.values()) as session:
        watched = Watched(session, clock)
        client = make_client(
            ADAPTERS[exchange],
            watched,
            facts.recorder,
            clock=clock,
            server_time=server_time,
            options=RestOptions(share=share, timeout_s=600.0),
            bases=bases,
        )
        await measure_server_time(client, ADAPTERS[exchange], Market.LINEAR, server_time)
        yield client, watched


def candle_of_old(exchange: str, clock: FastClock) -> Request:
    """A request for one candle of two days ago; on Binance for as many rows as cost the most."""
    open_ms = Interval.M1.floor_ms(int(clock.time() * 1_000)) - 2 * 86_400_000
    native = "BTC-USDT-SWAP" if exchange == "okx" else "BTCUSDT"
    bitcoin = instrument("BTC", market=Market.LINEAR, native=native)
    rest = ADAPTERS[exchange].markets[Market.LINEAR].rest
    request = rest.candles(bitcoin, Interval.M1, open_ms, open_ms, int(clock.time() * 1_000))
    if exchange != "binance":
        return request
    return replace(request, params={**request.params, "limit": "1500"}, weight=10)


@pytest.mark.parametrize(("exchange", "rate", "windows"), [("binance", 30.0, 3), ("bybit", 3.0, 2), ("okx", 20.0, 12)])
async def test_two_clients_at_full_speed_are_never_told_to_slow_down(exchange: str, rate: float, windows: int) -> None:
    """With half the limit each, both ask as fast as they may, live and history together; no answer is a refusal."""
    facts = Facts()
    async with limited(rate) as (simulator, clock):
        request = candle_of_old(exchange, clock)
        each = windows * request.pool.limit // 2 // request.weight

        async def ask(client: RestClient, count: int) -> None:
            for _ in range(count):
                await client.get(Market.LINEAR, request)

        async with (
            client_of(simulator, exchange, clock, 0.5, facts) as (one, _),
            client_of(simulator, exchange, clock, 0.5, facts) as (other, _),
        ):
            began_at = clock.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for client in (one, other):
                    tasks.create_task(ask(client, each // 20))
                    for _ in range(19):
                        tasks.create_task(ask(client.with_priority(Priority.HISTORY), each // 20))
            took_s = clock.monotonic() - began_at
            spent = next(it for it in one.statistics() if it.pool == request.pool.name)
        assert {status for _, status in simulator.rest_statuses} == {200}
    assert spent.calls >= 20 * (each // 20)
    assert (spent.throttled, spent.retries, spent.success_rate) == (0, 0, 1.0)
    assert facts.metric("rest_throttled_total", pool=request.pool.name) == 0
    assert took_s < (windows + 1) * request.pool.window_s * 1.5


async def test_a_limit_that_the_list_states_is_kept() -> None:
    """Binance's futures count 480 a minute instead of 2,400 and say so in their list: no answer is a refusal."""
    facts = Facts()
    async with limited(60.0, weights={Market.LINEAR: 480}) as (simulator, clock):
        request = candle_of_old("binance", clock)
        async with client_of(simulator, "binance", clock, 1.0, facts) as (client, _):
            await load_registry(client, ADAPTERS["binance"], list(Market), facts.recorder)
            assert client.known(request.pool).limit == 480
            async with asyncio.TaskGroup() as tasks:
                for _ in range(100):
                    tasks.create_task(client.get(Market.LINEAR, request))
        assert {status for _, status in simulator.rest_statuses} == {200}
    assert facts.said("rest_limit_stated") == 1


async def test_nothing_leaves_during_a_ban_and_repair_resumes_first() -> None:
    """In the middle of a long backfill Binance bans the address: silence, one live request, and all is well again."""
    facts = Facts()
    ban = Fault(
        kind=FaultKind.RATE_LIMIT, exchange="binance", market=Market.LINEAR, code=418, at_s=20, for_s=5, seconds=60
    )
    async with limited(20.0, ban) as (simulator, clock):
        request = candle_of_old("binance", clock)
        async with client_of(simulator, "binance", clock, 1.0, facts) as (client, watched):
            history = client.with_priority(Priority.HISTORY)

            async def backfill() -> None:
                while True:
                    await history.get(Market.LINEAR, request)
                    await clock.sleep(1.0)

            async with asyncio.TaskGroup() as tasks:
                backfills = [tasks.create_task(backfill()) for _ in range(8)]
                while not facts.said("rest_banned"):
                    await clock.sleep(0.5)
                banned_at = clock.monotonic()
                marked = replace(request, params={**request.params, "timeZone": "0"})
                await client.get(Market.LINEAR, marked)
                await clock.sleep(5.0)
                for one in backfills:
                    one.cancel()
        after = [(left_at, live) for left_at, live in watched.left if left_at > banned_at]
    assert facts.said("rest_banned") == facts.said("rest_relented") == 1
    assert after[0][0] >= banned_at + 55.0
    assert after[0][1]
    assert len(after) > 8
    assert facts.metric("rest_breaker", pool=request.pool.name, state="closed") == 1
