"""The reference pages and the code say the same: every metric and setting, with labels, types and defaults."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from streamer.domain.instrument import Market
from streamer.settings.load import keys
from streamer.settings.model import ADAPTERS, Settings
from streamer.simulator.faults import EXCHANGES, Fault, FaultKind
from streamer.telemetry.metrics import Metrics
from tests.paths import ROOT

HIDDEN = {"clock_rate", "allow_simulated"}  # for tests and the demo; no operator needs them


def _rows(page: str, *head: str) -> Iterator[list[str]]:
    """The cells of every row below a table head, in the tables of ``docs/<page>.md`` that have this head."""
    inside = False
    for line in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells == list(head):
            inside = True
        elif inside and not line.startswith("|---"):
            assert len(cells) == len(head), f"{page}.md: {line}"
            yield cells


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _metrics_in_code() -> dict[str, tuple[str, tuple[str, ...]]]:
    registry = CollectorRegistry()
    Metrics(registry)
    labels = {
        name: getattr(collector, "_labelnames", ())
        for collector, names in registry._collector_to_names.items()
        for name in names
    }
    return {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, tuple(labels[family.name]))
        for family in registry.collect()
        if family.name.startswith("streamer_")
    }


def _shown(value: Any) -> str:
    """A default as the page writes it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        days, rest = divmod(value, timedelta(days=1))
        return f"{days}d" if not rest else f"{value // timedelta(hours=1)}h"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _defaults_in_code() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in keys():
        node: BaseModel = Settings()
        for name in path[:-1]:
            node = getattr(node, name)
        key = ".".join(path)
        if key not in HIDDEN:
            found[key] = "the exchange's" if "urls" in path else _shown(getattr(node, path[-1]))
    return found


def _defaults_on_page() -> dict[str, str]:
    found: dict[str, str] = {}
    for key, default, _ in _rows("settings", "key", "default", "meaning"):
        [pattern] = _words(key)
        for exchange, market in product(ADAPTERS, Market):
            found[pattern.replace("<exchange>", exchange).replace("<market>", market.value)] = default.strip("`")
    return found


def test_every_metric_is_documented_as_it_is() -> None:
    """The page has every metric with its type and labels, and no metric that is not there."""
    page = {
        _words(name)[0]: (kind, tuple(_words(labels)))
        for name, kind, labels, _ in _rows("metrics", "metric", "type", "labels", "meaning")
    }
    assert page == _metrics_in_code()


def test_expressions_on_the_page_use_metrics_that_exist() -> None:
    """What the page tells to watch can be watched."""
    known = {name + suffix for name in _metrics_in_code() for suffix in ("", "_bucket")}
    expressions = [expression for _, expression in _rows("metrics", "question", "expression")]
    assert len(expressions) > 3
    assert {name for text in expressions for name in re.findall(r"streamer_\w+", text)} <= known


def test_every_setting_is_documented_with_its_default() -> None:
    """The page has every key with the default that the code has, and no key that is not there."""
    assert _defaults_on_page() == _defaults_in_code()


def test_every_setting_says_in_the_code_what_it_is() -> None:
    """The description is what ``--help`` and a schema would show."""
    for path in keys():
        model: Any = Settings
        for name in path[:-1]:
            model = model.model_fields[name].annotation
        assert model.model_fields[path[-1]].description, path


@pytest.mark.parametrize(
    "row", list(_rows("settings", "exchange", "market", "ws", "rest")), ids=lambda row: " ".join(row[:2])
)
def test_the_addresses_on_the_page_are_those_of_the_code(row: list[str]) -> None:
    """Who must open a firewall can trust the page."""
    exchange, market, ws, rest = (_words(cell)[0] for cell in row)
    assert Settings().bases(exchange)[Market(market)] == (ws, rest)


def test_every_fault_is_documented() -> None:
    """The page has every kind and key of a script once, and scripts know every exchange."""
    kinds = [_words(kind)[0] for kind, _ in _rows("faults", "kind", "what happens")]
    assert sorted(kinds) == sorted(FaultKind)
    assert [_words(key)[0] for key, *_ in _rows("faults", "key", "meaning", "when absent")] == [
        one.name for one in fields(Fault)
    ]
    assert set(EXCHANGES) == set(ADAPTERS)


def test_every_dependency_has_its_reason() -> None:
    """Decision 0011 lists what the project depends on, and nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in lines} - {project["name"]}
    reasons = {
        _words(package)[0]: reason for package, reason in _rows("decisions/0011-dependencies", "package", "reason")
    }
    assert set(reasons) == names
    assert all(reasons.values())


def test_every_decision_is_listed() -> None:
    """The list of decisions has every page, by its number."""
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in folder.glob("[0-9]*.md")}


def test_links_between_pages_lead_somewhere() -> None:
    """A page that was renamed is not linked to by its old name."""
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
