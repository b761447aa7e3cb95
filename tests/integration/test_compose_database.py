"""The database of docker-compose.yml: after its set-up scripts, run by psql as there, the service is at home."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
import yaml

from streamer.store.kinds import Kind
from streamer.store.migrate import MigrationOptions, migrate
from streamer.store.pool import Pool, PoolOptions
from tests.integration.servers import TestDatabase
from tests.paths import ROOT

PASSWORDS = {"DATABASE_PASSWORD": "it's $ecret", "DATABASE_READ_PASSWORD": "read;only"}


def _scripts() -> list[Path]:
    """The scripts that the container runs, in its order: by the names that they get there."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = [mount.split(":") for mount in compose["services"]["timescaledb"]["volumes"]]
    return [ROOT / source for source, target, *_ in sorted(mounts, key=lambda m: m[1]) if "initdb.d" in target]


def _as_role(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{parts.hostname}:{parts.port}"))


@pytest.fixture
def prepared(timescale_database: TestDatabase) -> str:
    """The superuser's URL of a database on which the set-up scripts were run."""
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql is not installed, and the scripts are written for it")
    for script in _scripts():
        subprocess.run(
            [psql, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", str(script), timescale_database.url],
            env={**os.environ, **PASSWORDS},
            check=True,
            capture_output=True,
            timeout=30,
        )
    return timescale_database.url


async def _connect(url: str, role: str, password: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(_as_role(url, role, password), timeout=10)


async def test_the_service_migrates_without_being_superuser(prepared: str) -> None:
    """The role `streamer` makes hypertable and aggregates, which the owner then owns, and Grafana can read them."""
    pool = Pool(PoolOptions(url=_as_role(prepared, "streamer", PASSWORDS["DATABASE_PASSWORD"])))
    try:
        report = await migrate(pool, MigrationOptions())
    finally:
        await pool.close()
    assert report.kind is Kind.TIMESCALEDB
    assert report.notes == ()

    reader = await _connect(prepared, "streamer_read", PASSWORDS["DATABASE_READ_PASSWORD"])
    try:
        assert await reader.fetchval("select count(*) from klines_1d") == 0
        owner = await reader.fetchval("select tableowner from pg_tables where tablename = 'klines'")
        assert owner == "streamer_owner"
        for panel in _panels():
            assert await reader.fetch(panel) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("delete from klines")
    finally:
        await reader.close()


async def test_the_service_is_no_superuser(prepared: str) -> None:
    """Neither role of the stack may do more than its work."""
    for role, variable in (("streamer", "DATABASE_PASSWORD"), ("streamer_read", "DATABASE_READ_PASSWORD")):
        connection = await _connect(prepared, role, PASSWORDS[variable])
        try:
            rights = await connection.fetchrow(
                "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
            )
        finally:
            await connection.close()
        assert rights is not None
        assert not any(rights)


async def test_a_wrong_password_is_refused(prepared: str) -> None:
    """The passwords were set: the roles are not open to all."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _connect(prepared, "streamer_read", "guess")


def _panels() -> list[str]:
    """Every SQL statement of the dashboard."""
    dashboard = yaml.safe_load((ROOT / "deploy/grafana/dashboards/streamer.json").read_text(encoding="utf-8"))
    return [t["rawSql"] for p in dashboard["panels"] for t in p.get("targets", []) if "rawSql" in t]
