"""A service that is killed under load has learned, in the end, what one has that never stopped: nothing lost, nothing twice."""

from pathlib import Path

import pytest
from recommender_recovery import kill_and_compare
from release_factory import Releases

pytestmark = pytest.mark.services


def test_killed_under_load_it_learns_what_an_uninterrupted_one_does(
    made_recommenders: Releases, tmp_path: Path
) -> None:
    found = kill_and_compare(made_recommenders.copy_to(tmp_path / "releases"), tmp_path, kills=3, count=150, seed=5)
    assert found.killed == found.uninterrupted
    learned = int.from_bytes(found.killed["events"], "little")
    assert learned >= found.impressions - 21 * 10, "all but those whose clicks are still waited for"
    assert found.learned_at_start == sorted(found.learned_at_start)
