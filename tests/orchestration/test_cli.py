"""The command: help without heavy imports, sub-commands without Dagster, errors in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cli import COMMANDS


def storeloop(*arguments: str, home: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys; from orchestration.cli import main\ntry:\n    main()\nfinally:\n    {code or 'pass'}"
    environment = {
        "PATH": "/usr/bin:/bin",
        "STORELOOP_HOME": str(home),
        "STORELOOP_TWIN_SIZE": "tiny",
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def test_help_lists_every_command_and_imports_none_of_them(tmp_path: Path) -> None:
    done = storeloop("--help", home=tmp_path, code="print('heavy', {'dagster', 'duckdb', 'mlflow'} & set(sys.modules))")
    assert all(name in done.stdout for name in COMMANDS)
    assert "heavy set()" in done.stdout


def test_edge_never_imports_dagster(tmp_path: Path) -> None:
    code = "print('heavy', {'dagster', 'mlflow', 'bentoml', 'duckdb', 'xgboost'} & set(sys.modules))"
    done = storeloop("edge", "--help", home=tmp_path, code=code)
    assert "verify" in done.stdout
    assert "heavy set()" in done.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "edge"])
def test_every_command_has_a_help_page(tmp_path: Path, name: str) -> None:
    done = storeloop(name, "--help", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_an_unknown_target_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    done = storeloop("run", "group:nope", home=tmp_path)
    assert done.returncode == 2
    assert "is no job" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_out_of_bounds_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "models"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "STORELOOP_HOME": str(tmp_path), "STORELOOP_HORIZON": "99"},
    )
    assert done.returncode == 2
    assert "horizon" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_of_an_empty_workspace(tmp_path: Path) -> None:
    done = storeloop("models", "--json", home=tmp_path)
    assert json.loads(done.stdout) == {"versions": [], "movements": []}


def test_doctor_reports_every_finding(tmp_path: Path) -> None:
    done = storeloop("doctor", "--json", home=tmp_path)
    body = json.loads(done.stdout)
    assert body["healthy"] is (done.returncode == 0)
    assert {f["what"] for f in body["findings"]} >= {"Python 3.11", "disk", "source", "redis-server"}
