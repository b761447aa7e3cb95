"""The embedded default: a private PostgreSQL, run from any installation's folder by our own starter."""

from streamer.store.embedded.installation import find_installation
from streamer.store.embedded.server import EmbeddedServer, has_database, remove_embedded, running_url, start_embedded

__all__ = [
    "EmbeddedServer",
    "find_installation",
    "has_database",
    "remove_embedded",
    "running_url",
    "start_embedded",
]
