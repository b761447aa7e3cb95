"""All judges together, and those of the exchanges."""

import re

import pytest

from streamer.app.doctor.examination import judge
from streamer.app.doctor.finding import Verdict
from streamer.app.doctor.network import examine_exchanges, judge_exchange_clock
from streamer.app.doctor.space import judge_spool_disk
from streamer.domain.errors import Unavailable
from streamer.settings.model import Settings
from streamer.store.vitals import Extension, Unread
from streamer.timing.server_time import ServerTime
from tests.fakes.clock import FakeClock
from tests.fakes.vitals import policies, policy, schema, vitals
from tests.paths import ROOT

SETTINGS = Settings(database_url="postgresql://streamer@db/streamer")


def test_a_healthy_database_has_nothing_to_be_done() -> None:
    """Each check has a name of its own, and none a cure; only a distant disk cannot be seen."""
    found = judge(vitals(), SETTINGS)
    assert {one.verdict for one in found} == {Verdict.OK, Verdict.SKIPPED}
    assert [one.check for one in found if one.verdict is Verdict.SKIPPED] == ["disk of the database"]
    assert not any(one.cure for one in found)
    assert len({one.check for one in found}) == len(found)


def test_every_check_is_on_the_page() -> None:
    """docs/operating.md says of each when it warns and fails, and names none that is not there."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (.+?) \|.*\|.*\|$", page.partition("| check |")[2].partition("\n\n")[0], re.MULTILINE)
    named = {word for cell in table for word in re.findall(r"`(.+?)`", cell)}
    found = {one.check for one in judge(vitals(policies=policies(policy("policy_retention"))), SETTINGS)}
    found |= {"database", judge_spool_disk(1, 1).check, judge_exchange_clock("okx", Unavailable("")).check}
    assert {name for name in named if not any(check.startswith(name) for check in found)} == set()
    assert {check for check in found if not any(check.startswith(name) for name in named)} == set()


def test_plain_postgresql_is_not_judged_by_policies() -> None:
    """It has none."""
    found = judge(vitals(schema=schema("postgresql"), extension=Extension(None, None, None), policies=None), SETTINGS)
    assert not any("refreshing" in one.check or "jobs" in one.check for one in found)
    assert {one.verdict for one in found} == {Verdict.OK, Verdict.SKIPPED}


def test_what_may_not_be_read_fails_nothing() -> None:
    """Every part but the server may be hidden."""
    hidden = Unread("not for you")
    parts = ("extension", "schema", "policies", "storage", "rights", "books", "pooled")
    found = judge(vitals(**dict.fromkeys(parts, hidden)), SETTINGS)
    assert Verdict.FAIL not in {one.verdict for one in found}
    assert len([one for one in found if one.verdict is Verdict.SKIPPED]) >= len(parts)


@pytest.mark.parametrize(("offset_s", "verdict"), [(0.3, Verdict.OK), (-6.0, Verdict.WARN), (7_200.0, Verdict.WARN)])
def test_a_clock_that_differs_from_an_exchange(offset_s: float, verdict: Verdict) -> None:
    """It is corrected, so it is a warning."""
    clock = FakeClock()
    read = ServerTime(clock)
    read.measured(clock.monotonic(), clock.monotonic(), clock.time() + offset_s)
    assert judge_exchange_clock("okx", read).verdict is verdict


def test_an_exchange_that_does_not_answer_fails() -> None:
    """It was asked for."""
    found = judge_exchange_clock("okx", Unavailable("okx cannot be reached"))
    assert (found.verdict, found.sentence) == (Verdict.FAIL, "okx cannot be reached")


async def test_exchanges_are_not_asked_unless_that_is_wished() -> None:
    """The line says how to."""
    [found] = await examine_exchanges(SETTINGS, asked=False)
    assert found.verdict is Verdict.SKIPPED
    assert "--network" in found.cure
