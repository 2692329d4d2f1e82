"""The folder of releases: how many stay, and what a killed publication leaves behind."""

import os
from pathlib import Path

from orchestration.releases import KEPT_RELEASES, _sweep


def test_old_releases_and_drafts_of_killed_runs_go_and_the_champion_stays(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "newer", "newest", ".newest.x1y2"), start=1):
        (tmp_path / name / "artifact").mkdir(parents=True)
        os.utime(tmp_path / name, (age, age))
    (tmp_path / "champion").mkdir()
    os.utime(tmp_path / "champion", (0, 0))
    _sweep(tmp_path, keep="champion")
    assert KEPT_RELEASES == 3
    assert {path.name for path in tmp_path.iterdir()} == {"champion", "newest", "newer"}
