"""The status board: what ``/readyz`` tells, kept by the recorder."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class FeedStatus:
    """One exchange's sockets: how many are planned and how many are live (every subscription settled)."""

    planned: int = 0
    live: int = 0
    trouble: str | None = None


@dataclass(slots=True)
class StatusBoard:
    """The present state in words. ``database`` is None while it answers, else why not."""

    database: str | None = "not connected yet"
    feeds: dict[str, FeedStatus] = field(default_factory=dict)

    def feed(self, exchange: str) -> FeedStatus:
        """The entry of ``exchange``, made on first use."""
        return self.feeds.setdefault(exchange, FeedStatus())

    def reasons(self) -> list[str]:
        """Why the service is not ready; empty when it is."""
        reasons = [] if self.database is None else [f"database: {self.database}"]
        for exchange, feed in sorted(self.feeds.items()):
            if feed.live < feed.planned or feed.trouble is not None:
                why = feed.trouble or "connecting"
                reasons.append(f"{exchange}: {feed.live} of {feed.planned} connections live ({why})")
        return reasons
