"""From a release folder to a bento, and from a bento to a container: one champion, never the training stack."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.common.telemetry import TELEMETRY_OFF
from serving.closure import module_files
from serving.release import POINTER_FILE, Pointer, read_pointer, verify, write_pointer
from serving.requirements import SERVICE_ROOTS, pinned

BOTS: Mapping[str, str] = {
    "detector": "serving.detector:Detector",
    "forecaster": "serving.forecaster:Forecaster",
    "inspection": "serving.inspection:Inspection",
    "pricing": "serving.pricing:Pricing",
    "recommender": "serving.recommender:Recommender",
}
# What a bot needs beside `requirements.SERVICE_ROOTS`.
MORE_ROOTS: Mapping[str, tuple[str, ...]] = {
    "detector": ("opencv-python-headless", "pillow", "python-multipart"),
    "inspection": ("pillow",),
}
TEMPLATE = Path(__file__).parent / "deploy" / "Dockerfile.template"
LOCK = "requirements.lock"
BASE_IMAGE = "docker.io/library/python:3.11-slim"


class PackagingError(ValueError):
    """A bento or container that could not be built; the message carries the tool's last words."""


@dataclass(frozen=True)
class Bento:
    """A built bento: `tag` is name:version, `store` the BENTOML_HOME that holds it."""

    tag: str
    store: Path

    @property
    def folder(self) -> Path:
        """Where the bento's files lie."""
        name, _, version = self.tag.partition(":")
        return self.store / "bentos" / name / version


def build(bot: str, releases: Path, store: Path, *, root: Path | None = None) -> Bento:
    """Build a bento of the champion that `releases/<bot>/champion.json` names.

    `root` is the repository (default: the one this module lies in), whose requirements.lock pins what goes in.
    """
    if bot not in BOTS:
        raise PackagingError(f"there is no bot {bot!r}: choose one of {', '.join(BOTS)}")
    root = Path(__file__).resolve().parents[1] if root is None else root.resolve()
    pointer = read_pointer(releases / bot / POINTER_FILE)
    release = releases / bot / pointer.release
    verify(release, pointer.artifact_id)
    store = store.resolve()
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="storeloop-bento-") as temporary:
        stage = Path(temporary)
        _stage(bot, root, release, pointer, stage)
        version = pointer.artifact_id[:16]
        tag = f"{bot}:{version}"
        shutil.rmtree(Bento(tag, store).folder, ignore_errors=True)
        _run(
            [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"], cwd=stage, store=store
        )
    return Bento(tag, store)


def containerize(bento: Bento, image: str, *, backend: str = "docker", ca_bundle: Path | None = None) -> None:
    """Build an OCI image of a bento with BentoML's containerize.

    `backend` docker, podman or buildah; buildah runs without a daemon. `ca_bundle` is an extra certificate bundle lent
    to the package installation (for networks that inspect TLS); it does not stay in the image.
    """
    command = [
        sys.executable, "-m", "bentoml", "containerize", bento.tag, "--backend", backend, "--image-tag", image,
    ]  # fmt: skip
    if backend == "buildah":
        command += ["--opt", "isolation=chroot", "--opt", "network=host"]
    if ca_bundle is not None:
        command += [
            "--opt",
            f"volume={ca_bundle.resolve()}:/run/extra-ca.crt:ro",
            "--opt",
            "build-arg=PIP_CERT=/run/extra-ca.crt",
        ]
    # BentoML hands the builder a temporary folder relative to the working directory, which must lie above it.
    _run(command, cwd=Path(tempfile.gettempdir()), store=bento.store)


def _stage(bot: str, root: Path, release: Path, pointer: Pointer, stage: Path) -> None:
    module, _, name = BOTS[bot].partition(":")
    for file in module_files(module, root):
        target = stage / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    packed = stage / "releases" / bot
    roots = (*SERVICE_ROOTS, *MORE_ROOTS.get(bot, ()))
    shutil.copytree(release, packed / pointer.release)
    write_pointer(packed / POINTER_FILE, pointer)
    (stage / LOCK).write_text(pinned(root / "requirements.lock", roots), encoding="utf-8")
    (stage / "README.md").write_text(
        f"# Storeloop {bot}\n\nOne champion: artifact {pointer.artifact_id}, registry version "
        f"{pointer.registry_version}.\n",
        encoding="utf-8",
    )
    shutil.copy2(TEMPLATE, stage / "Dockerfile.template")
    (stage / "bentofile.yaml").write_text(
        f"""service: "{module}:{name}"
name: {bot}
labels:
  artifact_id: "{pointer.artifact_id}"
  registry_version: "{pointer.registry_version}"
description: README.md
include: ["*.py", "releases/**", "{LOCK}"]
python:
  requirements_txt: {LOCK}
  lock_packages: false
docker:
  base_image: {BASE_IMAGE}
  dockerfile_template: Dockerfile.template
""",
        encoding="utf-8",
    )


def _run(command: list[str], *, cwd: Path, store: Path) -> str:
    environment = {**os.environ, **TELEMETRY_OFF, "BENTOML_HOME": str(store), "PYTHONPATH": str(cwd)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise PackagingError(f"{' '.join(command[1:4])} ended with {done.returncode}:\n{said}")
    return done.stdout
