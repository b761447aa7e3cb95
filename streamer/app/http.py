"""The HTTP side: metrics for Prometheus, health for containers, readiness for people and load balancers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamer.domain.errors import StartError
from streamer.telemetry.status import StatusBoard


def make_application(registry: CollectorRegistry, status: StatusBoard) -> web.Application:
    """The routes; every answer is made from memory, so a slow database cannot make the service look dead."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        reasons = status.reasons()
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return application


@asynccontextmanager
async def serve(application: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve until the end of the block; gives ``host:port`` as bound. Signals are left to the caller.

    Raises:
        StartError: the address cannot be had.
    """
    runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise StartError(
                f"port {port} on {host} cannot be used ({error.strerror or error}): "
                "stop what listens there, or set http.port"
            ) from error
        bound = runner.addresses[0]
        yield f"{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()
