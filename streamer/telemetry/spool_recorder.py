"""The facts of the spool, each logged and counted as one act, like all others of ``Recorder``."""

from structlog.typing import FilteringBoundLogger

from streamer.telemetry.metrics import Metrics


class SpoolRecorder:
    """What happens to candles on the disk. What is lost for good is counted by ``Recorder.candles_dropped``."""

    def __init__(self, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = logger
        self._candles = 0
        self._refused = False

    def found(self, candles: int) -> None:
        """An earlier run left candles; they are stored before newer ones."""
        self._log.info("spool_found", candles=candles)

    def filled(self, candles: int) -> None:
        """So many candles wait on the disk; said when the first come and when the last are stored."""
        self._metrics.spool_candles.set(candles)
        if candles and not self._candles:
            self._log.warning("spool_in_use", candles=candles)
        elif self._candles and not candles:
            self._log.info("spool_drained")
        self._candles = candles

    def refused(self, reason: str) -> None:
        """The disk did not take candles, which stay in memory; said once until it does."""
        if not self._refused:
            self._log.error("spool_refused", error=reason, cure="make room in data_dir; the oldest candles give way")
        self._refused = True

    def accepted(self) -> None:
        """The disk does what is asked of it."""
        if self._refused:
            self._log.info("spool_accepted")
        self._refused = False

    def damaged(self, path: str, reason: str, series: int, *, sure: bool) -> None:
        """A spool file was lost; what its ``series`` may have had in it is looked for, and more where not ``sure``."""
        self._log.error(
            "spool_damaged",
            file=path,
            error=reason,
            series=series,
            cure="nothing: its candles are asked for again"
            if sure
            else "nothing: all since the last stored candles is asked for again",
        )

    def spilled(self, candles: int, left: int) -> None:
        """The end came before the database: so many candles were put on the disk; ``left`` did not get there."""
        self._log.warning("candles_spilled", candles=candles, left=left)
