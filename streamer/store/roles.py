"""Who owns what: ``streamer_owner`` owns, ``streamer`` works, ``streamer_read`` reads. Passwords are the operator's.

Where the user may not create roles, everything is that user's own, and that is said once.
"""

import asyncpg

from streamer.store.pool import Connection
from streamer.store.statements import query

OWNER = "streamer_owner"


async def prepare_owner(connection: Connection, *, may_create_roles: bool) -> bool:
    """Make the roles where that is allowed; whether this user can create here as the owner, which it then is."""
    if may_create_roles:
        try:
            await connection.execute(query("create_roles"))
            await connection.execute(query("grant_database"))
        except asyncpg.InsufficientPrivilegeError:
            return False
    if not await connection.fetchval(query("owner_ready")):
        return False
    await become_owner(connection)
    await connection.execute(query("default_privileges"))
    return True


async def become_owner(connection: Connection) -> None:
    """Let the rest of the session act as the owner, so that the owner owns what it makes."""
    await connection.execute(query("become_owner"))
