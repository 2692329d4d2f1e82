"""`storeloop evaluate pricing --logged`: a log is written, policies are judged by it, and what is said of a wrong one."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet
from typer.testing import CliRunner

from models.common.report import Report
from orchestration.commands.evaluate import app

SEATS = {
    "name": "seats", "kind": "capacity", "periods": 6, "list_price": 10, "prices": [6, 10, 14], "capacity": 4,
    "segments": [{"name": "all", "arrivals": [1.0], "willingness": 9, "spread": 2}],
}  # fmt: skip
QUICK = {
    "steps": 100,
    "peer_steps": 0,
    "shelves": 16,
    "batch": 16,
    "buffer": 2_000,
    "hidden": 16,
    "tuning_episodes": 100,
}


@pytest.fixture
def common(tmp_path: Path) -> list[str]:
    problems, params = tmp_path / "problems.yaml", tmp_path / "params.yaml"
    problems.write_text(yaml.safe_dump({"instances": [SEATS, {**SEATS, "name": "beds"}]}))
    params.write_text(yaml.safe_dump({"pricing": QUICK}))
    return ["--instances", str(problems), "--params", str(params)]


def test_policies_are_judged_by_a_log_of_a_shop(common: list[str], tmp_path: Path) -> None:
    log, out = tmp_path / "log.parquet", tmp_path / "report.json"
    wrote = CliRunner().invoke(
        app, ["pricing-log", *common, "--only", "seats", "--out", str(log), "--episodes", "3000", "--explore", "0.5"]
    )
    assert wrote.exit_code == 0, wrote.output
    assert "3,000 episodes of 6 periods of seats: fixed fare, 50% any price" in wrote.output
    told = parquet.read_table(log)
    assert told.num_rows == 18_000
    done = CliRunner().invoke(
        app, ["pricing", *common, "--only", "seats", "--logged", str(log), "--json", str(out), "--seed", "1"]
    )
    assert done.exit_code == 0, done.output
    report = Report.from_json(out.read_text())
    money = np.asarray(told["money"]).sum() / 3_000
    assert report.value("the shop's past", "from the log") == pytest.approx(money)
    assert report.value("fixed fare", "gain, low") > 0, "half of its prices were tries, that cost"
    for name in ("DQN", "fixed fare", "EMSR-b", "bid price"):
        assert report.value(name, "from the log") == pytest.approx(report.value(name, "promised"), rel=0.1)
    assert "values_from_the_log" in report.plots
    assert "bid price: earns more than the shop did" in done.output


def test_a_shop_may_try_near_prices_more_often(common: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    arguments = ["--only", "beds", "--out", str(log), "--episodes", "20", "--softmax", "0.4"]
    done = CliRunner().invoke(app, ["pricing-log", *common, *arguments])
    assert done.exit_code == 0 and "softmax 0.4" in done.output
    chances = np.array(parquet.read_table(log)["propensities"].to_pylist())
    by_distance = np.sort(chances, axis=1)[0]
    # Steps of 4 over a list price of 10: each divides the chance by e.
    assert by_distance[2] / by_distance[1] == pytest.approx(np.e)


def test_what_is_wrong_is_said_in_one_line(common: list[str], tmp_path: Path) -> None:
    wrong, text = tmp_path / "wrong.parquet", tmp_path / "text.parquet"
    parquet.write_table(pa.table({"episode": [1]}), wrong)
    text.write_text("no table")
    cases = (
        (["pricing", "--only", "seats", "--logged", str(tmp_path / "none.parquet")], "is no file"),
        (["pricing", "--only", "seats", "--logged", str(text)], "mend the file"),
        (["pricing", "--only", "seats", "--logged", str(wrong)], "columns ['period', 'stock'"),
        (["pricing", "--logged", str(wrong)], "has 2 problems: name the log's, --only one of seats, beds"),
        (["pricing", "--only", "seats", "--only", "beds", "--logged", str(wrong)], "a log is of one problem"),
        (["pricing-log", "--only", "train", "--out", str(wrong)], "no problem 'train'"),
    )
    for arguments, said in cases:
        done = CliRunner().invoke(app, [*arguments, *common])
        assert done.exit_code == 1, arguments
        assert said in done.output and "Traceback" not in done.output, done.output
