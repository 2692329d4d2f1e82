"""The whole way to a container: base image, bento, image, run, answer. Needs root, buildah, podman and debootstrap."""

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from release_factory import FIRST, Releases
from running import free_port, wait_ready

from serving.packaging import BASE_IMAGE, build, containerize

DEPLOY = Path(__file__).resolve().parents[2] / "serving" / "deploy"
IMAGE = "localhost/storeloop-forecaster:test"
EXTRA_CA = Path("/etc/ssl/certs/ca-certificates.crt")
MAX_IMAGE_MB, MAX_BUILD_S = 600, 300

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(600)]


def podman(*words: str) -> str:
    return subprocess.run(["podman", *words], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@pytest.fixture(scope="module")
def image(made_releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, float]]:
    missing = [tool for tool in ("buildah", "podman", "debootstrap", "runc") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"containers need root (uid {os.geteuid()}) and the tools that are missing here: {missing}")
    before = os.environ.get("CONTAINERS_CONF")
    os.environ["CONTAINERS_CONF"] = str(DEPLOY / "containers.conf")
    try:
        start = time.monotonic()
        subprocess.run([DEPLOY / "base-image.sh", BASE_IMAGE], check=True, timeout=400)
        bento = build("forecaster", made_releases.root, tmp_path_factory.mktemp("store"))
        containerize(bento, IMAGE, backend="buildah", ca_bundle=EXTRA_CA if EXTRA_CA.exists() else None)
        yield IMAGE, time.monotonic() - start
    finally:
        if before is None:
            del os.environ["CONTAINERS_CONF"]
        else:
            os.environ["CONTAINERS_CONF"] = before


def test_image_is_small_and_quickly_built(image: tuple[str, float]) -> None:
    name, seconds = image
    size_mb = int(podman("image", "inspect", "--format", "{{.Size}}", name)) / 1e6
    print(f"image {size_mb:.0f} MB, built in {seconds:.0f} s")  # noqa: T201 (figures of the run)
    assert size_mb <= MAX_IMAGE_MB
    assert seconds <= MAX_BUILD_S


def test_container_answers_as_nobody_special(image: tuple[str, float], made_releases: Releases) -> None:
    port = free_port()
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    name = podman("run", "--detach", "--network", "host", *hardened, image[0], "--port", str(port))
    try:
        wait_ready(port, None, None, 90)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/forecast", b'{"series_ids":["s0001"]}', {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        connection.close()
        assert reply["served_by"] == f"champion {made_releases.ids[FIRST]}"
        assert len(reply["forecasts"][0]["mean"]) == 42
        assert podman("exec", name, "id", "-u") != "0"
        installed = podman("exec", name, "ls", "/app/.venv/lib/python3.11/site-packages").split()
        assert not {"torch", "xgboost", "pandas", "sklearn", "pip", "feast"} & set(installed)
    finally:
        podman("rm", "--force", "--time", "5", name)
