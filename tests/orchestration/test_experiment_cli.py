"""`storeloop experiment`: the four commands on files, in words and as JSON."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from pyarrow import csv, parquet
from typer.testing import CliRunner, Result

from models.common.report import Report
from models.experiments.assignment import assign
from orchestration.commands.experiments import app

CASE = Path(__file__).parents[1] / "models" / "experiments_case.py"


def experiment(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def case() -> ModuleType:
    spec = importlib.util.spec_from_file_location("storeloop_tests_experiments_case", CASE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(case: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Assignments as CSV, the rest as Parquet: B is 10 % better."""
    place = tmp_path_factory.mktemp("experiment")
    for name, table in case.simulated(units=6_000, lift=0.1).items():
        if name == "assignments":
            csv.write_csv(table, place / f"{name}.csv")
        else:
            parquet.write_table(table, place / f"{name}.parquet")
    return place


def test_analyse_tells_a_product_manager_which_arm_is_better(folder: Path, tmp_path: Path) -> None:
    written = tmp_path / "deep" / "report.json"
    done = experiment(
        *("analyse", folder, "--metric-name", "revenue", "--metric-unit", "EUR per customer"),
        *("--json", written, "--plots", tmp_path / "plots"),
    )
    assert done.exit_code == 0, done.output
    assert "B is better than A on revenue by +" in done.output and "always valid" in done.output
    report = Report.from_json(written.read_text("utf-8"))
    assert 5 < report.value(report.champion, "relative_effect", "B vs A") < 15
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"effect_B.png", "cuped.png"}


def test_analyse_prints_json_alone_when_asked(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "knobs.json"
    config.write_text('{"placebo_runs": 0, "window_days": 5, "metric": "ratio"}', encoding="utf-8")
    done = experiment("analyse", folder, "--config", config, "--window-days", 6, "--json", "-")
    assert json.loads(done.output)["champion"] == "adjusted, always valid"
    assert "whose 6 days are over" in done.output  # an option wins over the file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--arm", "A=0.5", "--arm", "B=0.6"), "sum to 1.1"),
        (("--arm", "A"), "expected NAME=NUMBER"),
        (("--arm", "A=0.5", "--arm", "A=0.5"), "stands twice"),
        (("--window-days", "0"), "window_days"),
        (("--name", "price"), "experiment 'price'"),
    ],
)
def test_analyse_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = experiment("analyse", folder, *arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception) and "\n" not in str(done.exception)


def test_an_empty_folder_names_the_table(tmp_path: Path) -> None:
    assert "'assignments' is missing" in str(experiment("analyse", tmp_path).exception)


def test_assign_deals_as_the_library_does(tmp_path: Path) -> None:
    ids = [f"u{number}" for number in range(200)] + ["007"]
    listed, out = tmp_path / "units.csv", tmp_path / "dealt.csv"
    listed.write_text("unit_id\n" + "\n".join(ids), encoding="utf-8")
    done = experiment(
        "assign", "banner", "--file", listed, "--arm", "old=0.5", "--arm", "new=0.5", "--ramp", 0.5, "--out", out
    )
    assert done.exit_code == 0, done.output
    dealt = dict(zip(*(csv.read_csv(out)[name].to_pylist() for name in ("unit_id", "arm")), strict=True))
    expected = {u: ("old", "new")[arm] for u, arm in zip(ids, assign(ids, "banner", ramp=0.5), strict=True) if arm >= 0}
    assert dealt == expected and 60 < len(dealt) < 140
    assert experiment("assign", "banner", "u1").output.split() in (["banner", "u1", "A"], ["banner", "u1", "B"])
    assert "0 units" in str(experiment("assign", "banner").exception)


def test_srm_answers_by_exit_code_and_words() -> None:
    fine = experiment("srm", "A=5021", "B=4979")
    assert fine.exit_code == 0 and "No sign of trouble" in fine.output
    broken = experiment("srm", "A=52000", "B=48000", "--json")
    assert broken.exit_code == 1 and json.loads(broken.output)["alarm"] is True
    planned = experiment("srm", "A=52000", "B=48000", "--share", "A=0.52", "--share", "B=0.48")
    assert planned.exit_code == 0
    assert "name the same arms" in str(experiment("srm", "A=10", "B=10", "--share", "A=1").exception)


def test_power_answers_both_ways() -> None:
    done = experiment("power", "--mean", 1, "--deviation", 1, "--lift", 50, "--units-per-day", 20)
    assert "126" in done.output and "241" in done.output and "13" in done.output
    found = experiment("power", "--mean", 1, "--deviation", 1, "--units", 126)
    assert "49.92 % of the mean" in found.output  # (1.95996 + 0.84162) x sqrt(4 / 126)
    assert "give one of --lift and --units" in str(experiment("power", "--mean", 1, "--deviation", 1).exception)
