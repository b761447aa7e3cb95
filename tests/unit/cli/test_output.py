"""Rows are shown as they are."""

import pytest

from streamer.cli.output import distinct, show_table


def test_a_table_takes_nothing_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells and column names with brackets come out letter for letter."""
    show_table(["[bold]", "[/y]"], [["[/x]", "[red]word[/red]"], [None, 1.5]])
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines()] == [["[bold]", "[/y]"], ["[/x]", "[red]word[/red]"], ["1.5"]]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        (["?column?", "?column?"], ["?column?", "?column?_2"]),
    ],
)
def test_columns_of_the_same_name_are_told_apart(columns: list[str], names: list[str]) -> None:
    """The second gets a number, and never the name of another column."""
    assert distinct(columns) == names
