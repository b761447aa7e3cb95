"""The roles of a migrated database with a password, as an operator gives them one, and the URLs that use it."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.integration.servers import TestDatabase

PASSWORD = "only-for-tests"
ROLES = ("streamer", "streamer_read", "streamer_owner")


async def set_passwords(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give each role the password; a superuser's work."""
    for role in ROLES:
        await connection.execute(f"alter role {role} password '{PASSWORD}'")


def as_role(database: TestDatabase, role: str) -> str:
    """The URL of the database for a role."""
    parts = urlsplit(database.url)
    return urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{parts.hostname}:{parts.port}"))
