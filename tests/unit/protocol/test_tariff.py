"""How a table of weights is read."""

import pytest

from streamer.protocol.adapter import Pool
from streamer.protocol.tariff import Tariff

POOL = Pool(name="one", limit=10, window_s=1.0)
STEPS = Tariff(POOL, ((99, 1), (499, 2), (1_000, 5)))


@pytest.mark.parametrize(("rows", "weight"), [(0, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1_000, 5), (5_000, 5)])
def test_the_weight_follows_the_rows(rows: int, weight: int) -> None:
    """The first step that holds so many rows counts, above all of them the last."""
    assert STEPS.weight(rows) == weight


def test_a_request_without_rows_costs_the_last_step() -> None:
    """What names no number of rows may bring all of them; most endpoints cost one."""
    assert STEPS.weight() == 5
    assert Tariff(POOL).weight() == 1
