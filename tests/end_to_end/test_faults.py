"""Trouble of every sort, drawn from a seed, on the real process; and the oracle that judges it, on small cases.

``python -m benchmarks.faults`` plays many more and longer ones.
"""

import json

import pytest

from streamer.domain.instrument import Market
from tests.end_to_end.faulting import Holding, Kept, Listed, Verdict, draw, judge, mixed, single, unrest
from tests.end_to_end.noticing import judge_life
from tests.end_to_end.playing import play
from tests.end_to_end.troubles import TROUBLES, Trouble
from tests.end_to_end.world import MINUTE_MS, Followed, Key, Row
from tests.integration.servers import data_folder
from tests.slow import slow

WANTED = [Followed("okx", "BTC-USDT", Market.SPOT, "BTC-USDT")]
FIGURES = (1.0, 1.0, 1.0, 1.0, 5.0, 5.0, None, None, None)
PUBLISHED = {("okx", "BTC-USDT", "1m", minute * MINUTE_MS): FIGURES for minute in range(10)}


@pytest.mark.databases
@pytest.mark.parametrize("seed", [12, 18, pytest.param(23, marks=slow), pytest.param(28, marks=slow)])
async def test_nothing_is_lost_and_nothing_invented(seed: int) -> None:
    """One trouble each for an exchange, the database and the process itself: all is stored or listed afterwards."""
    schedule = mixed(seed)
    with data_folder() as folder:
        folder.mkdir(mode=0o711)
        outcome = await play(schedule, folder)
    assert outcome.wrong == [], f"{schedule}; {outcome.report()}"
    assert outcome.verdict.owed > 50


def test_a_seed_gives_its_schedule_back() -> None:
    """The same twice, and others for other seeds."""
    assert [str(draw(seed)) for seed in range(20)] == [str(draw(seed)) for seed in range(20)]
    assert len({str(draw(seed)) for seed in range(20)}) == 20


def _verdict(
    stored: dict[Key, tuple[float | None, ...]], *gaps: tuple[int, int, str], mark: int = 0, since: int = 2
) -> Verdict:
    listed = [
        Listed("okx", "BTC-USDT", "1m", first * MINUTE_MS, last * MINUTE_MS, status, asked_again=True)
        for first, last, status in gaps
    ]
    kept = {("okx", "BTC-USDT", "1m"): Kept(since * MINUTE_MS, mark * MINUTE_MS)}
    rows = [Row(*key, figures, "ws") for key, figures in stored.items()]
    return judge(PUBLISHED, WANTED, Holding(kept, listed, rows), 9 * MINUTE_MS)


def _without(*minutes: int) -> dict[Key, tuple[float | None, ...]]:
    return {key: figures for key, figures in PUBLISHED.items() if key[3] // MINUTE_MS not in minutes}


def test_the_oracle_is_content_with_what_is_stored_or_listed() -> None:
    """What came before the series was wanted and what has not settled yet is not owed."""
    assert _verdict(_without()).whole
    assert _verdict(_without(0, 1, 9), mark=9).whole
    listed = _verdict(_without(4, 5), (4, 5, "open"), mark=4)
    assert (listed.wrong, len(listed.missing), listed.owed) == ([], 2, 7)


@pytest.mark.parametrize(
    ("verdict", "complaint"),
    [
        (_verdict(_without(5)), "neither stored nor listed"),
        (_verdict(_without(5), (5, 5, "absent"), mark=3), "called absent, though it was published"),
        (_verdict(_without(5), (5, 5, "open"), mark=6), "before the mark"),
        (_verdict(_without(), (5, 5, "open")), "an open gap, though it is stored"),
        (_verdict({**PUBLISHED, ("okx", "BTC-USDT", "1m", 99 * MINUTE_MS): FIGURES}), "nobody published"),
        (_verdict({**PUBLISHED, ("okx", "ETH-USDT", "1m", 0): FIGURES}), "nobody published"),
        (_verdict({**PUBLISHED, ("okx", "BTC-USDT", "1m", 0): (2.0, *FIGURES[1:])}), "other figures"),
    ],
)
def test_the_oracle_sees_every_broken_promise(verdict: Verdict, complaint: str) -> None:
    """Lost, called absent, passed by the mark, listed in vain, invented, changed."""
    assert any(complaint in sentence for sentence in verdict.wrong), verdict.wrong


def test_each_kind_can_be_played_by_itself() -> None:
    """It strikes after a while, ends before the end, and names what must be prepared for it."""
    for kind, kinds in TROUBLES.items():
        schedule = single(kind, 1)
        [trouble] = schedule.troubles
        assert trouble.at_s + trouble.for_s < schedule.length_s
        assert kinds.only in {None, trouble.exchange}
        assert schedule.places == ({kinds.place} if kinds.place else set())


def test_a_calm_trouble_may_cost_neither_a_connection_nor_a_gap() -> None:
    """Rows of thin series are no sign of unrest: their silent minutes are absent at the best of times."""

    def listing(symbol: str) -> Holding:
        return Holding({}, [Listed("okx", symbol, "1m", 0, 0, "repaired", asked_again=False)], [])

    assert unrest(listing("QUIET-USDT"), 0) == []
    assert len(unrest(listing("QUIET-USDT"), 1)) == 1
    assert len(unrest(listing("BTC-USDT"), 0)) == 1


def _line(event: str, second: int, **fields: str) -> str:
    return json.dumps({"event": event, "timestamp": f"2026-11-21T00:00:{second:02}.000000Z", **fields})


LIVE = _line("connection_live", 0, exchange="binance", market="linear")
UNREACHABLE = _line("exchange_unreachable", 1, exchange="okx", error="no TLS")


@pytest.mark.parametrize(
    ("kind", "lines", "complaints"),
    [
        ("unrouted_url", [LIVE, _line("series_withheld", 8, series="binance ETH-USDT-PERP 1m")], 0),
        ("unrouted_url", [LIVE, _line("series_withheld", 10, series="binance ETH-USDT-PERP 1m")], 1),
        ("unrouted_url", [LIVE, _line("series_withheld", 8, series="binance KEY-USDT 1m")], 1),
        ("unrouted_url", [LIVE, "no JSON"], 1),
        ("tls_refused", [UNREACHABLE], 0),
        ("tls_refused", [UNREACHABLE, UNREACHABLE], 1),
        ("tls_refused", [LIVE], 1),
    ],
)
def test_a_life_with_wrong_urls_is_judged_by_its_log(kind: str, lines: list[str], complaints: int) -> None:
    """At rate 10 nine seconds are ninety; what is said is said once, and something is said."""
    exchange = "binance" if kind == "unrouted_url" else "okx"
    assert len(judge_life(Trouble(kind=kind, at_s=0.0, exchange=exchange), lines, 10.0)) == complaints
