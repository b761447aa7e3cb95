"""A host of archive files and the part of history built on it: what is published is what a test publishes."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from random import Random
from urllib.parse import unquote

from streamer.domain.candle import Delivery
from streamer.domain.errors import HistoryError
from streamer.domain.gaps import Span
from streamer.domain.instrument import Instrument, Kind, Market, Status
from streamer.domain.interval import Interval, to_ms
from streamer.exchanges.binance import BINANCE
from streamer.exchanges.binance.archive import day_file, month_file
from streamer.history.archive import ArchiveFetcher
from streamer.protocol.adapter import ArchiveFile
from streamer.rest.archive import ArchiveClient, ArchiveOptions
from streamer.rest.transport import RawAnswer
from streamer.symbols.resolve import Chosen
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.facts import Facts

NOON = 1_710_504_000.0  # 2024-03-15T12:00:00Z
BASE = "https://archive.invalid"
BTC = Instrument(
    exchange="binance",
    market=Market.SPOT,
    kind=Kind.SPOT,
    native_symbol="BTCUSDT",
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    settle="USDT",
    status=Status.TRADING,
)


def zipped(members: Mapping[str, str]) -> bytes:
    """A ZIP of these files."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def row(open_ms: int) -> str:
    """The line of a candle of 2024 or before."""
    return f"{open_ms},4.10,4.30,4.00,4.20,7.5,{open_ms + 59_999},31.5,3,2.5,10.5,0"


def lines(opens: Iterable[int]) -> str:
    """A CSV of such lines."""
    return "".join(f"{row(open_ms)}\n" for open_ms in opens)


def opens_of(file: ArchiveFile, interval: Interval) -> range:
    """Every open time that belongs into ``file``."""
    return range(file.span.first_ms, file.span.last_ms + 1, interval.milliseconds)


def checksum_of(body: bytes, file: ArchiveFile) -> bytes:
    """The line that is published beside ``body``."""
    return f"{sha256(body).hexdigest()}  {unquote(file.path).rpartition('/')[2]}\n".encode()


@dataclass
class ArchiveHost:
    """Answers 404 to all that was not published; ``failing`` paths answer, or raise, what stands there."""

    files: dict[str, bytes] = field(default_factory=dict)
    failing: dict[str, RawAnswer | HistoryError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, file: ArchiveFile, body: bytes, checksum: bytes | None = None) -> None:
        """A file and its checksum: the right one unless another is given."""
        self.files[BASE + file.path] = body
        self.files[BASE + file.checksum_path] = checksum if checksum is not None else checksum_of(body, file)

    async def get(self, url: str, params: Mapping[str, str], *, timeout_s: float, body_bytes: int) -> RawAnswer:
        """The file."""
        assert not params
        assert timeout_s > 0
        assert body_bytes > 0
        self.asked.append(url.removeprefix(BASE))
        fault = self.failing.get(url.removeprefix(BASE))
        if isinstance(fault, HistoryError):
            raise fault
        if fault is not None:
            return fault
        body = self.files.get(url)
        return RawAnswer(404, {}, b"NoSuchKey") if body is None else RawAnswer(200, {}, body)


class ArchiveWorld:
    """One exchange's archive, wired together, at noon of 2024-03-15; what is delivered is kept."""

    def __init__(self, interval: Interval = Interval.H1, *, attempts: int = 1) -> None:
        self.clock = FakeClock(NOON)
        self.facts = Facts()
        self.host = ArchiveHost()
        self.chosen = Chosen(BTC, interval)
        self.delivered: list[Delivery] = []
        self.batches: list[int] = []
        self.client = ArchiveClient(
            exchange="binance",
            base=f"{BASE}/",
            session=self.host,
            clock=self.clock,
            recorder=self.facts.recorder,
            random=Random(1),  # noqa: S311 - jitter, not a secret
            options=ArchiveOptions(attempts=attempts),
        )
        self.fetcher = ArchiveFetcher(
            client=self.client,
            adapter=BINANCE,
            server_time=ServerTime(self.clock),
            deliver=self._deliver,
            recorder=self.facts.recorder,
        )

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.batches.append(len(deliveries))
        self.delivered += deliveries

    def opens(self) -> list[int]:
        """The open times that were delivered, in milliseconds and as delivered."""
        return [to_ms(one.candle.open_time) for one in self.delivered]

    def month(self, instant_ms: int) -> ArchiveFile:
        """The file of the month of ``instant_ms``."""
        return month_file(BTC, self.chosen.interval, instant_ms)

    def day(self, instant_ms: int) -> ArchiveFile:
        """The file of the day of ``instant_ms``."""
        return day_file(BTC, self.chosen.interval, instant_ms)

    def publish(self, file: ArchiveFile, without: Sequence[Span] = ()) -> None:
        """A file with every candle that belongs into it, save those in ``without``."""
        opens = [
            open_ms
            for open_ms in opens_of(file, self.chosen.interval)
            if not any(span.first_ms <= open_ms <= span.last_ms for span in without)
        ]
        self.host.publish(file, zipped({file.member: lines(opens)}))
