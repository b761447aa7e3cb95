"""While exchanges have not answered yet, the service says so."""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp

from tests.end_to_end.process import left_in, service, until
from tests.end_to_end.world import write_settings
from tests.fakes.exchange_server import raw_server

SLOW = 0.05  # a start waits five minutes for the lists


async def deaf(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read and never answer."""
    while await reader.read(4_096):
        pass


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def answered(url: str) -> tuple[int, str]:
    """Status and body; nothing while nobody listens there."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientConnectionError:
        return 0, ""


async def test_http_is_up_while_an_exchange_does_not_answer(tmp_path: Path) -> None:
    """Alive, and not ready with the reason, before any list is read and anything is opened; a stop ends it."""
    port = free_port()
    async with raw_server(deaf) as url:
        bases = {"ws": url, "rest": url.replace("ws://", "http://")}
        urls = {"okx": dict.fromkeys(("spot", "linear", "inverse"), bases)}
        config = write_settings(tmp_path, urls, {"okx": ["BTC-USDT"]}, rate=SLOW, http={"port": port})
        async with service("run", "--config", config, folder=tmp_path) as running:
            at = f"http://127.0.0.1:{port}"

            async def is_alive() -> bool:
                return (await answered(f"{at}/healthz"))[0] == 200

            await until(is_alive, "the port answers")
            status, body = await answered(f"{at}/readyz")
            assert status == 503
            assert any(reason.startswith("okx: ") for reason in json.loads(body)["reasons"])
            assert any(reason.startswith("database: ") for reason in json.loads(body)["reasons"])
            _, body = await answered(f"{at}/metrics")
            assert 'streamer_series_followed{exchange="okx"} 0.0' in body
            assert await running.stopped() == 0
    assert running.log("service_started") == []
    assert left_in(tmp_path) == ["settings.yaml"]
