"""What a judge says: a verdict, one sentence and, where something is to be done, the cure."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended. Only ``fail`` makes the whole fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; its name is a few words, sentence and cure have no full stop."""

    check: str
    verdict: Verdict
    sentence: str
    cure: str = ""


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, sentence)


def warn(check: str, sentence: str, cure: str) -> Finding:
    """It works, and should be looked after."""
    return Finding(check, Verdict.WARN, sentence, cure)


def fail(check: str, sentence: str, cure: str) -> Finding:
    """It does not work, or will soon not."""
    return Finding(check, Verdict.FAIL, sentence, cure)


def skipped(check: str, reason: str, cure: str = "") -> Finding:
    """Nobody looked, and why."""
    return Finding(check, Verdict.SKIPPED, reason, cure)


def spelled(size: float) -> str:
    """Bytes for people: ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:  # noqa: PLR2004 - that is what the units are
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
