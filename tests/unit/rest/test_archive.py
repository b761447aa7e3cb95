"""How the archive's host is asked: few at a time, again after what passes, never after what does not."""

import asyncio
from random import Random

import pytest

from streamer.domain.errors import Geoblocked, HistoryError, MalformedAnswer, Refused, Unavailable
from streamer.rest.archive import ArchiveClient, ArchiveOptions
from streamer.rest.transport import RawAnswer, Transport
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts
from tests.fakes.rest import ScriptedTransport

FILE = RawAnswer(200, {}, b"PK")


def make(
    transport: Transport,
    clock: FakeClock | None = None,
    facts: Facts | None = None,
    options: ArchiveOptions | None = None,
) -> ArchiveClient:
    """A client of an archive."""
    return ArchiveClient(
        exchange="test",
        base="https://archive.invalid/",
        session=transport,
        clock=clock or FakeClock(),
        recorder=(facts or Facts()).recorder,
        random=Random(1),  # noqa: S311 - jitter, not a secret
        options=options,
    )


async def test_a_file_is_had_from_the_configured_base() -> None:
    """One request, no parameters."""
    transport = ScriptedTransport([FILE])
    assert await make(transport).get("/data/x.zip") == b"PK"
    assert transport.asked == [("https://archive.invalid/data/x.zip", {})]


async def test_an_absent_file_is_no_error() -> None:
    """It is asked for once."""
    transport = ScriptedTransport([RawAnswer(404, {}, b"NoSuchKey")])
    assert await make(transport).get("/data/x.zip") is None
    assert len(transport.asked) == 1


@pytest.mark.parametrize(
    "passing", [Unavailable("reset"), *(RawAnswer(code, {}, b"") for code in (500, 503, 429, 408))]
)
async def test_what_passes_is_asked_again(passing: RawAnswer | HistoryError) -> None:
    """Resets, server errors and requests to slow down, after a pause."""
    clock, facts = FakeClock(), Facts()
    transport = ScriptedTransport([passing, passing, FILE])
    assert await clock.finish(make(transport, clock, facts).get("/data/x.zip")) == b"PK"
    assert clock.monotonic() > 0
    assert facts.metric("rest_retries_total", exchange="test") == 2


@pytest.mark.parametrize(
    ("status", "error"), [(403, Refused), (400, Refused), (451, Geoblocked), (302, MalformedAnswer)]
)
async def test_what_does_not_pass_is_raised(status: int, error: type[HistoryError]) -> None:
    """With the path, so that it can be looked up."""
    transport = ScriptedTransport([RawAnswer(status, {}, b"")])
    with pytest.raises(error, match=rf"HTTP {status} to /data/x\.zip"):
        await make(transport, options=ArchiveOptions(attempts=1)).get("/data/x.zip")


async def test_attempts_come_to_an_end() -> None:
    """The last failure is raised."""
    clock, transport = FakeClock(), ScriptedTransport([Unavailable("gone")] * 5)
    with pytest.raises(Unavailable, match="gone"):
        await clock.finish(make(transport, clock).get("/data/x.zip"))
    assert len(transport.asked) == 5


class Crowded:
    """Answers when told to, and counts who waits."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self.gate = asyncio.Event()

    async def get(self, url: str, _params: object, *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """A file, once the gate is open."""
        assert url
        assert timeout_s > 0
        assert body_bytes > 0
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.gate.wait()
        self.waiting -= 1
        return FILE


async def test_only_a_few_are_asked_for_at_once() -> None:
    """However many series want files."""
    clock, crowded = FakeClock(), Crowded()
    client = make(crowded, clock)
    tasks = [asyncio.create_task(client.get(f"/{number}")) for number in range(20)]
    await clock.settle()
    assert crowded.waiting == 4
    crowded.gate.set()
    assert await asyncio.gather(*tasks) == [b"PK"] * 20
    assert crowded.most == 4


async def test_a_pause_keeps_nobody_out() -> None:
    """While one file is waited for after a failure, others are asked for."""
    clock = FakeClock()
    transport = ScriptedTransport([Unavailable("reset"), FILE, FILE])
    client = make(transport, clock, options=ArchiveOptions(at_once=1))
    first = asyncio.create_task(client.get("/first"))
    await clock.settle()
    assert await client.get("/second") == b"PK"
    assert await clock.finish(first) == b"PK"
    assert [url.rpartition("/")[2] for url, _ in transport.asked] == ["first", "second", "first"]
