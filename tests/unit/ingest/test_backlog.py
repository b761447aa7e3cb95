"""The queue of memory and disk: nothing is lost, nothing overtakes, memory stays in bounds."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.domain.candle import Delivery, Source
from tests.fakes.outage import Outage
from tests.fakes.spool import live, own_file, own_slot, set_disk_full


def accepted(outage: Outage) -> list[Delivery]:
    """What the database took, as it was offered."""
    return [Delivery(one.candle, one.source, one.received_time) for one in outage.sink.accepted]


def history(count: int, first: int = 100_000) -> list[Delivery]:
    """Consecutive candles from REST."""
    return [Delivery(live(first + n).candle, Source.REST, live(first + n).received_time) for n in range(count)]


async def test_while_the_database_answers_nothing_goes_to_the_disk(tmp_path: Path) -> None:
    """The spool is for outages."""
    outage = Outage(tmp_path)
    await outage.start()
    offered = [live(number) for number in range(50)]
    await outage.offer(*offered)
    assert accepted(outage) == offered
    assert outage.facts.said("spool_in_use") == 0
    assert await outage.stop() == 0


async def test_an_outage_longer_than_memory_costs_nothing(tmp_path: Path) -> None:
    """Everything is stored once and in order of arrival, in whole batches, and memory never exceeded its bound."""
    outage = Outage(tmp_path, capacity=80)
    await outage.start()
    outage.sink.away = True
    offered = [live(number) for number in range(1_000)]
    await outage.offer(*offered)
    assert len(outage.spool) > 900
    assert outage.most_held <= 61
    await outage.drain()
    assert accepted(outage) == offered
    assert len(outage.sink.batches) <= 1_000 // 10 + 5
    assert outage.facts.metric("candles_dropped_total", exchange="test") is None
    assert (outage.facts.said("spool_in_use"), outage.facts.said("spool_drained")) == (1, 1)
    assert await outage.stop() == 0


async def test_candles_that_come_while_the_spool_drains_go_behind_it(tmp_path: Path) -> None:
    """A later frame of a candle stays the later one."""
    outage = Outage(tmp_path)
    await outage.start()
    outage.sink.away = True
    offered = [live(number % 10, close=1.0 + number / 1_000) for number in range(100)]
    await outage.offer(*offered)
    outage.sink.away = False
    later = [live(number, close=1.75) for number in range(10)]
    for delivery in later:
        await outage.offer(delivery)
        await outage.clock.advance(0.1)
    await outage.drain()
    assert accepted(outage) == [*offered, *later]
    assert await outage.stop() == 0


async def test_history_waits_in_memory_and_does_not_go_to_the_disk(tmp_path: Path) -> None:
    """It can be fetched again; live candles pass it by."""
    outage = Outage(tmp_path, capacity=40)
    await outage.start()
    outage.sink.away = True
    putting = asyncio.create_task(outage.buffer.put(history(60)))
    await outage.offer(*[live(number) for number in range(200)])
    assert not putting.done()
    assert outage.most_held <= 41
    _, spooled = await outage.spool.take(1_000)
    assert {delivery.source for delivery in spooled} == {Source.WS}
    await outage.drain()
    await putting
    await outage.drain()
    assert len(outage.sink.accepted) == 260
    assert await outage.stop() == 0


async def test_the_end_of_a_run_puts_everything_on_the_disk_in_order(tmp_path: Path) -> None:
    """The batch in hand comes first again, history is kept too, and it is said how many there were."""
    outage = Outage(tmp_path, capacity=80)
    await outage.start()
    outage.sink.away = True
    offered = [live(number) for number in range(70)]
    await outage.buffer.put(history(5))
    await outage.offer(*offered)
    assert 0 < len(outage.spool) < 60
    assert await outage.stop() == 0
    [line] = [line for line in outage.facts.lines() if line["event"] == "candles_spilled"]
    assert line["left"] == 0
    outage.buffer.offer(live(1_000))  # of no use to anyone: the run is over
    await outage.start()
    assert len(outage.spool) == 75
    await outage.drain()
    assert [one for one in accepted(outage) if one.source is Source.WS] == offered
    assert [one for one in accepted(outage) if one.source is Source.REST] == history(5)
    assert await outage.stop() == 0


async def test_a_full_disk_costs_the_oldest_of_memory_and_remembers_them(tmp_path: Path) -> None:
    """Feeds never wait, the loss is a run of the series, and all goes on once there is room."""
    outage = Outage(tmp_path)
    await outage.start()
    set_disk_full(own_file(outage.spool), full=True)
    outage.sink.away = True
    offered = [live(number) for number in range(600)]
    await outage.offer(*offered)
    assert outage.most_held <= outage.capacity + 1
    assert outage.facts.said("spool_refused") == 1
    assert outage.facts.said("candles_dropped") == 1
    set_disk_full(own_file(outage.spool), full=False)
    more = [live(number) for number in range(600, 700)]
    for delivery in more:
        await outage.offer(delivery)
        await outage.clock.advance(1.0)
    assert outage.facts.said("spool_accepted") == 1
    await outage.drain()
    [loss] = outage.losses
    lost = [one for one in offered + more if one not in accepted(outage)]
    assert loss.candles == len(lost) == outage.facts.metric("candles_dropped_total", exchange="test")
    assert (loss.first_time, loss.last_time) == (lost[0].candle.open_time, lost[-1].candle.open_time)
    assert accepted(outage) == [one for one in offered + more if one not in lost]
    assert await outage.stop() == 0


async def test_what_a_full_disk_refuses_at_the_end_is_counted(tmp_path: Path) -> None:
    """The exit code can tell that not everything is safe."""
    outage = Outage(tmp_path, capacity=4_000)
    await outage.start()
    set_disk_full(own_file(outage.spool), full=True)
    outage.sink.away = True
    await outage.offer(*[live(number) for number in range(400)])
    left = await outage.stop()
    assert 300 < left <= 400
    [line] = [line for line in outage.facts.lines() if line["event"] == "candles_spilled"]
    assert (line["candles"], line["left"]) == (400 - left, left)


async def test_a_candle_that_returns_to_its_stored_values_is_no_duplicate(tmp_path: Path) -> None:
    """While other values for it are on their way, the stored ones are news again."""
    outage = Outage(tmp_path)
    await outage.start()
    await outage.offer(live(1, close=1.25))
    outage.sink.away = True
    offered = [live(1, close=1.5), live(1, close=1.25)]
    await outage.offer(*offered)
    await outage.drain()
    assert accepted(outage) == [live(1, close=1.25), *offered]
    await outage.offer(live(1, close=1.25))
    await outage.drain()
    assert len(outage.sink.accepted) == 3
    assert await outage.stop() == 0


async def test_a_candle_is_compared_with_the_last_offered_of_its_own_time(tmp_path: Path) -> None:
    """An older candle that comes between hides nothing."""
    outage = Outage(tmp_path)
    await outage.start()
    await outage.offer(live(1, close=1.75))
    outage.sink.away = True
    offered = [live(1, close=1.25), live(0, close=1.25), live(1, close=1.75)]
    await outage.offer(*offered)
    await outage.drain()
    assert accepted(outage) == [live(1, close=1.75), *offered]
    assert await outage.stop() == 0


async def test_what_an_earlier_run_left_makes_no_duplicates_of_what_comes(tmp_path: Path) -> None:
    """Nobody knows what else of it is still in the spool."""
    outage = Outage(tmp_path, capacity=8)
    await outage.start()
    outage.sink.away = True
    left = [live(1, close=1.25), live(1, close=1.5)]
    await outage.offer(*left)
    assert await outage.stop() == 0
    outage.sink.away, outage.sink.left = False, 1
    await outage.start()
    await outage.settle()
    assert accepted(outage) == left[:1]
    await outage.offer(live(1, close=1.25))
    await outage.drain()
    assert accepted(outage) == [*left, live(1, close=1.25)]
    assert await outage.stop() == 0


async def test_nothing_overtakes_candles_on_their_way_to_a_slow_disk(tmp_path: Path) -> None:
    """The database is back before they have landed: what came after them waits for them."""
    outage = Outage(tmp_path)
    await outage.start()
    outage.sink.away = True
    offered = [live(number) for number in range(13)]
    outage.worker.slow = True
    await outage.offer(*offered)
    assert len(outage.spool) == 0
    outage.sink.away = False
    await outage.clock.advance(20.0)
    assert accepted(outage) == offered[:1]
    outage.worker.catch_up()
    await outage.drain()
    assert accepted(outage) == offered
    assert await outage.stop() == 0


async def test_what_the_disk_refused_is_still_the_oldest(tmp_path: Path) -> None:
    """It goes back to where it was in memory."""
    outage = Outage(tmp_path, capacity=200)
    await outage.start()
    set_disk_full(own_file(outage.spool), full=True)
    outage.sink.away = True
    offered = [live(number) for number in range(180)]
    await outage.offer(*offered)
    assert outage.facts.said("spool_refused") == 1
    await outage.drain()
    assert accepted(outage) == offered
    assert await outage.stop() == 0


async def test_a_run_that_is_cancelled_half_way_to_the_disk_keeps_each_candle_once(tmp_path: Path) -> None:
    """What was on its way has landed when the end goes on."""
    outage = Outage(tmp_path)
    await outage.start()
    outage.sink.away = True
    offered = [live(number) for number in range(13)]
    outage.worker.slow = True
    await outage.offer(*offered)
    stopping = asyncio.create_task(outage.stop())
    await outage.settle()
    assert not stopping.done()
    outage.worker.catch_up()
    assert await stopping == 0
    await outage.start()
    await outage.drain()
    assert accepted(outage) == offered
    assert await outage.stop() == 0


# ---------------------------------------------------------------- whatever the interleaving

candles = st.builds(live, st.integers(0, 3), st.sampled_from("ab"), st.sampled_from([1.25, 1.5, 1.75]))
acts = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.lists(candles, min_size=1, max_size=12)),
        st.tuples(st.just("put"), st.integers(1, 20)),
        st.tuples(st.sampled_from(["away", "back", "deaf", "wait", "restart", "kill", "full", "room"]), st.none()),
    ),
    max_size=25,
)


class Play:
    """An outage, and what a perfect service would have stored in it."""

    def __init__(self, outage: Outage) -> None:
        self.outage = outage
        self.offered: list[Delivery] = []
        self.excused: set[int] = set()  # offers that were in memory when the run was killed, by number
        self.given: list[Delivery] = []
        self.waiting: set[asyncio.Task[None]] = set()
        self.killed = False

    async def act(self, act: str, number: object) -> None:
        """One act."""
        outage = self.outage
        match act, number:
            case "offer", list(deliveries):
                for delivery in deliveries:
                    # The receive time tells offers apart, whatever their values.
                    stamped = Delivery(delivery.candle, Source.WS, live(len(self.offered)).received_time)
                    self.offered.append(stamped)
                    await outage.offer(stamped)
            case "put", int(count):
                page = history(count, first=100_000 + len(self.given))
                self.given += page
                self.waiting.add(asyncio.create_task(outage.buffer.put(page)))
            case "away" | "back", _:
                outage.sink.away = act == "away"
            case "deaf", _:
                outage.sink.deaf = True
            case "wait", _:
                await outage.clock.advance(20.0)
            case "restart" | "kill", _:
                await self._restart(kill=act == "kill")
            case "full" | "room", _:
                set_disk_full(own_file(outage.spool), full=act == "full")
        await outage.settle()

    async def _restart(self, *, kill: bool) -> None:
        for task in self.waiting:
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)
        self.waiting.clear()
        set_disk_full(own_file(self.outage.spool), full=False)
        if kill:
            held = [*self.outage.buffer._in_hand, *self.outage.buffer._live]
            self.excused |= {index for index, one in enumerate(self.offered) if one in held}
            self.outage.losses.add([*self.outage.spool._lost, *own_slot(self.outage.spool)._pending])
            self.killed = True
            await self.outage.kill()
        else:
            assert await self.outage.stop() == 0
        await self.outage.start()

    def check(self) -> None:
        """What must hold once everything is drained."""
        outage = self.outage
        out = accepted(outage)
        values = {(one.candle, one.source) for one in out}
        lost = {loss.series: loss for loss in outage.losses}
        last_accepted = {(one.candle.series, one.candle.open_time): one.candle for one in out}
        last_offered = {(one.candle.series, one.candle.open_time): n for n, one in enumerate(self.offered)}
        for number, one in enumerate(self.offered):
            candle = one.candle
            loss = lost.get(candle.series)
            if loss is not None and loss.first_time <= candle.open_time <= loss.last_time:
                continue
            if number not in self.excused:
                assert (candle, Source.WS) in values
                if number == last_offered[candle.series, candle.open_time]:
                    assert last_accepted[candle.series, candle.open_time] == candle
        assert outage.most_held <= outage.capacity + 1
        if not self.killed:
            assert {one.candle for one in out if one.source is Source.REST} <= {one.candle for one in self.given}


async def play(folder: Path, capacity: int, candles: int, script: list[tuple[str, object]]) -> Play:
    """The acts, then the return of the database, and what was stored at the end of the last run."""
    played = Play(Outage(folder, capacity, candles))
    await played.outage.start()
    for act, number in script:
        await played.act(act, number)
    set_disk_full(own_file(played.outage.spool), full=False)
    await played.outage.drain()
    await asyncio.gather(*played.waiting)
    await played.outage.drain()
    assert await played.outage.stop() == 0
    return played


@settings(max_examples=150, deadline=None)
@given(script=acts, capacity=st.sampled_from([8, 16, 64]), candles=st.sampled_from([5, 40, 1_000_000]))
def test_all_that_is_offered_is_stored_or_known_to_be_lost(
    script: list[tuple[str, object]], capacity: int, candles: int
) -> None:
    """Through outages, lost answers, full disks and restarts; a candle's last values are those offered last."""
    with TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), capacity, candles, script)).check()


calm = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.lists(candles, min_size=1, max_size=12)),
        st.tuples(st.just("put"), st.integers(1, 20)),
        st.tuples(st.sampled_from(["away", "back", "wait"]), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(script=calm, capacity=st.sampled_from([16, 64]))
def test_without_an_accident_everything_is_stored_exactly_once_and_in_order(
    script: list[tuple[str, object]], capacity: int
) -> None:
    """Each offer that is no duplicate, in order of arrival; each candle of history once."""
    with TemporaryDirectory() as folder:
        played = asyncio.run(play(Path(folder), capacity, 1_000_000, script))
    out = accepted(played.outage)
    streamed = [one for one in out if one.source is Source.WS]
    assert streamed == [one for one in played.offered if one in streamed]
    duplicates = played.outage.facts.metric("candles_duplicate_total", exchange="test") or 0
    assert len(streamed) + duplicates == len(played.offered)
    fetched = [one for one in out if one.source is Source.REST]
    assert sorted(fetched, key=lambda one: one.candle.open_time) == played.given  # two senders may take turns
