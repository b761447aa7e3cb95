"""The facts of the exchanges' REST limits, each logged and counted as one act, like all others of ``Recorder``."""

from structlog.typing import FilteringBoundLogger

from streamer.telemetry.metrics import Metrics

_STATES = ("closed", "open", "half_open")


class LimitRecorder:
    """What exchanges say of our pace, and what we do about it. ``pool`` is what one limit counts together."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger
        self._alone = False
        self._parts: dict[str, float] = {}

    def pool_used(self, pool: str) -> None:
        """A pool is asked for the first time; nothing bars it."""
        self._metrics.rest_throttled.labels(pool)
        self._metrics.rest_budget.labels(pool).set(self._parts.setdefault(pool, 1.0))
        self._show(pool, "closed")

    def throttled(self, pool: str, pause_s: float | None, cause: str) -> None:
        """The exchange told us to slow down; None when the pool pauses already, which was said."""
        self._metrics.rest_throttled.labels(pool).inc()
        if pause_s is not None:
            self._log.warning("rest_throttled", pool=pool, pause_s=round(pause_s, 1), error=cause)

    def banned(self, pool: str, pause_s: float | None, cause: str) -> None:
        """The exchange shut this address out; None when that was known and said."""
        self._metrics.rest_throttled.labels(pool).inc()
        if pause_s is not None:
            self._show(pool, "open")
            self._log.error("rest_banned", pool=pool, pause_s=round(pause_s, 1), error=cause)

    def ban_heard(self, pool: str, pause_s: float) -> None:
        """Another process on this address was shut out, and so are we; no exchange told us to slow down."""
        self._show(pool, "open")
        self._log.warning("rest_ban_heard", pool=pool, pause_s=round(pause_s, 1))

    def probing(self, pool: str) -> None:
        """A ban should be over: one request leaves to find out."""
        self._show(pool, "half_open")
        self._log.debug("rest_probing", pool=pool)

    def relented(self, pool: str) -> None:
        """The exchange answers again; whoever waits may ask."""
        self._show(pool, "closed")
        self._log.info("rest_relented", pool=pool)

    def budget_part(self, pool: str, part: float) -> None:
        """So much of its budget a pool spends, after the exchange told us to slow down; said when it changes."""
        before, self._parts[pool] = self._parts.get(pool, 1.0), part
        if part == before:
            return
        self._metrics.rest_budget.labels(pool).set(part)
        if part < before:
            self._log.warning("rest_budget_reduced", pool=pool, part=part)
        else:
            self._log.info("rest_budget_restored", pool=pool, part=part)

    def limit_stated(self, pool: str, limit: int, before: int) -> None:
        """The exchange states another limit than the one we went by, and is believed."""
        self._log.warning("rest_limit_stated", pool=pool, limit=limit, before=before)

    def budget_leased(self) -> None:
        """What the processes behind this address may spend was divided anew."""
        if self._alone:
            self._log.info("rest_budget_shared_again")
        self._alone = False

    def budget_unreachable(self, cause: Exception) -> None:
        """The database that divides the limits is away; a lease that ends is not renewed. Said once."""
        if not self._alone:
            self._log.warning("rest_budget_unreachable", error=cause)
        self._alone = True

    def _show(self, pool: str, state: str) -> None:
        for one in _STATES:
            self._metrics.rest_breaker.labels(pool, one).set(one == state)
