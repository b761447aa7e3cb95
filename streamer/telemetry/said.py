"""Remembers what was said, so that it is said once. What is said, and when it is over, the recorder decides."""

_MOST = 1_000


class Said:
    """What was said already, as words from the general to the particular; beyond a bound the oldest is forgotten."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, ...], None] = {}

    def __len__(self) -> int:
        return len(self._words)

    def first_time(self, *what: str) -> bool:
        """Whether this was not said before; from now on it was."""
        if what in self._words:
            return False
        if len(self._words) >= _MOST:
            del self._words[next(iter(self._words))]
        self._words[what] = None
        return True

    def forget(self, *beginning: str) -> None:
        """Whatever begins so may be said again."""
        self._words = {what: None for what in self._words if what[: len(beginning)] != beginning}
