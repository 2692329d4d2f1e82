"""The rooms as packages: they are ours, light to import, and installed from a lock that checks every byte."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["orchestration", "features", "models", "serving", "data_checks", "edge", "sources"]
HEAVY = {
    *(
        "torch",
        "torchvision",
        "ultralytics",
        "transformers",
        "xgboost",
        "lightgbm",
        "statsforecast",
        "mlforecast",
        "prophet",
        "onnxmltools",
    ),
    *(
        "mlflow",
        "feast",
        "great_expectations",
        "bentoml",
        "dagster",
        "pyspark",
        "matplotlib",
        "sklearn",
        "numba",
        "dvc",
    ),
}
# What a room cannot be itself without: a service is a BentoML class, Dagster's definitions are Dagster objects.
OWN = {"serving": {"bentoml"}, "orchestration": {"dagster"}}
# The Feast repository and the offline store are classes of Feast's; Feast imports them, we do not.
# A network is a class of torch's; only functions that fit one import it.
NETWORKS = (
    *(f"models.forecaster.networks.{name}" for name in ("adversary", "architecture", "losses")),
    *(f"models.pricing.{name}" for name in ("dqn", "model", "peers", "vec_env")),
    *(f"models.detector.{name}" for name in ("embedder_model", "finder_model", "finder_training")),
    "models.behaviour.model",
    "models.inspection.model",
    "models.profiles.model",
    "models.recommender.model",
    "models.recommender.ranker_model",
)
NOT_WALKED = {"features": ("features.store", "features.offline_store", "features.retrieval_job"), "models": NETWORKS}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
room, skipped, heavy = sys.argv[1], tuple(sys.argv[2].split(",")), set(sys.argv[3].split(","))
package = importlib.import_module(room)
found, names = {}, [room]
for module in pkgutil.walk_packages(package.__path__, room + ".", onerror=lambda name: None):
    if not (skipped[0] and module.name.startswith(skipped)):
        names.append(module.name)
for name in names:
    importlib.import_module(name)
    for new in (heavy & set(sys.modules)) - set(found):
        found[new] = name
print(json.dumps({"file": package.__path__[0], "heavy": found, "modules": len(names)}))
"""


def run_python(code: str, *arguments: str) -> str:
    """Standard output of a fresh interpreter that sees this repository first."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_this_repository_and_light_to_import(room: str) -> None:
    found = json.loads(run_python(IMPORT_ALL, room, ",".join(NOT_WALKED.get(room, ())), ",".join(HEAVY)))
    assert Path(found["file"]) == ROOT / room
    heavy = {name: module for name, module in found["heavy"].items() if name not in OWN.get(room, set())}
    assert not heavy, f"imported at module level (library -> first module that pulled it in): {heavy}"


def test_edge_imports_no_table_engine_and_no_training_library() -> None:
    heavy = {"pandas", "duckdb", "ibis", "pyarrow", "torch", "xgboost", "dagster", "mlflow", "bentoml", "feast"}
    found = json.loads(run_python(IMPORT_ALL, "edge", "", ",".join(heavy)))
    assert found["heavy"] == {}
    assert found["modules"] >= 5


def requirements() -> dict[str, list[str]]:
    """`name==version` of the lock -> its hashes."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "# ":
            current = line.split(" ")[0]
            found[current] = []
        elif match := re.fullmatch(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?", line):
            found[current].append(match.group(1))
    return found


def test_lock_pins_every_requirement_by_version_and_hash() -> None:
    lock = requirements()
    assert len(lock) > 100
    assert not [name for name, hashes in lock.items() if not hashes]
    assert not [name for name in lock if not re.fullmatch(r"[a-z0-9._-]+==[^=*]+", name)]


def test_lock_names_no_host_and_no_path() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(
        r"://|--(?:extra-)?index-url|--find-links|--trusted-host|@ file|/(?:home|root|work|tmp|opt)/", text
    )


def direct_dependencies() -> set[str]:
    """Names that pyproject.toml asks for, all extras together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    return {re.split(r"[\[<>=!~; ]", entry, maxsplit=1)[0].lower() for entry in wanted}


def test_lock_holds_every_direct_dependency() -> None:
    names = direct_dependencies()
    locked = {name.split("==")[0] for name in requirements()}
    assert names <= locked, f"not in requirements.lock (run: make lock): {sorted(names - locked)}"


def test_readme_lists_the_licence_of_every_direct_dependency() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("<!-- licences:begin -->")[1].split("<!-- licences:end -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ]
    listed = {row[0]: row[1] for row in rows[1:]}
    names = direct_dependencies()
    assert listed.keys() == names, f"run: make licences ({sorted(names ^ listed.keys())})"
    assert not [name for name, licence in listed.items() if not licence or licence == "unknown"]


def test_licence_is_the_whole_agpl() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    canonical = "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"
    assert hashlib.sha256(text.encode()).hexdigest() == canonical
    assert [int(n) for n in re.findall(r"^  (\d+)\. [A-Z]", text, re.MULTILINE)] == list(range(18))


# VmHWM, not ru_maxrss: the latter keeps the peak of the process that started this one.
IMPORT_COST = """
import json, re, time
from pathlib import Path
began = time.process_time()
import orchestration.definitions
seconds = time.process_time() - began
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
print(json.dumps([seconds, peak_kb / 1024]))
"""


def test_code_location_loads_fast_and_small() -> None:
    """Processor time, so that a busy machine does not decide; the best of three, the first of which warms the disk."""
    found = [json.loads(run_python(IMPORT_COST)) for _ in range(3)]
    seconds, megabytes = min(run[0] for run in found), max(run[1] for run in found)
    assert seconds <= 4.0, (
        f"importing orchestration.definitions takes {seconds:.1f} s: move heavy imports into functions"
    )
    assert megabytes <= 300, (
        f"importing orchestration.definitions takes {megabytes:.0f} MB: move heavy imports into functions"
    )
