"""``streamer demo``, as somebody sees it who has just installed it: this one takes its time, a minute of the world."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from streamer.timing.clock import SystemClock
from tests.end_to_end.process import Service, command, left_in, service, until
from tests.integration.servers import data_folder

WEEK = 7 * 24 * 60
SERIES = {(exchange, symbol) for exchange in ("binance", "bybit", "okx") for symbol in ("BTC-USDT", "ETH-USDT")}
FIRST_ROWS_S = 30.0
NEXT_MINUTE_S = 75.0
GONE_S = 5.0
HOUR_S, DAY_S = 3_600, 86_400
ALL = """
select exchange, symbol, extract(epoch from open_time)::bigint as open_s, open, high, low, close, volume, quote_volume,
       trades, taker_buy_volume, taker_buy_quote_volume {more} from {relation} order by 1, 2, 3
"""
COVERED = "select (select sum(candles) from {relation}) = (select count(*) from klines) as whole"
SUMS = ("volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")


async def ask(folder: Path, data: Path, statement: str) -> list[dict[str, Any]]:
    """The answer of ``streamer sql`` beside the demo."""
    database = data / "demo"
    ended = await command("sql", "--data-dir", database, "--json", "--rows", "200000", statement, folder=folder)
    assert (ended.code, ended.errors) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.output)
    return found


def grouped(candles: Iterable[dict[str, Any]], seconds: int) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Larger candles out of 1m candles: those without volume count only where there is no other."""
    buckets: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for one in candles:
        buckets[one["exchange"], one["symbol"], one["open_s"] // seconds * seconds].append(one)
    return {key: larger(minutes, seconds) for key, minutes in buckets.items()}


def larger(minutes: list[dict[str, Any]], seconds: int) -> dict[str, Any]:
    """One candle of minutes in order of time."""
    traded = [one for one in minutes if one["volume"]] or minutes
    sums = {name: None if minutes[0][name] is None else sum(one[name] for one in minutes) for name in SUMS}
    return {
        "open": traded[0]["open"],
        "high": max(one["high"] for one in traded),
        "low": min(one["low"] for one in traded),
        "close": traded[-1]["close"],
        "candles": len(minutes),
        "complete": len(minutes) == seconds // 60,
        **sums,
    }


async def invited(demo: Service) -> float:
    """Seconds until it says that the week is there."""
    clock = SystemClock()
    began_at = clock.monotonic()
    await until(lambda: any("A week is there" in line for line in demo.output), f"a week is there: {demo.output}", 60.0)
    return clock.monotonic() - began_at


def postgres_of(folder: Path) -> list[str]:
    """The command lines of processes that name ``folder``; empty where the system does not show them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if "postgres" in line and str(folder) in line:
            found.append(line)
    return found


@pytest.mark.timeout(240)
async def test_the_demo_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    """A week in half a minute, right 1h and 1d candles, live ones each minute; stopped, killed and started again."""
    with data_folder() as data:
        arguments = ("demo", "--data-dir", data, "--port", "0")
        async with service(*arguments, folder=tmp_path) as demo:
            assert await invited(demo) < FIRST_ROWS_S
            candles = await ask(tmp_path, data, ALL.format(more="", relation="klines"))
            counts = {(one["exchange"], one["symbol"]): 0 for one in candles}
            for one in candles:
                counts[one["exchange"], one["symbol"]] += 1
            assert counts.keys() == SERIES
            assert min(counts.values()) >= WEEK - 10
            await check_larger(tmp_path, data)
            [line] = [line for line in demo.output if "curl" in line]
            address = line.split("//")[1].removesuffix("/metrics")
            assert not address.endswith(":0")
            shown = len(demo.output)
            await until(lambda: any(" +" in one for one in demo.output[shown:]), "a minute's candles", NEXT_MINUTE_S)
            demo.press_ctrl_c()
            assert await demo.ended(GONE_S) == 0
        assert demo.errors == []
        assert await asyncio.to_thread(postgres_of, data) == []

        async with service(*arguments, folder=tmp_path) as again:
            await invited(again)
            again.signal(SIGKILL)
            assert await again.ended() == -SIGKILL
        async with service(*arguments, folder=tmp_path) as third:
            await invited(third)
            third.press_ctrl_c()
            assert await third.ended(GONE_S) == 0
        assert await asyncio.to_thread(postgres_of, data) == []
    assert left_in(tmp_path) == []


async def check_larger(folder: Path, data: Path) -> None:
    """Wait until 1h and 1d cover what 1m holds, then compare every bucket that has all its minutes."""
    for relation, seconds in (("klines_1h", HOUR_S), ("klines_1d", DAY_S)):

        async def covered(relation: str = relation) -> bool:
            return bool((await ask(folder, data, COVERED.format(relation=relation)))[0]["whole"])

        await until(covered, f"{relation} covers every candle")
        found = await ask(folder, data, ALL.format(more=", candles, complete", relation=relation))
        expected = grouped(await ask(folder, data, ALL.format(more="", relation="klines")), seconds)
        keys = {(one["exchange"], one["symbol"], one["open_s"]): one for one in found}
        complete = {key for key, one in expected.items() if one["complete"]}
        assert len(complete) >= len(SERIES) * (WEEK * 60 // seconds - 2)
        for key in complete:
            shown = {name: keys[key][name] for name in expected[key]}
            for name in SUMS:
                if expected[key][name] is not None:
                    assert shown[name] == pytest.approx(expected[key][name], rel=1e-12), (relation, key, name)
                    shown[name] = expected[key][name]
            assert shown == expected[key], (relation, key)
