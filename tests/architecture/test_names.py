"""Names and habits that a machine can check: what would need an excuse is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.exchanges import discover
from tests.paths import FIXTURES, ROOT

PRODUCT = sorted((ROOT / "streamer").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc", "defines", "base", "shared", "tools"}
EMPTY_WORDS = {"manager", "handler", "helper", "helpers", "util", "utils", "abstract", "impl"}
CATCHES_ALL = {  # the one retry loop, and where an error becomes an exit code
    Path("streamer/timing/retry.py"),
    Path("streamer/cli/main.py"),
}
READS_THE_CLOCK = Path("streamer/timing/clock.py")
CLOCKS = {("time", "time"), ("time", "monotonic"), ("time", "sleep"), ("time", "perf_counter"), ("asyncio", "sleep"),
          ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}  # fmt: skip


def nodes(paths: list[Path]) -> Iterator[tuple[Path, ast.AST]]:
    """Every node of the files, with the file's place in the repository."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path.relative_to(ROOT), node


def words(name: str) -> list[str]:
    """The words of a name, in lower case, however they are joined."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def call_of(node: ast.AST) -> tuple[str, str] | None:
    """Owner and name of a called function, as in ``asyncio.sleep``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.value.id, node.func.attr
    return None


def test_no_module_is_a_drawer() -> None:
    """A file is named for what it does."""
    assert [path for path in PRODUCT + TESTS if {path.stem, path.parent.name} & DRAWERS] == []


def test_no_name_is_empty_of_meaning() -> None:
    """No class and no function is a manager, a handler or a base of something."""
    found = [
        (path, node.name)
        for path, node in nodes(PRODUCT + TESTS)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("test_")
        if set(words(node.name)) & EMPTY_WORDS
        or words(node.name)[:1] in (["do"], ["handle"])
        or (isinstance(node, ast.ClassDef) and "base" in words(node.name))
    ]
    assert found == []


def test_every_test_says_in_one_sentence_what_holds() -> None:
    """Its docstring is there and is one line with a full stop."""
    silent = [
        (path, node.name)
        for path, node in nodes(TESTS)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").split("\n")[0].endswith(".")
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """Tests own time; giving up one turn of the loop is no sleep."""
    sleeping = [
        (path, node.lineno)
        for path, node in nodes(TESTS)
        if isinstance(node, ast.Call)
        if call_of(node) == ("time", "sleep")
        or (call_of(node) == ("asyncio", "sleep") and ast.unparse(node.args[0]) != "0")
    ]
    assert sleeping == []


def test_no_test_patches() -> None:
    """What would need patching is passed in; only the environment and the folder of the process may be set."""
    patches = [
        (path, node.lineno)
        for path, node in nodes(TESTS)
        if (isinstance(node, ast.Import) and any(alias.name.startswith("unittest") for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Call) and call_of(node) in {("monkeypatch", "setattr"), ("monkeypatch", "setitem")})
    ]
    assert patches == []


def test_only_the_clock_reads_the_clock() -> None:
    """Everything else takes a Clock, so that a test owns time."""
    readers = [
        (path, node.lineno)
        for path, node in nodes(PRODUCT)
        if path != READS_THE_CLOCK and isinstance(node, ast.Call) and call_of(node) in CLOCKS
    ]
    assert readers == []


def test_errors_are_caught_by_name() -> None:
    """A handler of everything cleans up and raises again, save in the retry loop and at the top of the command line."""
    blind = [
        (path, node.lineno)
        for path, node in nodes(PRODUCT)
        if isinstance(node, ast.ExceptHandler) and path not in CATCHES_ALL
        if node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
        if not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]
    assert blind == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
def test_nothing_is_left_for_later(word: str) -> None:
    """What is not done is in the issue list, not in the code."""
    pattern = re.compile(rf"\b{word}\b")
    assert [path for path in PRODUCT + TESTS if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_no_module_keeps_state() -> None:
    """No function declares a global."""
    assert [(path, node.lineno) for path, node in nodes(PRODUCT) if isinstance(node, ast.Global)] == []


def test_an_exchange_has_one_name_everywhere() -> None:
    """The adapter, its folder and its fixtures are called alike."""
    for folder, adapter in discover().items():
        assert folder == adapter.name
        assert (ROOT / "streamer" / "exchanges" / folder).is_dir()
        assert (FIXTURES / folder).is_dir()
