"""A database of the benchmark's own, in a temporary folder, gone afterwards."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from streamer.store.embedded import EmbeddedServer, remove_embedded

_TIMESCALE = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}


@asynccontextmanager
async def temporary_database(installation: Path | None) -> AsyncIterator[str]:
    """The URL of an empty database on a private server: the embedded one, or that of an installation's folder.

    TimescaleDB is preloaded where the installation has it. Durability is as the service has it.
    """
    with reachable_folder() as folder:
        data_dir = folder / "data"
        server = EmbeddedServer(data_dir, installation, _TIMESCALE if has_timescale(installation) else None)
        await server.start()
        try:
            yield server.url
        finally:
            await server.stop()
            await remove_embedded(data_dir)


def has_timescale(installation: Path | None) -> bool:
    """Whether this installation of PostgreSQL has the extension."""
    return installation is not None and any(installation.rglob("timescaledb.control"))


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A temporary folder that any account may enter, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="streamer-benchmark-") as folder:
        Path(folder).chmod(0o711)  # root's server runs under another account
        yield Path(folder)
