"""Where tests find things outside the test folder."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"


def recordings() -> Path | None:
    """The folder of real recordings, or None where it is absent; tests that need it then skip and say so."""
    folder = Path(os.environ.get("STREAMER_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None
