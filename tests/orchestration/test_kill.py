"""SIGKILL in the middle, again and again: the tables of an uninterrupted run come out."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.common.artifact import read_manifest
from orchestration.challengers import current_challenger
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

KILLS = 10


def contents(workspace: Workspace) -> dict[str, tuple[int, str]]:
    manifests = sorted(workspace.lake.root.glob("*/*/manifest.json"))
    read = {
        str(path.relative_to(workspace.lake.root)): json.loads(path.read_text(encoding="utf-8")) for path in manifests
    }
    return {name: (body["rows"], body["content_hash"]) for name, body in read.items()}


@pytest.mark.timeout(900)
def test_ten_kills_leave_identical_tables(
    finished: Workspace, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(home=tmp_path / "home")
    environment = {
        **os.environ,
        "STORELOOP_HOME": str(settings.home),
        "STORELOOP_PARAMS": str(settings.params),
        "STORELOOP_TWIN_SIZE": "tiny",
        "STORELOOP_THREADS": "1",
    }
    command = [sys.executable, "-m", "orchestration.cli", "run", "full", "--json"]
    moments = random.Random(2)
    killed = finished_alone = 0
    while killed < KILLS:
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(2.0, 14.0))
        if child.poll() is not None:  # it got through: begin anew, for an idle second run is no target
            finished_alone += 1
            assert finished_alone <= KILLS, "the run is over too soon to be killed"
            shutil.rmtree(Workspace(settings).root)
            continue
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        killed += 1
    outcome = run(settings, "full")
    assert outcome.success, outcome.failures
    assert contents(Workspace(settings)) == contents(finished)
    champion, expected = (w.registry.champion("forecaster") for w in (Workspace(settings), finished))
    assert champion is not None
    assert expected is not None
    assert champion.artifact_id == expected.artifact_id
    trained = {
        read_manifest(current_challenger(w, "recommender").artifact).artifact_id
        for w in (Workspace(settings), finished)
    }
    assert len(trained) == 1
