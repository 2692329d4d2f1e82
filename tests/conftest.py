"""Fixtures every room may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the public data sets, or a skip that says what to set."""
    folder = os.environ.get("STORELOOP_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"STORELOOP_REAL_DATA={folder!r} is no folder: set it to where the public data sets lie")
    return Path(folder)
