"""Every panel of the dashboard asks for something that exists, wherever the dashboard is loaded."""

import json
import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamer.telemetry.metrics import Metrics
from tests.paths import ROOT

TEXT = (ROOT / "deploy/grafana/dashboards/streamer.json").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(TEXT)
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
    if "expr" in target
]

_NAME = re.compile(r"\b(?:streamer|process)_[a-z_]+")
_GROUPING = re.compile(r"\bby \(([a-z_, ]+)\)")
_MATCHER = re.compile(r"([a-z_]+)(?:=~|!=|=)\"")
_COLUMNS = re.compile(r"select distinct on \(exchange, symbol\)\s+(.+?)\s+from klines_1h", re.DOTALL)


def _exposed() -> dict[str, set[str]]:
    """The name of every sample of a process, with its labels; Prometheus adds ``instance``."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    declared = {
        f"streamer_{m._name.removeprefix('streamer_')}": set(m._labelnames)
        for m in vars(metrics).values()
        if hasattr(m, "_labelnames")
    }
    exposed: dict[str, set[str]] = {}
    for family in registry.collect():
        labels = declared.get(family.name, {"version"} if family.name.endswith("_info") else set())
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for suffix in suffixes:
            exposed[family.name + suffix] = labels | {"instance"} | ({"le"} if suffix == "_bucket" else set())
    return exposed


EXPOSED = _exposed()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_panel_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    """A renamed metric or label would leave an empty panel, which looks like good news."""
    names = set(_NAME.findall(expression))
    assert names
    assert names <= set(EXPOSED)
    known = set.intersection(*(EXPOSED[name] for name in names))
    used = {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",")}
    assert used | set(_MATCHER.findall(expression)) <= known


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_never_shown_raw(expression: str) -> None:
    """A counter means something only as a rate, an increase, or a sum since the start."""
    for name in _NAME.findall(expression):
        if name.endswith(("_total", "_bucket")):
            assert re.search(rf"(rate|increase)\({name}|sum\({name}", expression)
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_legends_use_labels_that_the_expression_keeps() -> None:
    """A legend of a label that was summed away is blank."""
    for panel in PANELS:
        for target in panel["targets"]:
            kept = {label.strip() for group in _GROUPING.findall(target.get("expr", "")) for label in group.split(",")}
            if kept:
                assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_sources_are_chosen_by_variable() -> None:
    """The dashboard works provisioned and imported: no source of one installation is written into it."""
    variables = {v["name"]: v["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "datasource"}
    assert variables == {"prometheus": "prometheus", "postgresql": "grafana-postgresql-datasource"}
    assert set(re.findall(r'"uid": "(\$\{\w+\})"', TEXT)) == {"${prometheus}", "${postgresql}"}
    assert DASHBOARD["__inputs"] == []
    assert "${DS_" not in TEXT


def test_variables_are_filled_from_metrics_that_exist() -> None:
    """The choices of a variable come from a metric that always has a value."""
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert found is not None
            assert found[2] in EXPOSED[found[1]]
            assert found[2] == variable["name"]


def test_panels_are_told_apart_and_explained() -> None:
    """Every panel has its own number, a title and a sentence."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)


def test_panels_do_not_lie_on_each_other() -> None:
    """Each cell of the grid, 24 wide, belongs to one panel."""
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_the_table_asks_for_columns_of_the_hours() -> None:
    """Both kinds of database have the columns that the table shows."""
    [sql] = [target["rawSql"] for panel in PANELS for target in panel["targets"] if "rawSql" in target]
    found = _COLUMNS.search(sql)
    assert found is not None
    schema = (ROOT / "sql/migrations/0020_rollups.sql").read_text(encoding="utf-8")
    columns = set(re.findall(r"^            (?:.+ as )?(\w+),?$", schema, flags=re.MULTILINE))
    assert {column.strip() for column in found[1].split(",")} <= columns
