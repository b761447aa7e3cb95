"""Where nobody watches, progress is a few plain lines on standard error."""

import pytest

from streamer.cli.progress import following, showing
from streamer.domain.gaps import Span
from streamer.domain.interval import Interval
from streamer.history.backfill import Headway
from streamer.history.dividing import Division
from streamer.history.plan import Want, make_plan
from streamer.protocol.adapter import Pool
from streamer.symbols.resolve import Chosen
from tests.fakes.rest import instrument


def test_each_tenth_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """However often and however finely it is told; standard output stays clean."""
    with showing("candles compared") as tell:
        for done in range(1_001):
            tell(done, 1_000)
    output, errors = capsys.readouterr()
    assert output == ""
    lines = errors.splitlines()
    assert len(lines) == 10
    assert (lines[0], lines[-1]) == ("candles compared: 100 of 1,000", "candles compared: 1,000 of 1,000")


def test_no_work_is_all_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of nothing is no division by it."""
    with showing("gaps asked for") as tell:
        tell(0, 0)
    assert capsys.readouterr().err == "gaps asked for: 0 of 0\n"


def test_a_backfill_says_its_plan_and_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    """Exchange by exchange, on standard error."""
    interval = Interval.M1
    want = Want(Chosen(instrument("BTC"), interval), (Span(0, 1_999 * 60_000),), 100, lambda _rows: 2)
    plan = make_plan([want], lambda _chosen, _page: [Pool(name="test", limit=10, window_s=60.0)])
    with following() as screen:
        screen.planned("test", plan, Division({}, 0, plan.wants), 180.0)
        for done in range(0, 2_001, 100):
            screen.moved("test", Headway(done, 2_000, done // 100, done // 50))
    output, errors = capsys.readouterr()
    assert output == ""
    lines = errors.splitlines()
    assert lines[0] == ("test: 2,000 candles of 1 series are missing: 20 requests of weight 40, about 3.0 minutes")
    assert (len(lines), lines[-1]) == (11, "test: candles brought: 2,000 of 2,000")
