"""Hours and days by the rules of both views, and what counts as asked twice: what results are held against."""

from random import Random

from benchmarks.backfill_kills import Asked, Killed, moments
from benchmarks.bars import DAY_MS, HOUR_MS, Bar, bars

STEP = 60_000


def minute(number: int, price: float, volume: float) -> Bar:
    """A minute that stays at its price."""
    return Bar(number * STEP, price, price, price, price, volume, volume * price, None, None, None)


def test_minutes_without_trades_set_no_price() -> None:
    """They count as candles; where all are such, the hour is what they are."""
    traded = [minute(0, 9.0, 0.0), minute(1, 3.0, 0.1), minute(2, 5.0, 0.2), minute(59, 1.0, 0.0)]
    silent = [minute(60, 7.0, 0.0), minute(61, 8.0, 0.0)]
    assert list(bars(HOUR_MS, traded + silent)) == [
        Bar(0, 3.0, 5.0, 3.0, 5.0, 0.1 + 0.2, 0.1 * 3.0 + 0.2 * 5.0, None, None, None, 4),
        Bar(HOUR_MS, 7.0, 8.0, 7.0, 8.0, 0.0, 0.0, None, None, None, 2),
    ]


def test_days_are_made_of_hours() -> None:
    """Sums are added by hours, which is not the same bit by bit as by minutes; candles are those of minutes."""
    minutes = [minute(number, 1.0, 0.1) for number in range(1_440)]
    [day] = bars(DAY_MS, bars(HOUR_MS, minutes))
    hour = 0.0
    for _ in range(60):
        hour += 0.1
    whole = 0.0
    for _ in range(24):
        whole += hour
    assert (day.volume, day.candles, day.open_ms) == (whole, 1_440, 0)


def test_each_part_of_the_work_has_its_kill() -> None:
    """At moments that the seed alone decides."""
    found = list(moments(5, 1_000, Random(1)))  # noqa: S311 - moments, not secrets
    assert [one // 200 for one in found] == [0, 1, 2, 3, 4]
    assert found == list(moments(5, 1_000, Random(1)))  # noqa: S311


def test_what_was_asked_twice_is_counted_over_all_kills() -> None:
    """Against the plan for candles; of lists and times every run but one is a repetition."""
    killed = Killed(5, 1_000, Asked(candles=1_010, others=60, refused=0))
    assert killed.repeated == 0.010000000000000009
    assert round(killed.repeated_all, 6) == round(60 / 1_010, 6)
