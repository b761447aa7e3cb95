"""``streamer backfill`` against the simulator and real databases: all of it, once, and no more than is missing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import orjson
import yaml

from streamer.app.backfill_request import BackfillRequest
from streamer.app.backfilling import BackfillReport, backfill
from streamer.app.signals import Stop
from streamer.domain.interval import Interval, from_ms
from streamer.history.backfill import Headway
from streamer.history.dividing import Division
from streamer.history.plan import Plan
from streamer.settings.model import Settings
from streamer.simulator.simulator import Simulator
from streamer.store.contract import GapCause, GapFilter, GapStatus
from tests.end_to_end.process import command, left_in, service, until
from tests.integration.checking import BINANCE, BYBIT, MINUTE, NATIVE, OKX, PEPE, World, checked_world
from tests.integration.exchange_gate import Gate
from tests.integration.servers import TestDatabase

STEP = 60_000
DAY = timedelta(days=1)
_CANDLES = ("klines", "kline", "candles", "history-candles")


slow_world = partial(checked_world, rate=6.0)  # a client's timeout of half a minute is then five seconds of the world


class Watching:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.divisions: dict[str, Division] = {}
        self.headways: dict[str, Headway] = {}

    def planned(self, exchange: str, plan: Plan, division: Division, seconds: float) -> None:
        """Keep the plan."""
        assert seconds >= 0
        self.plans[exchange] = plan
        self.divisions[exchange] = division

    def moved(self, exchange: str, headway: Headway) -> None:
        """Keep the last."""
        self.headways[exchange] = headway


async def bring(
    world: World, request: BackfillRequest, screen: Watching | None = None, stop: Stop | None = None
) -> BackfillReport:
    """One round in this process."""
    settings = world.settings.model_copy(update={"allow_simulated": True})
    return await backfill(settings, request, screen or Watching(), stop or Stop(), asyncio.Event())


def asked(simulator: Simulator) -> int:
    """How many requests for candles the exchanges answered."""
    return sum(count for (_, path, _), count in simulator.answered.items() if path in _CANDLES)


def refused(simulator: Simulator) -> dict[tuple[str, str, int], int]:
    """What was answered otherwise than well."""
    return {key: count for key, count in simulator.answered.items() if key[2] != 200}


def of(first_ms: int, last_ms: int, **more: Any) -> BackfillRequest:
    """A request for the minutes from the first to the last."""
    return BackfillRequest(since=from_ms(first_ms), until=from_ms(last_ms) + MINUTE, **more)


async def whole(world: World, first_ms: int, last_ms: int) -> None:
    """Fail unless every published candle is stored, row by row, and nothing else."""
    for series in NATIVE:
        assert await world.stored(series, first_ms, last_ms) == world.published(series, first_ms, last_ms), series
    [(count,)] = await world.store.look("select count(*) from klines")
    assert count == sum(len(world.published(series, first_ms, last_ms)) for series in NATIVE)


async def test_what_is_brought_is_what_was_published(database: TestDatabase) -> None:
    """Every market of three exchanges, over more pages than one; the hours are right, and a second run asks nothing."""
    async with slow_world(database, history_days=3) as world:
        last_ms = world.settled_ms()
        first_ms = last_ms - 2_999 * STEP
        screen = Watching()
        report = await bring(world, of(first_ms, last_ms), screen)
        assert report.is_whole
        await whole(world, first_ms, last_ms)
        assert {one.exchange: sum(r.candles for r in one.reports) for one in report.filled} == {
            "binance": 6_000, "bybit": 3_000, "okx": 3_000,
        }  # fmt: skip
        assert {name: one.requests for name, one in screen.plans.items()} == {"binance": 10, "bybit": 3, "okx": 10}
        assert sum(one.requests for one in screen.headways.values()) == asked(world.simulator) == 23
        assert refused(world.simulator) == {}
        [(hours,)] = await world.store.look(
            "select count(*) from klines_1h where complete and open_time >= $1 and open_time < $2",
            Interval.H1.floor(from_ms(first_ms)) + timedelta(hours=1),
            Interval.H1.floor(from_ms(last_ms)) - timedelta(hours=2),
        )
        expected = (
            Interval.H1.floor(from_ms(last_ms)) - Interval.H1.floor(from_ms(first_ms)) - timedelta(hours=3)
        ) // timedelta(hours=1)
        assert hours == len(NATIVE) * expected
        assert (await world.store.look("select count(*) from instruments where exchange = 'okx'"))[0][0] > 10

        again = await bring(world, of(first_ms, last_ms))
        assert again.is_whole
        assert asked(world.simulator) == 23


async def test_only_holes_are_asked_for(plain_database: TestDatabase) -> None:
    """Two holes in one page cost one request, and what lies between them keeps its source."""
    async with slow_world(plain_database) as world:
        first_ms, last_ms = await world.fill(400)
        for begin, end in ((100, 110), (200, 201)):
            await world.store.look(
                "delete from klines where symbol = 'BTC-USDT' and open_time >= $1 and open_time < $2",
                from_ms(first_ms + begin * STEP),
                from_ms(first_ms + end * STEP),
            )
        report = await bring(world, of(first_ms, last_ms))
        await whole(world, first_ms, last_ms)
        assert asked(world.simulator) == 1
        assert sum(one.candles for filled in report.filled for one in filled.reports) == 11
        sources = await world.store.look("select source, count(*) from klines group by 1 order by 1")
        assert sources == [("rest", 11), ("ws", 1_589)]


async def test_a_dry_run_says_what_is_then_used(plain_database: TestDatabase) -> None:
    """The same candles, requests and weight; it fetches and stores nothing."""
    async with slow_world(plain_database, history_days=3) as world:
        request = of(world.settled_ms() - 1_499 * STEP, world.settled_ms())
        said, used = Watching(), Watching()
        report = await bring(world, replace(request, dry_run=True), said)
        assert report.is_whole
        assert asked(world.simulator) == 0
        assert (await world.store.look("select count(*) from klines")) == [(0,)]
        await bring(world, request, used)
        assert {name: (one.requests, one.weight) for name, one in used.headways.items()} == {
            name: (one.requests, one.weight) for name, one in said.plans.items()
        }
        assert asked(world.simulator) == sum(one.requests for one in said.plans.values())


async def test_a_dry_run_leaves_no_lease(plain_database: TestDatabase) -> None:
    """It divides the limits while it asks, and writes nothing that stays."""
    async with slow_world(plain_database) as world:
        tree = world.settings.model_dump(mode="json", exclude_unset=True) | {"rest": {"share": 1.0, "egress": "here"}}
        sharing = replace(world, settings=Settings.model_validate(tree))
        request = of(world.settled_ms() - 99 * STEP, world.settled_ms())
        await bring(sharing, replace(request, dry_run=True))
        assert await world.store.look("select count(*) from rest_leases") == [(0,)]
        await bring(sharing, request)
        assert await world.store.look("select count(*) > 0 from rest_leases") == [(True,)]


async def test_a_database_that_blinks_at_the_end_costs_no_summary(plain_database: TestDatabase) -> None:
    """All is stored then: what is left to do is done a moment later."""
    async with slow_world(plain_database) as world:
        for statement in (
            "create sequence blinks",
            """create function blink() returns trigger language plpgsql as $$
            begin
                if nextval('blinks') <= 2 then
                    raise exception 'blinking' using errcode = 'cannot_connect_now';
                end if;
                return null;
            end $$""",
            "create trigger blink after delete on rollup_windows for each statement execute function blink()",
        ):
            await world.store.look(statement)
        report = await bring(world, of(world.settled_ms() - 99 * STEP, world.settled_ms()))
        assert report.is_whole
        assert await world.store.look("select last_value > 2 from blinks") == [(True,)]
        assert await world.store.look("select count(*) from rollup_windows") == [(0,)]


async def test_a_dry_run_needs_no_database(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Nothing is stored where there is none, and none is made."""
    async with slow_world(plain_database) as world:
        config = settings_file(world, tmp_path, database_url=None, data_dir=str(tmp_path / "none"))
        before = left_in(tmp_path)
        said = await command("backfill", "--config", config, "--latest", "600", "--dry-run", "--json", folder=tmp_path)
        assert said.code == 0, said.errors
        plans = {one["exchange"]: one["plan"] for one in orjson.loads(said.output)["exchanges"]}
        assert {name: (plan["candles"], plan["requests"]) for name, plan in plans.items()} == {
            "binance": (1_200, 3), "bybit": (600, 1), "okx": (600, 2),
        }  # fmt: skip
        assert plans["binance"]["pools"] == {"binance_spot": 2, "binance_futures": 4}
        assert left_in(tmp_path) == before
        assert asked(world.simulator) == 0


async def test_absent_minutes_are_written_down_and_left_alone(plain_database: TestDatabase) -> None:
    """A market without rows for minutes without trades: the second run asks for its silent end at most."""
    async with slow_world(plain_database, history_days=3) as world:
        last_ms = world.settled_ms()
        request = of(last_ms - 1_999 * STEP, last_ms, symbols=["QUIET-USDT"])
        report = await bring(world, request)
        assert report.is_whole
        first = asked(world.simulator)
        absent = sum(one.absent for filled in report.filled for one in filled.reports)
        assert absent > 500
        gaps = await world.ledger.gaps(GapFilter(status=GapStatus.ABSENT), 10_000)
        assert sum(gap.run.candles for gap in gaps) == absent
        assert {gap.cause for gap in gaps} == {GapCause.HISTORY}
        await bring(world, request)
        assert asked(world.simulator) - first <= 6


async def test_one_failing_symbol_stops_no_other(plain_database: TestDatabase, tmp_path: Path) -> None:
    """It is listed with the exchange's own words, and as a gap where it is followed; the exit code is 1."""
    async with slow_world(plain_database) as world:
        last_ms = world.settled_ms()
        first_ms = last_ms - 99 * STEP
        await world.ledger.follow("binance", {PEPE: from_ms(last_ms - 49 * STEP)}, from_ms(last_ms))
        async with Gate(world.simulator.urls["binance"]["linear"]["rest"], "1000PEPEUSDT").serving() as gate:
            config = gated(world, tmp_path, gate.url)
            arguments = ("--since", from_ms(first_ms).isoformat(), "--until", (from_ms(last_ms) + MINUTE).isoformat())
            done = await command("backfill", "--config", config, *arguments, "--json", folder=tmp_path)
        assert done.code == 1, done.errors
        [binance, *_] = orjson.loads(done.output)["exchanges"]
        [trouble] = binance["troubles"]
        assert (trouble["symbol"], binance["failed"]) == ("1000PEPE-USDT-PERP", 1)
        assert "Invalid symbol" in trouble["error"]
        for series in (BINANCE, BYBIT, OKX):
            assert await world.stored(series, first_ms, last_ms) == world.published(series, first_ms, last_ms)
        [gap] = await world.ledger.gaps(GapFilter(status=GapStatus.OPEN), 10)
        assert (gap.run.series, gap.run.candles, gap.cause) == (PEPE, 50, GapCause.HISTORY)


def gated(world: World, folder: Path, url: str) -> Path:
    """A settings file in which Binance's linear market is reached through a gate."""
    tree = world.settings.model_dump(mode="json", exclude_unset=True)
    tree["exchanges"]["binance"]["urls"] = {
        **world.simulator.urls["binance"], "linear": {**world.simulator.urls["binance"]["linear"], "rest": url}
    }  # fmt: skip
    tree["allow_simulated"] = True
    path = folder / "gated.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def settings_file(world: World, folder: Path, **more: Any) -> Path:
    """The world's settings for a process that may take candles from a simulator."""
    tree = world.settings.model_dump(mode="json", exclude_unset=True) | {"allow_simulated": True} | more
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


async def stored_count(world: World) -> int:
    """How many candles are stored."""
    [(count,)] = await world.store.look("select count(*) from klines")
    return int(count)


async def test_an_interrupted_run_stores_what_it_has(plain_database: TestDatabase, tmp_path: Path) -> None:
    """One SIGINT: 130, everything that was answered is stored, and the next run brings the rest."""
    async with slow_world(plain_database, history_days=90, latency_s=1.0) as world:
        config = settings_file(world, tmp_path)
        last_ms = world.settled_ms()
        first_ms = last_ms - 99_999 * STEP
        span = ("--since", from_ms(first_ms).isoformat(), "--until", (from_ms(last_ms) + MINUTE).isoformat())
        arguments = ("backfill", "--config", config, *span, "--exchange", "binance", "--symbols", "BTC-USDT")
        async with service(*arguments, "--json", folder=tmp_path) as running:
            await until(lambda: asked(world.simulator) > 20, "a part of it is fetched")
            assert await running.stopped(Signals.SIGINT) == 130
        document = orjson.loads("\n".join(running.output))
        assert document["interrupted"]
        [binance] = document["exchanges"]
        assert 0 < binance["stored"] == binance["candles"] == await stored_count(world) < 100_000
        done = await command(*arguments, folder=tmp_path, patience_s=60.0)
        assert done.code == 0
        assert await stored_count(world) == 100_000


async def test_every_stays_and_repeats(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Each beat brings what is new; a signal between two beats ends it with the last round's code."""
    async with slow_world(plain_database) as world:
        config = settings_file(world, tmp_path)
        arguments = ("backfill", "--config", config, "--latest", "10", "--every", "30s", "--json")
        async with service(*arguments, folder=tmp_path) as running:
            await until(lambda: len(running.output) >= 3, "three rounds are told")
            assert await running.stopped() in {0, 130}
        rounds = [orjson.loads(line) for line in running.output]
        assert [one["whole"] for one in rounds[:3]] == [True] * 3
        first, later = (
            [sum(exchange["candles"] for exchange in one["exchanges"]) for one in part]
            for part in (rounds[:1], rounds[1:3])
        )
        assert first == [10 * len(NATIVE)]
        assert all(one < 10 * len(NATIVE) for one in later)


async def test_a_service_beside_it_goes_on(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Both write to one database: live candles keep coming, history is whole, and no limit is overstepped."""
    async with slow_world(plain_database, history_days=5) as world:
        config = settings_file(world, tmp_path, rest={"share": 0.5}, http={"port": 0})
        async with service("run", "--config", config, folder=tmp_path) as running:

            async def live() -> int:
                return int((await world.store.look("select count(*) from klines where source = 'ws'"))[0][0])

            await until(live, "a live candle is stored", 60.0)
            last_ms = world.settled_ms()
            first_ms = last_ms - 4_999 * STEP
            before = await live()
            span = ("--since", from_ms(first_ms).isoformat(), "--until", (from_ms(last_ms) + MINUTE).isoformat())
            done = await command("backfill", "--config", config, *span, folder=tmp_path, patience_s=60.0)
            assert done.code == 0, done.errors

            async def more() -> bool:
                return await live() > before

            await until(more, "more live candles are stored", 60.0)
            for series in NATIVE:
                assert await world.stored(series, first_ms, last_ms) == world.published(series, first_ms, last_ms)
            assert await running.stopped(patience_s=60.0) == 0
        assert refused(world.simulator) == {}


async def test_wrong_arguments_are_told_in_a_sentence(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Exit 2 each; an exchange that cannot be had is exit 1, and the others are brought."""
    async with slow_world(plain_database) as world:
        config = settings_file(world, tmp_path)
        both = ("--exchange", "binance", "--exchange", "bybit")
        for wrong, said in [
            ((), "say how far back"),
            (("--until", "2024-01-01"), "say how far back"),
            (("--latest", "5", "--since", "2024-01-01"), "not both"),
            (("--since", "2024-02-01", "--until", "2024-01-01"), "not after it begins"),
            (("--timerange", "2024-2025"), "is no range"),
            (("--since", "2999-01-01"), "in the future"),
            (("--since", "2999-01-01", "--until", "2999-02-01", "--dry-run"), "in the future"),
            (("--since", "0001-01-01", "--until", "0002-01-01"), "before 1970"),
            (("--latest", "5", "--symbols", ""), "--symbols names nothing"),
            (("--latest", "5", "--exclude", ","), "--exclude names nothing"),
            (("--latest", "5", "--symbols", "*-USDT", "--exclude", "*"), "leave nothing"),
            (("--latest", "5", "--symbols", "*-USDT-PERP", "--exchange", "binance", "--interval", "1s"), "of 1s for"),
            (("--latest", "5", "--symbols", "NOPE-USDT"), "no symbol 'NOPE-USDT'"),
            (("--latest", "5", "--symbols", "NOPE*"), "matches the pattern 'NOPE*'"),
            (("--latest", "5", "--exchange", "bybit", "--interval", "1s"), "no candles of 1s"),
            (
                ("--latest", "5", "--symbols", "BTC-USDT", *both, "--interval", "1m", "--interval", "1s"),
                "bybit has no candles",
            ),
            (("--latest", "5", "--every", "often"), "no length of time"),
            (("--latest", "5", "--every", "4h", "--dry-run"), "nothing to repeat"),
        ]:
            refusal = await command("backfill", "--config", config, *wrong, folder=tmp_path)
            assert (refusal.code, said in refusal.sentence) == (2, True), (wrong, refusal)
        assert await stored_count(world) == 0

        tree = yaml.safe_load(config.read_text())
        for urls in tree["exchanges"]["okx"]["urls"].values():
            urls["rest"] = "http://127.0.0.1:9"
        config.write_text(yaml.safe_dump(tree))
        partly = await command("backfill", "--config", config, "--latest", "5", folder=tmp_path, patience_s=60.0)
        assert partly.code == 1
        assert "okx could not be asked" in partly.errors
        assert await stored_count(world) == 15


async def test_real_and_invented_candles_are_not_mixed(plain_database: TestDatabase, tmp_path: Path) -> None:
    """A simulator's candles need the flag, and a database without real ones."""
    async with slow_world(plain_database) as world:
        config = settings_file(world, tmp_path, allow_simulated=False)
        refusal = await command("backfill", "--config", config, "--latest", "5", folder=tmp_path)
        assert (refusal.code, "--allow-simulated" in refusal.sentence) == (2, True)
        await world.fill(3)
        await world.store.look("delete from database_marks where name = 'simulated'")
        refusal = await command("backfill", "--config", config, "--latest", "5", "--allow-simulated", folder=tmp_path)
        assert (refusal.code, "not from a simulator" in refusal.sentence) == (2, True)
