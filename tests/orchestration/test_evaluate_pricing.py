"""`storeloop evaluate pricing`: on a file of a person's own, and what is said of a wrong one."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from models.common.report import Report
from orchestration.commands.evaluate import app

PROBLEM = {
    "name": "seats", "kind": "capacity", "periods": 8, "list_price": 10, "prices": [6, 10, 14], "capacity": 4,
    "segments": [{"name": "all", "arrivals": [1.0], "willingness": 9, "spread": 2}],
}  # fmt: skip
QUICK = {
    "steps": 100,
    "peer_steps": 20,
    "shelves": 16,
    "batch": 16,
    "buffer": 2_000,
    "hidden": 16,
    "tuning_episodes": 100,
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    problems, params = tmp_path / "problems.yaml", tmp_path / "params.yaml"
    problems.write_text(yaml.safe_dump({"instances": [PROBLEM]}))
    params.write_text(yaml.safe_dump({"pricing": QUICK}))
    return problems, params


def test_a_file_of_problems_is_judged_beside_rules_peer_and_optimum(files: tuple[Path, Path], tmp_path: Path) -> None:
    problems, params = files
    out = tmp_path / "report.json"
    done = CliRunner().invoke(
        app, ["pricing", "--instances", str(problems), "--params", str(params), "--json", str(out), "--seed", "1"]
    )
    assert done.exit_code == 0, done.output
    report = Report.from_json(out.read_text())
    assert {
        "DQN",
        "list price",
        "fixed fare",
        "EMSR-b",
        "bid price",
        "DQN (Stable-Baselines3)",
        "dynamic program",
    } <= set(report.models())
    assert 0 < report.value("DQN", "share of the optimum") <= 1
    assert "dynamic program" in done.output


def test_a_wrong_file_or_name_is_said_in_one_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    problems, params = files
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"instances": [{**PROBLEM, "capacity": 0}]}))
    for arguments, said in (
        (["--instances", str(wrong)], "capacity"),
        (["--instances", str(tmp_path / "none.json")], "is no file"),
        (["--instances", str(problems), "--only", "train"], "no problem 'train': name one of seats"),
    ):
        done = CliRunner().invoke(app, ["pricing", "--params", str(params), *arguments])
        assert done.exit_code == 1
        assert said in done.output and "Traceback" not in done.output
