"""The whole way by the command: release -> signed bundle -> box, in an environment without torch and xgboost."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge.cli import app
from models.common.artifact import read_manifest

ROOT = Path(__file__).parents[2]
ABSENT = (
    "torch",
    "xgboost",
    "pandas",
    "pyarrow",
    "duckdb",
    "ibis",
    "feast",
    "sklearn",
    "dagster",
    "mlflow",
    "bentoml",
    "onnx",
)


def command(*arguments: Any, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], input=stdin)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])


def numbers(reply: dict[str, Any]) -> np.ndarray:
    return np.array([[row[name] for name in ("mean", "q10", "q50", "q90")] for row in reply["forecasts"]]).transpose(
        0, 2, 1
    )


@pytest.fixture(scope="module")
def bundles(release, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    made = []
    for revision in (1, 2):
        out = folder / f"{revision}.bundle"
        built = command("build", release.folder, out, "--key", release.private, "--revision", revision)
        assert built["revision"] == revision
        assert built["bytes"] == out.stat().st_size
        made.append(out)
    return made[0], made[1]


def test_a_box_from_key_to_roll_back(release, bundles: tuple[Path, Path], tmp_path: Path) -> None:
    trust, home = ("--key", release.public), ("--home", tmp_path / "box")
    verified = command("verify", bundles[0], *trust)
    assert verified["verified"] is True
    assert verified["artifact_id"] == read_manifest(release.folder / "artifact").artifact_id
    assert command("update", bundles[0], *home, *trust)["outcome"] == "updated"
    reply = command("run", *home, *trust)
    np.testing.assert_allclose(numbers(reply), release.values, rtol=1e-4)
    assert command("update", bundles[1], *home, *trust)["outcome"] == "updated"
    status = command("status", *home, *trust)
    assert (status["revision"], status["series"], status["breaker"]) == (2, 12, "closed")
    assert status["days_behind"] > 0
    back = command("rollback", *home, *trust, "--reason", "prices look odd")
    assert back["outcome"] == "rolled_back"
    assert command("status", *home, *trust)["note"] == "prices look odd"
    assert command("run", *home, *trust, "--series", release.series_ids[2], "--horizon", 3)["revision"] == 1


def test_standard_input_answers_line_by_line(release, bundles: tuple[Path, Path], tmp_path: Path) -> None:
    trust, home = ("--key", release.public), ("--home", tmp_path / "box")
    command("update", bundles[0], *home, *trust)
    lines = [
        json.dumps({"series_ids": release.series_ids[:1]}),
        "no json",
        '["a"]',
        '{"horizon": 99}',
        '{"horizon": 2}',
    ]
    result = CliRunner().invoke(app, ["run", *map(str, (*home, *trust)), "--stdin"], input="\n".join(lines))
    assert result.exit_code == 0
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    assert [sorted(reply.keys() & {"error", "forecasts"}) for reply in replies] == [
        ["forecasts"],
        ["error"],
        ["error"],
        ["error"],
        ["forecasts"],
    ]
    np.testing.assert_allclose(numbers(replies[-1]), release.values[:, :2], rtol=1e-4)


def test_champion_pointer_names_release_and_revision(release, tmp_path: Path) -> None:
    pointer = release.folder.parent / "champion.json"
    pointer.write_text(json.dumps({"release": release.folder.name, "artifact_id": "a", "registry_version": "17"}))
    assert command("build", pointer, tmp_path / "b", "--key", release.private)["revision"] == 17
    refused = command("build", release.folder, tmp_path / "c", "--key", release.private, code=1)
    assert "give --revision" in refused["error"]
    assert (
        "precision 'fp16'"
        in command("build", pointer, tmp_path / "c", "--key", release.private, "--precision", "fp16", code=1)["error"]
    )


def test_a_bundle_that_answers_differently_is_not_taken_over(release, bundles, tmp_path: Path) -> None:
    """Signed and whole, but its self-test holds other numbers than this machine computes."""
    import shutil

    from safetensors.numpy import load, save

    from edge.bundle import build, unpack
    from edge.runtime import SELF_TEST_FILE
    from models.common.keys import read_private_key, read_public_key

    trust, home = ("--key", release.public), ("--home", tmp_path / "box")
    command("update", bundles[0], *home, *trust)
    unpack(bundles[1], read_public_key(release.public), tmp_path / "altered")
    for name in ("bundle.json", "bundle.sig"):
        (tmp_path / "altered" / name).unlink()
    answers = load((tmp_path / "altered" / SELF_TEST_FILE).read_bytes())
    answers["knocked_out"] = answers["knocked_out"] * 1.001
    (tmp_path / "altered" / SELF_TEST_FILE).write_bytes(save(answers))
    build(
        tmp_path / "altered",
        tmp_path / "3.bundle",
        read_private_key(release.private),
        bot="forecaster",
        revision=3,
        artifact_id="a",
    )
    report = command("update", tmp_path / "3.bundle", *home, *trust, code=1)
    assert report["outcome"] == "kept"
    assert "knocked_out" in report["reason"]
    assert command("run", *home, *trust, "--horizon", 1)["revision"] == 1
    shutil.rmtree(tmp_path / "box")
    assert "holds no bundle" in command("run", *home, *trust, code=1)["error"]


def test_errors_are_one_line(release, bundles, tmp_path: Path) -> None:
    keys = ("--private", tmp_path / "s.pem", "--public", tmp_path / "p.pem")
    assert len(command("keygen", *keys)["key_id"]) == 16
    assert "exists" in command("keygen", *keys, code=1)["error"]
    assert (
        "not signed by the trusted key" in command("verify", bundles[0], "--key", tmp_path / "p.pem", code=1)["error"]
    )
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "no"), "--key", str(release.public)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_command_imports_neither_dagster_nor_a_training_library() -> None:
    code = f"import sys, edge.cli; print([m for m in {ABSENT} + ('cryptography', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_edge_equals_cloud_in_an_environment_of_its_own(
    release,
    bundles,
    tmp_path: Path,
    record_property,
) -> None:
    spec = importlib.util.spec_from_file_location("edge_venv", Path(__file__).with_name("edge_venv.py"))
    edge_venv = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(edge_venv)
    python = edge_venv.make_edge_venv(tmp_path)
    size = edge_venv.installed_bytes(python)
    record_property("edge_installed_mb", round(size / 1e6))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    def on_the_box(*arguments: Any) -> str:
        done = subprocess.run(
            [python, *map(str, arguments)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return done.stdout

    found = on_the_box("-c", f"from importlib.util import find_spec; print([n for n in {ABSENT} if find_spec(n)])")
    assert found.strip() == "[]"
    trust = ("--home", tmp_path / "box", "--key", release.public, "--json")
    assert json.loads(on_the_box("-m", "edge.cli", "update", bundles[1], *trust))["outcome"] == "updated"
    reply = json.loads(on_the_box("-m", "edge.cli", "run", *trust))
    assert reply["served_by"].startswith("edge:")
    np.testing.assert_allclose(numbers(reply), release.values, rtol=1e-4)
    assert size < 350e6, f"{size / 1e6:.0f} MB installed"
