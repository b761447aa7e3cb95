"""Brings spans of old history from an exchange's files to the store's door, and says what is left for REST.

Nothing is proved absent by a file: some were published cut off, or without a day that REST has
(https://github.com/binance/binance-public-data/issues/253, 413 and 436). So what a file lacks is left for REST, and so
is the candle before each hole, which may have been cut while it formed.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil
from operator import attrgetter

from streamer.domain.candle import Candle, Delivery, Source
from streamer.domain.errors import Geoblocked, HistoryError, ImpossibleCandle, MalformedAnswer, Unavailable
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
_FAILURES = 3  # of series in a row: one file that cannot be had is no outage
_UNPACKED_AT_ONCE = 2  # files whose candles are in memory
_OF_THE_HOST = (Unavailable, Geoblocked)  # what is wrong with it, and not with one file
_OVER = frozenset({Status.CLOSED, Status.HALTED})  # a spot market that was delisted is halted for good


def _untold(_outcome: FileOutcome) -> None:
    """Tell nobody."""


class ArchiveFetcher:
    """The files of one exchange. Several series may be fetched at once: the client holds the host's limit.

    A host that was given up once is not asked again: for a thousand series that would be a day of waiting.
    """

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
        self._given_up: HistoryError | None = None
        self._failures = 0  # of series, since a file was to be had

    def serves(self, chosen: Chosen) -> bool:
        """Whether the exchange has files of this series."""
        return self._facts(chosen) is not None

    def parts_for(self, chosen: Chosen, spans: Sequence[Span]) -> tuple[Part, ...]:
        """The files that :meth:`fetch` begins with, each once, with what it may hold of ``spans``.

        Those are sorted and apart. There is none when all of them is too young.
        """
        facts = self._facts(chosen)
        return self._cover(facts, chosen, spans).parts if facts is not None else ()

    async def fetch(self, chosen: Chosen, *spans: Span, tell: Callable[[FileOutcome], None] = _untold) -> ArchiveReport:
        """Deliver what files hold of ``spans``, which are sorted and apart, and report what they do not.

        It goes oldest first, and asks for each file once. The exchange's time should be known. An archive that cannot
        be reached is reported and not raised. Cancelling loses only the file under way.
        """
        facts = self._facts(chosen)
        if facts is None:
            return ArchiveReport(chosen.series, spans, 0, 0, 0, _left(spans, Why.NOT_PUBLISHED))
        covered = self._cover(facts, chosen, spans)
        parts = deque(covered.parts)
        left: list[Left] = []
        candles = files = size = 0
        error: HistoryError | None = None
        ending: list[Left] = []  # of the last file
        while parts:
            part = parts.popleft()
            try:
                outcome, lacking = await self._take(facts, chosen, part)
            except HistoryError as gave_up:
                self._give_up(chosen, part, gave_up)
                error = gave_up
                left += [one for lost in (part, *parts) for one in _left(lost.spans, Why.UNAVAILABLE)]
                ending = []
                break
            if outcome.reason is Why.NOT_PUBLISHED:
                days = days_instead(facts, chosen, part, self._now_ms())
                if days:
                    parts.extendleft(reversed(days))
                    continue
            candles, files, size = candles + outcome.candles, files + (outcome.reason is None), size + outcome.bytes
            left += lacking
            if outcome.reason is not Why.NOT_PUBLISHED:
                ending = [one for one in lacking if one.reason is Why.CUT_SHORT]
            tell(outcome)
        if chosen.instrument.status in _OVER:
            left = [Left(one.span, Why.ENDED) if one in ending else one for one in left]
        left += _left(covered.young, Why.TOO_YOUNG)
        return ArchiveReport(chosen.series, spans, candles, files, size, by_reason(chosen.interval, left), error)

    def _give_up(self, chosen: Chosen, part: Part, error: HistoryError) -> None:
        """Say it, and after some series in a row give the host up: others may be waiting for it, and hear the same."""
        if self._given_up is None:
            self._recorder.archive.unavailable(chosen.series, part.file.path, error)
            self._failures += isinstance(error, _OF_THE_HOST)
            self._given_up = error if self._failures == _FAILURES else None

    async def _take(self, facts: ArchiveFacts, chosen: Chosen, part: Part) -> tuple[FileOutcome, list[Left]]:
        """Deliver the wanted candles of one file; what became of it, and what it lacks of them.

        Raises:
            HistoryError: the archive could not be asked, or was given up before.
        """
        if self._given_up is not None:
            raise self._given_up.with_traceback(None)  # else it would grow with each series
        checked = await self._client.get(part.file.checksum_path)
        self._failures = 0
        body = await self._client.get(part.file.path) if checked is not None else None
        if checked is None or body is None:
            self._recorder.archive.absent(chosen.series, part.file.path)
            return FileOutcome(part.spans, 0, 0, Why.NOT_PUBLISHED), [*_left(part.spans, Why.NOT_PUBLISHED)]
        async with self._unpacking:
            try:
                unpacked = await asyncio.to_thread(_unpacked, facts, chosen, part, checked, body)
            except MalformedAnswer as error:
                reason = Why.CHECKSUM_FAILED if isinstance(error, WrongChecksum) else Why.DAMAGED
                self._recorder.archive.refused(chosen.series, part.file.path, reason.value, error)
                return FileOutcome(part.spans, 0, len(body), reason), [*_left(part.spans, reason)]
            return await self._hand_over(chosen, part, unpacked, len(body))

    async def _hand_over(
        self, chosen: Chosen, part: Part, unpacked: Unpacked, size: int
    ) -> tuple[FileOutcome, list[Left]]:
        refused = Counter(one.reason for one in unpacked.refused if _within(one.open_ms, part.spans))
        for reason, count in refused.items():
            self._recorder.candle_rejected(chosen.series, reason, count)
        there = [(to_ms(candle.open_time), candle) for candle in unpacked.candles]
        wanted = [one for one in _whole(there, part.file.span, chosen.interval) if _within(one[0], part.spans)]
        received_time = self._server_time.now()
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            await self._deliver([Delivery(candle, Source.FILE, received_time) for _, candle in batch])
        self._recorder.archive.taken(chosen.series, part.file.path, len(wanted), size)
        there_ms = [open_ms for open_ms, _ in there if _within(open_ms, part.spans)]
        lacking = _lacking(chosen.interval, part.spans, unpacked, there_ms, {open_ms for open_ms, _ in wanted})
        return FileOutcome(part.spans, len(wanted), size), lacking

    def _facts(self, chosen: Chosen) -> ArchiveFacts | None:
        facts = self._adapter.markets[chosen.instrument.market].archive
        return facts if facts is not None and chosen.interval in facts.intervals else None

    def _cover(self, facts: ArchiveFacts, chosen: Chosen, spans: Sequence[Span]) -> Cover:
        return cover(facts, chosen, spans, self._now_ms())

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


def _lacking(
    interval: Interval, spans: Iterable[Span], unpacked: Unpacked, there_ms: Sequence[int], taken_ms: set[int]
) -> list[Left]:
    """What of ``spans`` was not taken, oldest first: holes in the file, and the candles before them, which are there.

    ``there_ms`` is sorted: each span looks at its own part of it alone, because there may be thousands of spans.
    """
    doubted = [Left(Span(open_ms, open_ms), Why.BEFORE_A_HOLE) for open_ms in there_ms if open_ms not in taken_ms]
    holes = [
        Left(hole, _why(hole, unpacked))
        for span in spans
        for there in [there_ms[bisect_left(there_ms, span.first_ms) : bisect_right(there_ms, span.last_ms)]]
        for hole in missing(interval, span, there)
    ]
    return sorted([*doubted, *holes], key=attrgetter("span"))


def _why(lacking: Span, unpacked: Unpacked) -> Why:
    """Why these candles are not in a file: a later one in it shows that it was not merely cut off there."""
    if any(_within(one.open_ms, (lacking,)) for one in unpacked.refused):
        return Why.IMPOSSIBLE
    goes_on = unpacked.candles and to_ms(unpacked.candles[-1].open_time) > lacking.last_ms
    return Why.NOT_IN_FILE if goes_on else Why.CUT_SHORT


def _within(open_ms: int, spans: Sequence[Span]) -> bool:
    """Whether it is in one of ``spans``, which are sorted and apart."""
    behind = bisect_right(spans, open_ms, key=attrgetter("first_ms"))
    return behind > 0 and open_ms <= spans[behind - 1].last_ms


def _left(spans: Iterable[Span], reason: Why) -> tuple[Left, ...]:
    return tuple(Left(span, reason) for span in spans)
