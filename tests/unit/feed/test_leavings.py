"""What ended connections leave behind: nothing that waits for Python's collector."""

import gc
from collections.abc import Iterator

import pytest

from streamer.domain.errors import ConnectionLost
from streamer.protocol.session import FeedSession
from tests.fakes.connection import Await, Step
from tests.fakes.feed_stage import Stage

HOUR_S = 3_600.0
_LATEST = 5
LIVE: tuple[Step, ...] = (Await(1), b"ack 1", b"forming a")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def sessions() -> int:
    """How many conversations are in memory."""
    return sum(isinstance(one, FeedSession) for one in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "script",
    [(*LIVE, 5.0, ConnectionLost("gone")), (*LIVE, 70.0), (Await(1),)],
    ids=["lost", "idle", "never_answered"],
)
async def test_an_ended_conversation_is_gone_at_once(script: tuple[Step, ...]) -> None:
    """After an hour of broken connections only the last ones are in memory, until the test's clock lets go of them."""
    before = sessions()
    stage = Stage(script)
    async with stage.running():
        await stage.clock.advance(HOUR_S)
        assert len(stage.connector.attempted_at) > 20
        stage.connector.connections.clear()  # the peers remember who listens
        assert sessions() - before <= _LATEST
