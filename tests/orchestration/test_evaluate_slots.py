"""`storeloop evaluate slots`: a small run, and what is said of worlds that cannot be judged on."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from models.common.report import Report
from orchestration.commands.evaluate import app

QUICK = {"steps": 40, "shelves": 8, "batch": 8, "buffer": 400, "hidden": 16}


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"pricing": QUICK}))
    return path


def test_two_worlds_are_judged(params: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.slot_pricing.TUNING_SEEDS", (11,))
    out = tmp_path / "report.json"
    asked = [
        "--seed",
        "41",
        "--seed",
        "42",
        "--areas",
        "1",
        "--days",
        "20",
        "--params",
        str(params),
        "--json",
        str(out),
    ]
    done = CliRunner().invoke(app, ["slots", *asked])
    assert done.exit_code == 0, done.output
    told = Report.from_json(out.read_text())
    assert told.value("DQN", "mean price over fixed fare, low") < told.value("DQN", "mean price over fixed fare, high")
    assert 0 < told.value("fixed fare", "share of the oracle") < told.value("oracle", "share of the oracle") == 1.0
    assert any("41, 42" in note for note in told.notes)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--seed", "41"], "give 2 different seeds or more"),
        (["--seed", "41", "--seed", "11"], "none of 11, 12, 13, on which rules are tuned"),
        (["--seed", "41", "--seed", "42", "--days", "14"], "a window is booked over 14 days"),
    ],
)
def test_worlds_that_cannot_be_judged_on_are_named(asked: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["slots", *asked])
    assert done.exit_code == 1 and said in done.output
