"""What was said is remembered, within bounds."""

from streamer.telemetry.said import Said


def test_a_thing_is_new_once_until_it_is_forgotten() -> None:
    """Forgetting goes by the first words."""
    said = Said()
    assert [said.first_time("a", "b"), said.first_time("a", "b"), said.first_time("a")] == [True, False, True]
    said.forget("a", "b")
    assert [said.first_time("a", "b"), said.first_time("a")] == [True, False]


def test_memory_is_bounded() -> None:
    """Causes of ever new words push out the oldest alone."""
    said = Said()
    assert all(said.first_time("cause", str(number)) for number in range(5_000))
    assert len(said) == 1_000
    assert not said.first_time("cause", "4999")
    assert said.first_time("cause", "0")
