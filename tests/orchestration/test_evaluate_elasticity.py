"""`storeloop evaluate elasticity`: on a table of prices and units, on a table of choices, and on wrong ones."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.common.report import Report
from orchestration.commands.evaluate import app


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    """Six series whose units fall by 1.5 per cent a per cent of price."""
    rng = np.random.default_rng(0)
    lines = ["series_id,group_id,period_start,price,units"]
    for number in range(6):
        for week in range(80):
            price = float(np.exp(rng.choice([-0.3, 0.0, 0.2])))
            units = rng.poisson(200 * price**-1.5)
            lines.append(f"00{number},milk,{date(2024, 1, 1) + timedelta(days=7 * week)},{price:.4f},{units}")
    path = tmp_path / "panel.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_panel_in_a_file(panel: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = CliRunner().invoke(app, ["elasticity", "--panel", str(panel), "--json", str(out)])
    assert done.exit_code == 0, done.output
    report = Report.from_json(out.read_text())
    assert report.value("pooled Poisson", "mean elasticity") == pytest.approx(1.5, abs=0.05)
    assert report.value("pooled Poisson", "log error") < 0.12


def test_choices_in_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["customer_id,occasion,item_id,price,chosen,shown"]
    for occasion in range(600):
        price = rng.uniform(1, 3, 2)
        first = -2 * price[0] + rng.gumbel() > -2 * price[1] + rng.gumbel()
        for number, item in enumerate("ab"):
            chosen = int(first == (number == 0))
            lines.append(f"{occasion % 40:03d},{occasion},{item},{price[number]:.3f},{chosen},{rng.integers(2)}")
    path, out = tmp_path / "choices.csv", tmp_path / "report.json"
    path.write_text("\n".join(lines))
    done = CliRunner().invoke(app, ["elasticity", "--choices", str(path), "--fact", "shown", "--json", str(out)])
    assert done.exit_code == 0, done.output
    report = Report.from_json(out.read_text())
    value, error = (report.value("conditional logit", name) for name in ("price coefficient", "its standard error"))
    assert abs(value + 2) < 3 * error
    assert report.value("conditional logit", "log chance") > report.value("shares", "log chance")


def test_wrong_input_is_said_in_one_line(panel: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ([], "give either --panel or --choices"),
        (["--panel", str(panel), "--choices", str(panel)], "give either"),
        (["--panel", str(tmp_path / "none.csv")], "is no file"),
        (["--choices", str(panel)], "choice_panel"),
    ):
        done = CliRunner().invoke(app, ["elasticity", *arguments])
        assert done.exit_code == 1 and said in done.output and "Traceback" not in done.output, done.output
