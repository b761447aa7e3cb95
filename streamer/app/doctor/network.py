"""How far this machine's clock is from each exchange's, over REST; nothing else is asked of them."""

import asyncio
from random import Random

from streamer.app.doctor.finding import Finding, fail, ok, skipped, warn
from streamer.app.listing import quiet_recorder
from streamer.domain.errors import HistoryError
from streamer.rest.client import RestClient, RestOptions
from streamer.rest.server_time import ServerTimePoll
from streamer.rest.session import make_session
from streamer.settings.model import ADAPTERS, Settings
from streamer.timing.clock import make_clock
from streamer.timing.server_time import ServerTime

_ATTEMPTS = 2
_WARN_S = 5.0


def judge_exchange_clock(exchange: str, read: ServerTime | HistoryError) -> Finding:
    """Everything is judged by the exchange's time; a clock that is off is corrected, and said."""
    check = f"clock of {exchange}"
    if isinstance(read, HistoryError):
        return fail(check, str(read), "see whether a firewall, a proxy or a geographic block is in the way")
    sentence = f"{read.offset_s:+.2f} s against this machine's (to {read.error_s:.2f} s)"
    if abs(read.offset_s) - read.error_s > _WARN_S:
        return warn(check, sentence, "let this machine take its time from NTP")
    return ok(check, sentence)


async def examine_exchanges(settings: Settings, *, asked: bool) -> list[Finding]:
    """A finding for each exchange that the settings follow; unless ``asked``, none of them is spoken to."""
    names = list(settings.followed())
    if not asked:
        return [skipped("clocks of the exchanges", "no exchange was asked", "streamer doctor --network")]
    async with make_session(rest for name in names for _, rest in settings.bases(name).values()) as session:
        clock = make_clock(settings.clock_rate)
        recorder = quiet_recorder()

        async def read(name: str) -> ServerTime | HistoryError:
            server_time = ServerTime(clock)
            bases = {market: rest for market, (_, rest) in settings.bases(name).items()}
            client = RestClient(
                adapter=ADAPTERS[name],
                session=session,
                clock=clock,
                server_time=server_time,
                recorder=recorder,
                random=Random(),  # noqa: S311 - jitter, not secrets
                bases=bases,
                options=RestOptions(share=settings.rest.share, attempts=_ATTEMPTS),
            )
            poll = ServerTimePoll(
                client=client,
                adapter=ADAPTERS[name],
                markets=list(bases),
                clock=clock,
                server_time=server_time,
                recorder=recorder,
            )
            try:
                await poll.measure()
            except HistoryError as error:
                return error
            return server_time

        async with asyncio.TaskGroup() as tasks:
            reading = {name: tasks.create_task(read(name)) for name in names}
    return [judge_exchange_clock(name, task.result()) for name, task in reading.items()]
