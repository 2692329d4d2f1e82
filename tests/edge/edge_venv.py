"""A fresh environment with the extra `edge` alone, pinned and hashed by the lock. Loaded by path, not a test."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from serving.requirements import pinned

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def make_edge_venv(folder: Path) -> Path:
    """Create the environment in `folder/venv` and return its python. Taken from uv's cache where that holds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["edge"]]
    requirements = folder / "edge.txt"
    requirements.write_text(pinned(ROOT / "requirements.lock", [re.split(r"[\[<>=!~; ]", entry)[0] for entry in asked]))
    venv = folder / "venv"
    python = venv / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [UV, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", requirements]
    if subprocess.run([*install, "--offline"], capture_output=True, check=False).returncode:
        subprocess.run(install, check=True, env=os.environ | _index())
    return python


def installed_bytes(python: Path) -> int:
    """Size of what is installed, links into uv's cache counted like files."""
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    return sum(file.stat().st_size for file in site.rglob("*") if file.is_file())


def _index() -> dict[str, str]:
    """uv does not read pip's settings, so that a registry that only pip was told of is passed on."""
    if "UV_DEFAULT_INDEX" in os.environ or "UV_INDEX_URL" in os.environ:
        return {}
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or told.stdout.strip()
    certificates = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT", "")
    return ({"UV_DEFAULT_INDEX": url} if url else {}) | ({"SSL_CERT_FILE": certificates} if certificates else {})
