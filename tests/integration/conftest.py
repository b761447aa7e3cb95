"""Databases for tests: ``database`` once per kind of server that can be had, or one kind by name.

Each test gets an empty database of its own. Servers start when first needed and live until the end of the session;
roles are theirs, so shared by all tests.
"""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg
import pytest

from tests.integration.servers import (
    APACHE,
    KINDS,
    PLAIN,
    TIMESCALE,
    Servers,
    TestDatabase,
    Unavailable,
    at_database,
    remove_abandoned,
)

_FIXTURES = {"database", "databases", "plain_database", "timescale_database", "apache_database"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a database, so that ``-m 'not databases'`` leaves them out."""
    for item in items:
        if _FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("databases")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of this session."""
    remove_abandoned()
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[TestDatabase]:
    """An empty database, on every kind of server in turn."""
    async with _fresh_database(servers, request.param) as fresh:
        yield fresh


@pytest.fixture
async def second_database(servers: Servers, database: TestDatabase) -> AsyncIterator[TestDatabase]:
    """Another empty one beside ``database``, on the same server."""
    async with _fresh_database(servers, database.kind) as fresh:
        yield fresh


@pytest.fixture
async def plain_database(servers: Servers) -> AsyncIterator[TestDatabase]:
    """An empty database on plain PostgreSQL."""
    async with _fresh_database(servers, PLAIN) as fresh:
        yield fresh


@pytest.fixture
async def timescale_database(servers: Servers) -> AsyncIterator[TestDatabase]:
    """An empty database where the extension timescaledb can be created."""
    async with _fresh_database(servers, TIMESCALE) as fresh:
        yield fresh


@pytest.fixture
async def databases(servers: Servers) -> AsyncIterator[list[TestDatabase]]:
    """An empty database on each kind of server that can be had, all at once."""
    opened: list[TestDatabase] = []
    async with AsyncExitStack() as stack:
        for kind in KINDS:
            with suppress(Unavailable):
                servers.get(kind)
                opened.append(await stack.enter_async_context(_fresh_database(servers, kind)))
        if not opened:
            pytest.skip("no kind of database can be had")
        yield opened


@pytest.fixture
async def apache_database(servers: Servers) -> AsyncIterator[TestDatabase]:
    """An empty database where the extension can be created, but without continuous aggregates."""
    async with _fresh_database(servers, APACHE) as fresh:
        yield fresh


@asynccontextmanager
async def _fresh_database(servers: Servers, kind: str) -> AsyncIterator[TestDatabase]:
    try:
        server = servers.get(kind)
    except Unavailable as reason:
        pytest.skip(str(reason))
    name = f"test_{secrets.token_hex(6)}"
    # template0, because TimescaleDB's launcher connects to template1 and copying refuses a template in use.
    await _execute(server.url, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    try:
        url = at_database(server.url, name)
        yield TestDatabase(kind, url, server.timescale, server.version, server.ours)
    finally:
        await _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
