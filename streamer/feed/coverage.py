"""Which series of one planned connection are covered: delivered, and without a break since that was announced. Pure."""

from collections.abc import Collection, Sequence

from streamer.domain.series import Series

_HELD_S = 60.0  # after which a connection has held, and its next end is another break


class Coverage:
    """The series that nothing was missed of; instants are monotonic seconds."""

    def __init__(self) -> None:
        self._covered: set[Series] = set()
        self._since_at = 0.0
        self._broken = False

    def extend(self, delivered: Sequence[Series], now_at: float) -> list[Series]:
        """Those of ``delivered`` that were not covered; from now on they are."""
        new = [series for series in delivered if series not in self._covered]
        if new and not self._covered:
            self._since_at = now_at
        self._covered.update(new)
        return new

    def keep(self, series: Collection[Series]) -> None:
        """Of all that is covered only ``series`` stay so."""
        self._covered.intersection_update(series)

    def drop(self, series: Series) -> None:
        """Something of ``series`` may have been missed."""
        self._covered.discard(series)

    def end(self, now_at: float) -> list[Series]:
        """The connection ended: what was covered, if that is a break to tell of.

        It is not when nothing was covered, nor within a minute of coverage after a break: then it is still that break.
        """
        lost = sorted(self._covered)
        same = self._broken and now_at < self._since_at + _HELD_S
        self._broken = self._broken or bool(lost)
        self._covered.clear()
        return [] if same else lost
