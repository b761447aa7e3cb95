"""What a request to one endpoint costs: a line of an exchange's table of weights. Facts only; nothing is spent here."""

from dataclasses import dataclass

from streamer.protocol.adapter import Pool


@dataclass(frozen=True, slots=True)
class Tariff:
    """The pool of one endpoint, and its weights: ``(rows, weight)`` holds for requests for at most so many rows.

    The last weight is also that of requests that ask for no number of rows, and of longer ones.
    """

    pool: Pool
    steps: tuple[tuple[int, int], ...] = ((0, 1),)

    def weight(self, rows: int | None = None) -> int:
        """What a request for ``rows`` rows costs."""
        last = self.steps[-1][1]
        return last if rows is None else next((weight for most, weight in self.steps if rows <= most), last)
