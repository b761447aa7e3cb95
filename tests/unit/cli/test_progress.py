"""Where nobody watches, progress is a few plain lines on standard error."""

import pytest

from streamer.cli.progress import showing


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
