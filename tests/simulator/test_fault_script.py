"""Reading a script of faults, and when a fault is in force."""

from pathlib import Path
from typing import Any

import pytest

from streamer.domain.errors import ConfigurationError
from streamer.domain.instrument import Market
from streamer.simulator.faults import Fault, FaultKind, FaultPlan, parse_faults, read_faults


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    """Every key of a line becomes a field of the fault."""
    script = tmp_path / "faults.json"
    script.write_text(
        '{"faults": [{"kind": "late", "exchange": "binance", "market": "linear", "seconds": 3, "at_s": 1}]}'
    )
    expected = Fault(kind=FaultKind.LATE, exchange="binance", market=Market.LINEAR, seconds=3, at_s=1)
    assert read_faults(script) == (expected,)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([], "list"),
        ({"faults": {}}, "list"),
        ({"faults": ["drop"]}, "object"),
        ({"faults": [{"kind": "explode"}]}, "explode"),
        ({"faults": [{}]}, "kind"),
        ({"faults": [{"kind": "drop", "when": 3}]}, "when"),
        ({"faults": [{"kind": "drop", "at_s": "soon"}]}, "at_s"),
        ({"faults": [{"kind": "drop", "at_s": -1}]}, "at_s"),
        ({"faults": [{"kind": "drop", "every_s": 0}]}, "every_s"),
        ({"faults": [{"kind": "drop", "market": "moon"}]}, "moon"),
        ({"faults": [{"kind": "drop", "market": 5}]}, "5"),
        ({"faults": [{"kind": "drop", "exchange": "binnace"}]}, "'binnace'; did you mean binance?"),
        ({"faults": [{"kind": "drop", "exchange": 5}]}, "there are binance, bybit, okx"),
        ({"faults": [{"kind": "late", "symbol": 5}]}, "symbol"),
    ],
)
def test_what_is_no_script_is_refused_in_one_sentence(script: Any, said: str) -> None:
    """The message names the culprit."""
    with pytest.raises(ConfigurationError, match=said):
        parse_faults(script)


def test_a_missing_script_is_a_wrong_configuration(tmp_path: Path) -> None:
    """A file that cannot be read is refused before anything starts."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.json"):
        read_faults(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("fault", "in_force"),
    [
        (Fault(kind=FaultKind.STALL), [0, 10, 14.9, 15, 70, 134]),
        (Fault(kind=FaultKind.STALL, at_s=10), [10, 14.9, 15, 70, 134]),
        (Fault(kind=FaultKind.STALL, at_s=10, for_s=5), [10, 14.9]),
        (Fault(kind=FaultKind.STALL, at_s=10, for_s=5, every_s=60), [10, 14.9, 70, 134]),
    ],
)
def test_a_fault_is_in_force_when_the_script_says(fault: Fault, in_force: list[float]) -> None:
    """It begins, ends and begins again."""
    assert [one for one in (0, 10, 14.9, 15, 70, 134) if fault.lasts_at(one)] == in_force


def test_a_fault_concerns_whom_it_names() -> None:
    """Exchange, market and symbol narrow it; a symbol's fault leaves whole connections alone."""
    plan = FaultPlan([Fault(kind=FaultKind.LATE, exchange="okx", market=Market.SPOT, symbol="BTC-*")], lambda: 0.0)
    assert plan.active(FaultKind.LATE, "okx", Market.SPOT, "BTC-USDT")
    assert not plan.active(FaultKind.LATE, "okx", Market.SPOT, "ETH-USDT")
    assert not plan.active(FaultKind.LATE, "okx", Market.LINEAR, "BTC-USDT-SWAP")
    assert not plan.active(FaultKind.LATE, "bybit", Market.SPOT, "BTC-USDT")
    assert not plan.active(FaultKind.LATE, "okx")
    assert not plan.active(FaultKind.STALL, "okx", Market.SPOT, "BTC-USDT")
