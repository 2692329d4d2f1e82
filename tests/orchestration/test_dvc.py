"""DVC's lens on the same graph: repro, metrics, plots and an experiment in a clone with a tiny twin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git checkout of the working tree as it is, with overrides that train quickly."""
    folder = tmp_path_factory.mktemp("dvc") / "storeloop"
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    ).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    quick = "forecaster: {trees: 20, quantile_trees: 10, max_pairs: 600, max_rows: 8000}\npromotion: {}\n"
    (folder / "params.yaml").write_text(quick, encoding="utf-8")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "clone"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


def dvc(clone: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),  # the clone's rooms, not those of the installed checkout
        "STORELOOP_TWIN_SIZE": "tiny",
        "STORELOOP_THREADS": "1",
        "STORELOOP_HOME": str(clone / ".storeloop"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.com",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.com",
    }
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=clone, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def rmse(clone: Path) -> float:
    shown = json.loads(dvc(clone, "metrics", "show", "--json"))
    figures = shown[""]["data"][".storeloop/metrics/forecaster.json"]["data"]["forecaster/challenger"]
    return float(figures["rmse (champion)"])


def test_the_graph_through_dvc(clone: Path) -> None:
    dvc(clone, "repro")
    before = rmse(clone)
    assert before > 0
    assert "didn't change, skipping" in dvc(clone, "repro")

    shown = dvc(clone, "plots", "show", "-o", str(clone / "plots"))
    assert "index.html" in shown
    assert any((clone / "plots").rglob("*calibration*"))

    dvc(clone, "exp", "run", "-q", "-S", "forecaster.depth=2")
    assert rmse(clone) != before
    listed = dvc(clone, "exp", "show", "--csv")
    assert "forecaster.depth" in listed.splitlines()[0]


def test_an_override_out_of_bounds_is_refused(clone: Path) -> None:
    with pytest.raises(AssertionError, match="depth"):
        dvc(clone, "exp", "run", "-S", "forecaster.depth=99")
