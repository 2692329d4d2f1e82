"""`storeloop evaluate forecaster` on folders it never saw: daily units with nothing else, weekly revenue with holidays."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from orchestration.settings import Settings


def write_daily(folder: Path) -> None:
    rng = np.random.default_rng(4)
    lines = ["shop,item,period_start,value,unit"]
    for item in range(6):
        level = 5 + 4 * item
        for day in range(220):
            when = date(2024, 1, 1) + timedelta(days=day)
            lift = 1.6 if when.weekday() >= 5 else 1.0
            lines.append(f"s1,i{item},{when},{rng.poisson(level * lift)},units")
    folder.mkdir()
    (folder / "sales.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_weekly(folder: Path) -> None:
    rng = np.random.default_rng(5)
    lines, flags = ["store,dept,period_start,value,unit"], ["period_start,name,value,known_from"]
    weeks = [date(2021, 1, 4) + timedelta(weeks=w) for w in range(156)]
    holiday = {week: float(week.isocalendar().week in {6, 36, 47, 52}) for week in weeks}
    for store in range(8):
        for dept in range(5):
            level = 1000 * (1 + store) * (1 + dept)
            for week in weeks:
                season = 1 + 0.2 * np.sin(2 * np.pi * week.isocalendar().week / 52)
                value = level * season * (1 + 0.5 * holiday[week]) * rng.lognormal(0, 0.05)
                lines.append(f"{store},{dept},{week},{value:.2f},USD")
    flags += [f"{week},is_holiday,{flag},2020-01-01" for week, flag in holiday.items()]
    folder.mkdir()
    (folder / "sales.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "covariates.csv").write_text("\n".join(flags) + "\n", encoding="utf-8")


def evaluate(settings: Settings, source: str, cutoff: str, horizon: int, out: Path) -> dict[str, object]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "orchestration.cli", "evaluate", "forecaster", "--source", source),
            *("--cutoff", cutoff, "--horizon", str(horizon), "--json", str(out)),
        ],
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "STORELOOP_HOME": str(settings.home),
            "STORELOOP_PARAMS": str(settings.params),
            "STORELOOP_THREADS": "1",
        },
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    body: dict[str, object] = json.loads(out.read_text(encoding="utf-8"))
    return body


def figure(report: dict[str, object], model: str, metric: str) -> float:
    rows = report["rows"]
    assert isinstance(rows, list)
    found = [r["value"] for r in rows if (r["model"], r["metric"], r["segment"]) == (model, metric, "all")]
    assert len(found) == 1, sorted({(r["model"], r["metric"]) for r in rows})
    return float(found[0])


@pytest.mark.parametrize(
    ("write", "cutoff", "horizon"), [(write_daily, "2024-07-11", 28), (write_weekly, "2023-10-02", 13)]
)
def test_an_unseen_folder_is_scored_beside_baselines(
    write: Callable[[Path], None],
    cutoff: str,
    horizon: int,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    write(tmp_path / "shop")
    settings = make_settings(home=tmp_path / "home")
    report = evaluate(settings, f"folder:{tmp_path}/shop", cutoff, horizon, tmp_path / "report.json")
    assert figure(report, "champion", "rmse") < figure(report, "seasonal naive", "rmse")


def test_a_bad_folder_is_one_clear_error(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "sales.csv").write_text("shop,period_start,amount\ns,2024-01-01,3\n", encoding="utf-8")
    settings = make_settings(home=tmp_path / "home")
    with pytest.raises(AssertionError, match=r"sales\.csv: column value, unit is missing"):
        evaluate(settings, f"folder:{folder}", "2024-03-01", 7, tmp_path / "report.json")
