"""``streamer doctor`` as an operator runs it: its table, its document, its exit code."""

import json
from pathlib import Path

from tests.end_to_end.process import command, left_in
from tests.end_to_end.world import simulating, write_settings
from tests.integration.servers import TestDatabase

SYMBOLS = {"binance": ["BTC-USDT"], "okx": ["BTC-USDT"]}


async def test_a_database_is_looked_over(plain_database: TestDatabase, tmp_path: Path) -> None:
    """Before the first migration a check fails, and after it none does: exit codes 1 and 0."""
    address = {"DATABASE_URL": plain_database.url}
    before = await command("doctor", folder=tmp_path, environment=address)
    await command("migrate", folder=tmp_path, environment=address)
    after = await command("doctor", folder=tmp_path, environment=address)
    document = await command("doctor", "--json", folder=tmp_path, environment=address)
    assert (before.code, after.code, document.code) == (1, 0, 0)
    assert before.errors + after.errors == ""
    lines = {line.split("  ")[0]: line for line in before.output.splitlines()}
    assert " fail " in lines["migrations"]
    assert lines["migrations"].rstrip().endswith("streamer migrate")
    found = json.loads(document.output)
    assert found["healthy"] is True
    assert {one["check"]: one["verdict"] for one in found["checks"]}["migrations"] == "ok"
    assert all(set(one) == {"check", "verdict", "sentence", "cure"} for one in found["checks"])


async def test_a_database_that_is_away_is_one_failed_check(tmp_path: Path) -> None:
    """No traceback and no password; the rest is still looked at."""
    url = "postgresql://streamer:secret@127.0.0.1:1/streamer"
    ended = await command("doctor", "--json", "--database-url", url, folder=tmp_path)
    assert (ended.code, ended.errors) == (1, "")
    found = {one["check"]: one for one in json.loads(ended.output)["checks"]}
    assert found["database"]["verdict"] == "fail"
    assert "127.0.0.1:1" in found["database"]["sentence"]
    assert "secret" not in ended.output
    assert found["disk of the data folder"]["verdict"] == "ok"
    assert left_in(tmp_path) == []


async def test_no_database_yet_is_one_failed_check(tmp_path: Path) -> None:
    """None is made by looking for it."""
    ended = await command("doctor", folder=tmp_path)
    assert ended.code == 1
    assert "there is no database in data" in ended.output
    assert left_in(tmp_path) == []


async def test_wrong_settings_are_told_first(tmp_path: Path) -> None:
    """As everywhere, with exit code 2."""
    ended = await command("doctor", "--database-url", "mysql://db/x", folder=tmp_path)
    assert ended.code == 2
    assert "postgresql" in ended.sentence


async def test_exchanges_are_asked_for_their_time(tmp_path: Path) -> None:
    """With ``--network`` each exchange that is followed has a line of its own, and one that is away fails."""
    away = {
        market: {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"} for market in ("spot", "linear", "inverse")
    }
    url = "postgresql://streamer@127.0.0.1:1/streamer"
    async with simulating(rate=1.0) as simulator:
        urls = {**simulator.urls, "okx": away}
        config = write_settings(tmp_path, urls, SYMBOLS, database_url=url, rate=1.0)
        ended = await command("doctor", "--config", config, "--network", "--json", folder=tmp_path)
    found = {one["check"]: one["verdict"] for one in json.loads(ended.output)["checks"]}
    assert {name: found[name] for name in found if name.startswith("clock")} == {
        "clock of binance": "ok",
        "clock of okx": "fail",
    }
