"""Several workers of one recommender answer as one: ids, learning and metrics are shared."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from recommender_releases import recommender_settings
from release_factory import Releases
from running import running

pytestmark = pytest.mark.services
ASKED = 40


def post(port: int, path: str, body: object) -> dict:
    """Over a connection of its own, so that any worker may answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        lines = [line for line in page.read().decode().splitlines() if line.startswith(name)]
    return float(lines[0].rsplit(" ", 1)[1]) if len(lines) == 1 else float("nan")


def until(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def processes(module: str) -> list[psutil.Process]:
    """Of the service that runs here, those that run a module."""
    found = psutil.Process().children(recursive=True)
    return [each for each in found if module in (each.as_dict(["cmdline"])["cmdline"] or ())]  # of a zombie None


def answered(folder: Path) -> list[int]:
    """Process ids of the workers that answered `recommend`, each from the file of its own counters."""
    from prometheus_client.mmap_dict import MmapedDict

    return [
        int(file.stem.removeprefix("counter_"))
        for file in folder.glob("storeloop-recommender-*/counter_*.db")
        if any(
            value > 0 and "storeloop_requests_total" in key and '"recommend"' in key
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file))
        )
    ]


def test_two_workers_share_ids_learning_and_metrics(made_recommenders: Releases, tmp_path: Path) -> None:
    releases = made_recommenders.copy_to(tmp_path / "releases")
    settings = recommender_settings(releases, tmp_path) | {"STORELOOP_SERVE_WORKERS": "2", "TMPDIR": str(tmp_path)}
    with running("serving.recommender:Recommender", environment=settings, log=tmp_path / "service.log") as port:
        assert until(lambda: len(processes("serving.recommender_learner")) == 1)
        workers = processes("_bentoml_impl.worker.service")
        assert len(workers) == 2
        for number in range(ASKED):
            slate = post(port, "recommend", {"customer_ids": [f"c{number:03d}"], "k": 3})["recommendations"][0]
            shown = [item["impression_id"] for item in slate["items"]]
            told = {
                "kind": "click", "item_id": slate["items"][0]["item_id"], "customer_id": slate["customer_id"],
                "impression_id": shown[0], "event_time": datetime.now(UTC).isoformat(),
            }  # fmt: skip
            assert post(port, "feedback", {"shown": shown, "events": [told]})["shown"]["new"] == 3
        asked = ASKED
        while {each.pid for each in workers} != set(answered(tmp_path)):  # the system deals connections as it likes
            assert asked < 10 * ASKED, "one worker never answers"
            post(port, "recommend", {"customer_ids": ["c000"], "k": 3})
            asked += 1
        labels = '{bot="recommender",endpoint="recommend",served_by="champion"}'
        for _ in range(4):  # whichever worker is asked
            assert metric(port, f"storeloop_requests_total{labels}") == asked

        (learner,) = processes("serving.recommender_learner")
        owner = learner.parent()
        assert owner is not None
        os.kill(
            owner.pid, signal.SIGKILL
        )  # the learner's input closes with it: the other worker, or the next, takes over
        assert until(lambda: [each.pid for each in processes("serving.recommender_learner")] not in ([], [learner.pid]))
        assert len(processes("serving.recommender_learner")) == 1
