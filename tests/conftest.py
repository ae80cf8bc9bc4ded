"""Where the test data is."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory of the test data: $TIPBANDIT_SHARED, else `shared` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    found = Path(os.environ.get("TIPBANDIT_SHARED") or beside)
    if not (found / "data").is_dir():
        pytest.skip("test data not found: put it at ../shared or set TIPBANDIT_SHARED")
    return found
