"""Our table of weights against the simulator's, which was read from the same pages by itself."""

from collections.abc import Iterator

import pytest

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.exchanges import discover
from streamer.protocol.adapter import Request
from streamer.simulator.answering import Question, RestSide
from streamer.simulator.binance_rest import BinanceRest
from streamer.simulator.bybit_rest import BybitRest
from streamer.simulator.catalogue import invent
from streamer.simulator.okx_rest import OkxRest
from streamer.simulator.options import SimulatorOptions
from streamer.simulator.tape import InventedTape
from tests.fakes.rest import instrument

ADAPTERS = discover()
NOW_MS = 1_784_800_800_000
ROWS = (1, 99, 100, 300, 499, 500, 1_000)


def sides() -> dict[str, RestSide]:
    """The simulator's exchanges."""
    tape = InventedTape(invent(SimulatorOptions(), NOW_MS))
    return {"binance": BinanceRest(tape), "bybit": BybitRest(tape), "okx": OkxRest(tape)}


def requests(exchange: str, market: Market) -> Iterator[Request]:
    """Every kind of request that we make."""
    rest = ADAPTERS[exchange].markets[market].rest
    bitcoin = instrument("BTC", market=market)
    for first_ms in (NOW_MS - 1_000 * 60_000, NOW_MS - 10**9):
        for rows in (one for one in ROWS if one <= rest.page_rows(Interval.M1)):
            yield rest.candles(bitcoin, Interval.M1, first_ms, first_ms + (rows - 1) * 60_000, NOW_MS)
    yield rest.instruments(None)
    yield rest.server_time


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize("exchange", sorted(ADAPTERS))
def test_every_request_costs_what_the_exchange_counts(exchange: str, market: Market) -> None:
    """Whatever is asked, for however many rows, has the weight that is counted for it; pools agree one to one."""
    side = sides()[exchange]
    pools: dict[str, str] = {}
    for request in requests(exchange, market):
        cost = side.cost(Question(market, request.path, request.params, NOW_MS))
        assert (request.path, request.weight) == (request.path, cost.weight)
        assert pools.setdefault(request.pool.name, cost.pool) == cost.pool
    assert len(set(pools.values())) == len(pools)
