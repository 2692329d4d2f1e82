"""A folder with nothing but the minimum `sales` file goes all the way to a served, gated forecast."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from orchestration.judging import read_verdict
from orchestration.releases import POINTER
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.predictor import load_snapshot
from serving.release import read_pointer, verify


def test_sales_alone_are_enough(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    lines = ["shop,item,period_start,value,unit"]
    for item in range(8):
        for day in range(240):
            when = date(2024, 1, 1) + timedelta(days=day)
            lift = 1.8 if when.weekday() >= 5 else 1.0
            lines.append(f"s1,i{item},{when},{rng.poisson((4 + 3 * item) * lift)},units")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "sales.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    settings = make_settings(source=f"folder:{shop}", home=tmp_path / "home", horizon=14)
    outcome = run(settings, "full")
    assert outcome.success, outcome.failures
    assert {outcome.metadata[f"recommender/{step}"]["provided"] for step in ("challenger", "champion", "release")} == {
        False
    }
    workspace = Workspace(settings)
    assert read_verdict(workspace, "forecaster").promoted
    root = workspace.releases / "forecaster"
    pointer = read_pointer(root / POINTER)
    verify(root / pointer.release, pointer.artifact_id)
    state = load_snapshot(root / pointer.release / "state").read(["s1|i0", "s1|i9"])
    assert str(state.origin[0]) == "2024-08-27"
    fallback = json.loads((root / pointer.release / "fallback" / "forecast.json").read_text(encoding="utf-8"))
    assert len(fallback["series_ids"]) == 8
