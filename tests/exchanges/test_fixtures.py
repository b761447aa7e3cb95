"""Every case folder of every exchange, walked generically: the frame means exactly the events written beside it."""

import pytest

from streamer.domain.errors import MalformedFrame
from streamer.exchanges import discover
from tests.exchanges.cases import Case, cases, describe
from tests.paths import FIXTURES

ADAPTERS = discover()
CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.exchange}/{case.name}")
def test_frame_means_what_its_case_says(case: Case) -> None:
    """A documented frame decodes to the events, or to the error, that stand beside it, as text and as bytes."""
    adapter = ADAPTERS[case.exchange]
    decode, subscriptions = adapter.markets[case.market].stream.decode, case.subscriptions(adapter)
    for frame in (case.frame, case.frame.encode()):
        if case.error is not None:
            with pytest.raises(MalformedFrame) as raised:
                decode(frame, subscriptions)
            assert case.error == raised.value.kind
        else:
            assert case.expected == [describe(event) for event in decode(frame, subscriptions)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.exchange}/{case.name}")
def test_case_names_its_source(case: Case) -> None:
    """Whoever doubts a frame can look its shape up."""
    assert case.source


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_exchange_has_cases_for_every_market(exchange: str) -> None:
    """An exchange proves a closed candle in each of its markets, and that it survives what is no frame of its own."""
    own = [case for case in CASES if case.exchange == exchange]
    assert {case.market for case in own if case.closes} == set(ADAPTERS[exchange].markets)
    assert any(case.error == "not_json" for case in own)


def test_fixture_folders_belong_to_an_exchange() -> None:
    """No case lies where no test looks: every folder with cases is named for an adapter."""
    assert {path.parent.parent.name for path in FIXTURES.glob("*/*/case.json")} == set(ADAPTERS)
