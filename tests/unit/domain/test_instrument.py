"""How our symbols are spelt."""

from datetime import UTC, datetime

import pytest

from streamer.domain.instrument import Kind, spell


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.SPOT, "BTC-USDT"), (Kind.PERPETUAL, "BTC-USDT-PERP"), (Kind.DATED, "BTC-USDT-20260925")],
)
def test_a_symbol_is_spelt_by_kind(kind: Kind, expected: str) -> None:
    """Spot, perpetual and dated instruments of one pair are told apart."""
    assert expected == spell(kind, "BTC", "USDT", datetime(2026, 9, 25, 8, tzinfo=UTC))


def test_a_dated_contract_needs_its_date() -> None:
    """Without a delivery time no dated symbol is made up."""
    with pytest.raises(ValueError, match="delivery time"):
        spell(Kind.DATED, "BTC", "USDT")
