"""The tree of settings: every key, its type, its default and its one-line description.

``docs/settings.md`` lists the same keys; a test compares the two.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, create_model, field_validator
from pydantic_settings import NoDecode

from streamer.domain.instrument import Market
from streamer.domain.interval import Interval
from streamer.domain.rollup import Rollup
from streamer.exchanges import discover
from streamer.protocol.adapter import ExchangeAdapter
from streamer.protocol.address import is_loopback

ADAPTERS: Mapping[str, ExchangeAdapter] = discover()
DEFAULT_SYMBOLS = ("BTC-USDT", "ETH-USDT")
_DAY = timedelta(days=1)
_LEAST_BEYOND_CHUNK = timedelta(days=3)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _split(value: Any) -> Any:
    """Lists may be written ``a,b`` or ``["a", "b"]``."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        text = text.removeprefix("[").removesuffix("]")
    return tuple(part for part in (raw.strip().strip("\"'") for raw in text.split(",")) if part)


def _duration(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"([1-9]\d{0,6})([smhd])", value.strip())):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a number of at most seven digits and a unit: 30s, 10m, 12h or 7d")


def _interval(value: Any) -> Any:
    try:
        return Interval(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an interval; there are {', '.join(Interval)}") from None


def _rollup(value: Any) -> Any:
    try:
        return Rollup(value)
    except ValueError:
        raise ValueError(f"{value!r} is no length to build up to; there are {', '.join(Rollup)}") from None


def _check_host(url: str, host: str) -> None:
    """Raise ``ValueError`` for a host that no look-up would accept; a path to a socket is left to the database."""
    if not url.isprintable():
        raise ValueError("a control character")
    if host.lower().startswith("%2f"):
        return
    for name in host.split(","):
        with suppress(ValueError):
            ip_address(name)
            continue
        if re.search(r"\s", name):
            raise ValueError("a space")
        name.encode("idna")  # its UnicodeError is a ValueError: an empty label, or one of over 63 characters


def _path(value: Any) -> Any:
    if str(value) == "" or "\0" in str(value):
        raise ValueError("a folder has a name, and no NUL character in it")
    return value


def _number(value: Any) -> Any:
    """Not ``true``, which would pass for 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")  # noqa: TRY004 - what pydantic turns into its own error
    return value


def _url_of(*schemes: str) -> Any:
    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            parts = urlsplit(value)
            fits = parts.scheme in schemes and parts.hostname and parts.port != 0
            _check_host(value, parts.hostname or "localhost")
        except ValueError:  # its own words may hold a password
            raise ValueError("this is no URL: look at its host and port") from None
        if not fits:
            raise ValueError(f"a URL here begins with {' or '.join(scheme + '://' for scheme in schemes)}")
        return value.rstrip("/")

    return check


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Intervals = Annotated[
    tuple[Annotated[Interval, BeforeValidator(_interval)], ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
]
Rollups = Annotated[tuple[Annotated[Rollup, BeforeValidator(_rollup)], ...], NoDecode, BeforeValidator(_split)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]


class _Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class MarketUrls(_Branch):
    """Where one market of an exchange is reached."""

    ws: Annotated[str | None, BeforeValidator(_url_of("ws", "wss"))] = Field(None, description="WebSocket base URL")
    rest: Annotated[str | None, BeforeValidator(_url_of("http", "https"))] = Field(None, description="REST base URL")


class Urls(_Branch):
    """Where an exchange is reached; what is absent has the exchange's own address."""

    spot: MarketUrls = MarketUrls()
    linear: MarketUrls = MarketUrls()
    inverse: MarketUrls = MarketUrls()

    def market(self, market: Market) -> MarketUrls:
        """The URLs of ``market``."""
        urls: MarketUrls = getattr(self, market.value)
        return urls


class ExchangeSettings(_Branch):
    """What to follow on one exchange, and where it is."""

    symbols: Words = Field((), description="symbols or patterns to follow, `BTC-USDT` or `*-USDT-PERP`")
    exclude: Words = Field((), description="symbols or patterns to leave out")
    intervals: Intervals = Field((Interval.M1,), description="candle lengths to follow")
    urls: Urls = Urls()


class HttpSettings(_Branch):
    """The HTTP server of `/metrics`, `/healthz` and `/readyz`."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: Whole = Field(8000, ge=0, le=65_535, description="port to listen on; 0 takes any free one")


class RestSettings(_Branch):
    """How much of an exchange's REST limits may be spent."""

    share: Number = Field(0.5, gt=0, le=1, description="part of each exchange's REST limit that may be used")
    egress: Annotated[str | None, Field(pattern=r"^[\w.:-]{1,100}$")] = Field(
        None, description="name of the address behind which processes on this database share that part"
    )


class SpoolSettings(_Branch):
    """How much may wait on disk while the database is away."""

    candles: Whole = Field(
        5_000_000, ge=1_000, description="most candles in a spool file; beyond it the oldest give way"
    )
    megabytes: Whole = Field(1_024, ge=1, description="most MiB in a spool file; beyond it the oldest give way")


class StorageSettings(_Branch):
    """How `klines` is kept, and what is built from it; applied, and changed, by `migrate` and `run`."""

    chunk_interval: Duration = Field(
        timedelta(days=7), validate_default=False, description="length of a chunk; take `1d` above 1,000 series"
    )
    compress_after: Duration = Field(
        timedelta(days=3), validate_default=False, description="age at which chunks become columnar"
    )
    retention: Duration | None = Field(
        None, description="how long candles are kept at least; bars of every length are kept for ever"
    )
    rollups: Rollups = Field(
        (Rollup.H1, Rollup.D1), description="lengths that stored candles are built up to; `1h` and `1d` always are"
    )

    @field_validator("retention", mode="after")
    @classmethod
    def _holds_chunks(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        """Days of live candles and of what is refreshed must lie within what is kept, and chunks go as a whole."""
        least = max(info.data.get("chunk_interval", _DAY), _DAY) + _LEAST_BEYOND_CHUNK
        if value is not None and value < least:
            raise ValueError(f"keep at least {-(-least // _DAY)}d: storage.chunk_interval and three days more")
        return value


def _branch_of(adapter: ExchangeAdapter) -> type[ExchangeSettings]:
    """What is to be known of one exchange: of its archive too, where it publishes one."""
    bases = {facts.archive.base for facts in adapter.markets.values() if facts.archive is not None}
    if not bases:
        return ExchangeSettings
    [base] = bases
    url = Field(base, description="base URL of the public archive of candles")
    field: Any = (Annotated[str, BeforeValidator(_url_of("http", "https"))], url)
    return create_model("ArchivedExchangeSettings", __base__=ExchangeSettings, archive_url=field)


_branches = {name: _branch_of(adapter) for name, adapter in ADAPTERS.items()}
_fields: dict[str, Any] = {name: (branch, branch()) for name, branch in _branches.items()}
Exchanges = create_model("Exchanges", __base__=_Branch, **_fields)


class Settings(BaseModel):
    """All settings. See ``docs/settings.md``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[str | None, BeforeValidator(_url_of("postgresql", "postgres"))] = Field(
        None, description="where to store; absent: a private PostgreSQL in `data_dir`"
    )
    migrate: bool = Field(default=True, description="whether `run` applies pending migrations itself")
    allow_simulated: bool = Field(default=False, description="for tests: take candles from a simulator")
    data_dir: Annotated[Path, BeforeValidator(_path)] = Field(
        Path("data"), description="folder of the embedded database and of the spool"
    )
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = Field(
        "info", description="least level of log lines: debug, info, warning or error"
    )
    buffer_candles: Whole = Field(60_000, ge=1_000, description="candles kept in memory while the database is away")
    shutdown_seconds: Number = Field(
        20.0, gt=0, allow_inf_nan=False, description="time to store what is held when stopping"
    )
    listings_every: Duration = Field(
        timedelta(hours=1), ge=timedelta(minutes=1), description="how often instrument lists are read again"
    )
    clock_rate: Number = Field(
        1.0, gt=0, allow_inf_nan=False, description="hidden: how fast time runs, against simulators only"
    )
    http: HttpSettings = HttpSettings()
    rest: RestSettings = RestSettings()
    spool: SpoolSettings = SpoolSettings()
    storage: StorageSettings = StorageSettings()
    exchanges: Exchanges = Exchanges()

    def exchange(self, name: str) -> ExchangeSettings:
        """The settings of one exchange."""
        settings: ExchangeSettings = getattr(self.exchanges, name)
        return settings

    def followed(self) -> dict[str, tuple[str, ...]]:
        """The spellings to follow by exchange: those named, or the default pair everywhere when none is."""
        named = {name: self.exchange(name).symbols for name in ADAPTERS if self.exchange(name).symbols}
        return named or dict.fromkeys(ADAPTERS, DEFAULT_SYMBOLS)

    def bases(self, name: str) -> dict[Market, tuple[str, str]]:
        """The WebSocket and REST base URLs of each market of an exchange."""
        facts = ADAPTERS[name].markets
        urls = self.exchange(name).urls
        return {
            market: (
                urls.market(market).ws or facts[market].ws_base,
                urls.market(market).rest or facts[market].rest_base,
            )
            for market in facts
        }

    def archive_base(self, name: str) -> str | None:
        """The base URL of an exchange's archive; None where it publishes none.

        None too where only one of archive and exchange is on this machine: invented and real candles never meet.
        """
        base: str | None = getattr(self.exchange(name), "archive_url", None)
        simulated = any(is_loopback(url) for pair in self.bases(name).values() for url in pair)
        return base if base is not None and is_loopback(base) is simulated else None

    def all_loopback(self) -> bool:
        """Whether every exchange that runs is on this machine: a simulator."""
        return all(is_loopback(url) for name in self.followed() for pair in self.bases(name).values() for url in pair)

    def any_loopback(self) -> bool:
        """Whether some exchange that runs is on this machine: a simulator."""
        return any(is_loopback(url) for name in self.followed() for pair in self.bases(name).values() for url in pair)
