"""Brings spans of old history from an exchange's files to the store's door, and says what is left for REST.

Nothing is proved absent by a file: some were published cut off, or without a day that REST has
(https://github.com/binance/binance-public-data/issues/253, 413 and 436). So what a file lacks is left for REST, and so
is the candle before each hole, which may have been cut while it formed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from operator import attrgetter

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.errors import HistoryError, ImpossibleCandle, MalformedAnswer
from streamer.domain.gaps import Span, missing
from streamer.domain.instrument import Status
from streamer.domain.interval import Interval, to_ms
from streamer.history.archive_report import ArchiveReport, FileOutcome, Left, Why, by_reason
from streamer.history.covering import Cover, Part, cover, days_instead
from streamer.history.unpacking import Unpacked, WrongChecksum, unpack
from streamer.protocol.adapter import ArchiveFacts, ExchangeAdapter
from streamer.protocol.ports import Deliver
from streamer.rest.archive import ArchiveClient
from streamer.symbols.resolve import Chosen
from streamer.telemetry.recorder import Recorder
from streamer.timing.server_time import ServerTime

_BATCH = 5_000  # candles in one delivery
_UNPACKED_AT_ONCE = 2  # files whose candles are in memory
_OVER = frozenset({Status.CLOSED, Status.HALTED})  # a spot market that was delisted is halted for good


def _untold(_outcome: FileOutcome) -> None:
    """Tell nobody."""


class ArchiveFetcher:
    """The files of one exchange. Spans of several series may be fetched at once: the client holds the host's limit."""

    def __init__(
        self,
        *,
        client: ArchiveClient,
        adapter: ExchangeAdapter,
        server_time: ServerTime,
        deliver: Deliver,
        recorder: Recorder,
    ) -> None:
        self._client = client
        self._adapter = adapter
        self._server_time = server_time
        self._deliver = deliver
        self._recorder = recorder
        self._unpacking = asyncio.Semaphore(_UNPACKED_AT_ONCE)

    def serves(self, chosen: Chosen) -> bool:
        """Whether the exchange has files of this series."""
        return self._facts(chosen) is not None

    def files_for(self, chosen: Chosen, span: Span) -> int:
        """How many files :meth:`fetch` would begin with; none when all of ``span`` is too young."""
        return len(self.parts_for(chosen, span))

    def parts_for(self, chosen: Chosen, span: Span) -> tuple[Part, ...]:
        """These files, with what of ``span`` each may hold."""
        facts = self._facts(chosen)
        return self._cover(facts, chosen, span).parts if facts is not None else ()

    async def fetch(self, chosen: Chosen, span: Span, tell: Callable[[FileOutcome], None] = _untold) -> ArchiveReport:
        """Deliver what files hold of ``span``, oldest first, and report what they do not.

        The exchange's time should be known. An archive that cannot be reached is reported and not raised. Cancelling
        loses only the file under way.
        """
        facts = self._facts(chosen)
        if facts is None:
            return ArchiveReport(chosen.series, span, 0, 0, 0, (Left(span, Why.NOT_PUBLISHED),))
        covered = self._cover(facts, chosen, span)
        parts = deque(covered.parts)
        left: list[Left] = []
        candles = files = size = 0
        error: HistoryError | None = None
        ending: Left | None = None  # of the last file
        while parts:
            part = parts.popleft()
            try:
                outcome, lacking = await self._take(facts, chosen, part)
            except HistoryError as gave_up:
                self._recorder.archive.unavailable(chosen.series, part.file.path, gave_up)
                error = gave_up
                left += [Left(one.span, Why.UNAVAILABLE) for one in (part, *parts)]
                ending = None
                break
            if outcome.reason is Why.NOT_PUBLISHED:
                days = days_instead(facts, chosen, part, self._now_ms())
                if days:
                    parts.extendleft(reversed(days))
                    continue
            candles, files, size = candles + outcome.candles, files + (outcome.reason is None), size + outcome.bytes
            left += lacking
            if outcome.reason is not Why.NOT_PUBLISHED:
                ending = next((one for one in lacking if one.reason is Why.CUT_SHORT), None)
            tell(outcome)
        if ending is not None and chosen.instrument.status in _OVER:
            left[left.index(ending)] = Left(ending.span, Why.ENDED)
        if covered.young is not None:
            left.append(Left(covered.young, Why.TOO_YOUNG))
        return ArchiveReport(chosen.series, span, candles, files, size, by_reason(chosen.interval, left), error)

    async def _take(self, facts: ArchiveFacts, chosen: Chosen, part: Part) -> tuple[FileOutcome, list[Left]]:
        """Deliver the wanted candles of one file; what became of it, and what it lacks of them.

        Raises:
            HistoryError: the archive could not be asked.
        """
        checked = await self._client.get(part.file.checksum_path)
        body = await self._client.get(part.file.path) if checked is not None else None
        if checked is None or body is None:
            self._recorder.archive.absent(chosen.series, part.file.path)
            return FileOutcome(part.span, 0, 0, Why.NOT_PUBLISHED), [Left(part.span, Why.NOT_PUBLISHED)]
        async with self._unpacking:
            try:
                unpacked = await asyncio.to_thread(_unpacked, facts, chosen, part, checked, body)
            except MalformedAnswer as error:
                reason = Why.CHECKSUM_FAILED if isinstance(error, WrongChecksum) else Why.DAMAGED
                self._recorder.archive.refused(chosen.series, part.file.path, reason.value, error)
                return FileOutcome(part.span, 0, len(body), reason), [Left(part.span, reason)]
            return await self._hand_over(chosen, part, unpacked, len(body))

    async def _hand_over(
        self, chosen: Chosen, part: Part, unpacked: Unpacked, size: int
    ) -> tuple[FileOutcome, list[Left]]:
        refused = Counter(one.reason for one in unpacked.refused if _within(one.open_ms, part.span))
        for reason, count in refused.items():
            self._recorder.candle_rejected(chosen.series, reason, count)
        there = [(to_ms(candle.open_time), candle) for candle in unpacked.candles]
        wanted = [one for one in _whole(there, part.file.span, chosen.interval) if _within(one[0], part.span)]
        received_time = self._server_time.now()
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            await self._deliver([Delivery(candle, Source.FILE, received_time) for _, candle in batch])
        self._recorder.archive.taken(chosen.series, part.file.path, len(wanted), size)
        there_ms = {open_ms for open_ms, _ in there if _within(open_ms, part.span)}
        lacking = _lacking(chosen.interval, part.span, unpacked, there_ms, {open_ms for open_ms, _ in wanted})
        return FileOutcome(part.span, len(wanted), size), lacking

    def _facts(self, chosen: Chosen) -> ArchiveFacts | None:
        facts = self._adapter.markets[chosen.instrument.market].archive
        return facts if facts is not None and chosen.interval in facts.intervals else None

    def _cover(self, facts: ArchiveFacts, chosen: Chosen, span: Span) -> Cover:
        return cover(facts, chosen, span, self._now_ms())

    def _now_ms(self) -> int:
        return self._server_time.now_ms() - ceil(self._server_time.error_s * 1_000)


def _unpacked(facts: ArchiveFacts, chosen: Chosen, part: Part, checked: bytes, body: bytes) -> Unpacked:
    """See ``unpack``; in a thread."""
    try:
        checksum = facts.decode_checksum(checked, part.file)
    except MalformedAnswer as error:
        raise WrongChecksum(str(error)) from None

    def decode(lines: Iterable[str]) -> Iterator[Candle | ImpossibleCandle]:
        return facts.decode(lines, part.file, chosen.series, chosen.instrument)

    return unpack(body, checksum, part.file.member, decode)


def _whole(there: Iterable[tuple[int, Candle]], span: Span, interval: Interval) -> Iterator[tuple[int, Candle]]:
    """The candles, with their open times, that the next one of the file follows at once, or that are its last one."""
    before: tuple[int, Candle] | None = None
    for one in there:
        if before is not None and before[0] + interval.milliseconds == one[0]:
            yield before
        before = one
    if before is not None and before[0] == span.last_ms:
        yield before


def _lacking(interval: Interval, span: Span, unpacked: Unpacked, there_ms: set[int], taken_ms: set[int]) -> list[Left]:
    """What of ``span`` was not taken, oldest first: holes in the file, and the candles before them, which are there."""
    doubted = [Left(Span(open_ms, open_ms), Why.BEFORE_A_HOLE) for open_ms in there_ms - taken_ms]
    holes = [Left(hole, _why(hole, unpacked)) for hole in missing(interval, span, there_ms)]
    return sorted([*doubted, *holes], key=attrgetter("span"))


def _why(lacking: Span, unpacked: Unpacked) -> Why:
    """Why these candles are not in a file: a later one in it shows that it was not merely cut off there."""
    if any(_within(one.open_ms, lacking) for one in unpacked.refused):
        return Why.IMPOSSIBLE
    goes_on = unpacked.candles and to_ms(unpacked.candles[-1].open_time) > lacking.last_ms
    return Why.NOT_IN_FILE if goes_on else Why.CUT_SHORT


def _within(open_ms: int, span: Span) -> bool:
    return span.first_ms <= open_ms <= span.last_ms
