"""Stores that tests of this room share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file are no package

from redis_server import redis_server


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own; tests that ask for it carry the marker `services`."""
    with redis_server(tmp_path) as url:
        yield url
