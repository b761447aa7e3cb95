"""Everything that must be green: layout, lint, types, floors, tests. ``python scripts/check.py`` runs it all.

Arguments go to pytest in place of ours, so ``python scripts/check.py tests/unit`` is the quick round.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
_PROCESSES = min(4, (os.cpu_count() or 1) + 1)  # one more than cores: end-to-end tests mostly wait
_EVERYTHING = ("-n", str(_PROCESSES), "--dist", "loadgroup", "--durations", "40")


def main() -> int:
    """The exit code: 0 when every step passed; the first that fails ends the run."""
    steps: tuple[tuple[str, list[str | Path]], ...] = (
        ("layout", [BIN / "ruff", "format", "--check", "--quiet", "."]),
        ("lint", [BIN / "ruff", "check", "--quiet", "."]),
        ("types", [BIN / "mypy"]),
        ("floors", [BIN / "lint-imports"]),
        ("tests", [BIN / "pytest", *(sys.argv[1:] or _EVERYTHING)]),
    )
    for name, command in steps:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != 0:
            print(f"== {name} failed ({code})", flush=True)
            return code
        print(f"== {name} passed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
