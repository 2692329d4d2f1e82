"""The Dagster code location: what it holds, and what loading it costs."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from data_checks.contracts import BELT_TABLES, FLOOR_TABLES, SHOP_TABLES
from orchestration.catalogue import TABLES
from orchestration.definitions import build
from orchestration.graph import mermaid
from orchestration.runner import select
from orchestration.settings import Settings

HEAVY = (
    "pandas",
    "duckdb",
    "ibis",
    "feast",
    "mlflow",
    "xgboost",
    "bentoml",
    "great_expectations",
    "matplotlib",
    "pyarrow",
)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build(Settings())


def test_every_asset_says_what_it_is_and_whose(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name not in {None, "default"}, key
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key


def test_every_table_has_blocking_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    expected = {
        "raw": "shape",
        "clean": "gate",
        "demand": "contract",
        "belt": "gate",
        "floor": "gate",
        "images": "gate",
        "cameras": "gate",
        **dict.fromkeys([f"shop/{table}" for table in SHOP_TABLES], "gate"),
        "shop/log": "readable",
        "shop/books": "balanced",
    }
    keys = {key for key in graph.get_all_asset_keys() if key.path[0] in expected or "/".join(key.path) in expected}
    tables = keys - {dg.AssetKey(["images", "label_quality"])}  # a report, no table
    assert len(tables) == 2 * len(TABLES) + 3 + len(BELT_TABLES) + len(FLOOR_TABLES) + 2 + len(SHOP_TABLES) + 2
    assert {key.asset_key for key in graph.asset_check_keys} == tables
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert (spec.name, spec.blocking) == (
            expected.get(key.asset_key.path[0]) or expected["/".join(key.asset_key.path)],
            True,
        ), key
        assert spec.description, key


def test_jobs_schedules_and_sensors(definitions: dg.Definitions) -> None:
    assert {job.name for job in definitions.jobs or []} == {"full", "daily", "retrain", "promote", "rollback"}
    assert {s.name for s in definitions.schedules or []} == {"every_morning"}
    assert {s.name for s in definitions.sensors or []} == {"new_day", "failed_gate", "new_champion"}


def test_no_shops_day_waits_for_photographs(definitions: dg.Definitions) -> None:
    """The daily job takes no pictures, yet releases the detector with what people enrolled; `retrain` takes them."""
    rooms = {
        job: {key.path[0] for key in definitions.resolve_job_def(job).asset_layer.selected_asset_keys}
        for job in ("daily", "retrain")
    }
    assert not {"cameras", "images"} & rooms["daily"] and {"belt", "detector", "shop"} <= rooms["daily"]
    assert "cameras" in rooms["retrain"]


def test_clean_transactions_stand_on_what_they_refer_to(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    parents = {"/".join(key.path) for key in graph.get(dg.AssetKey(["clean", "transactions"])).parent_keys}
    assert parents == {"raw/transactions", "clean/stores", "clean/products"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("clean/sales", {"clean/sales"}),
        ("+clean/sales", {"clean/sales", "raw/sales", "source/snapshot"}),
        ("clean/sales, raw/series", {"clean/sales", "raw/series"}),
    ],
)
def test_selection(definitions: dg.Definitions, target: str, expected: set[str]) -> None:
    assert {"/".join(key.path) for key in select(definitions, target)} == expected


def test_an_unknown_selection_names_what_there_is(definitions: dg.Definitions) -> None:
    with pytest.raises(ValueError, match=r"'group:nope' is no job \(daily, full"):
        select(definitions, "group:nope")


def test_loading_the_code_location_is_light() -> None:
    """<= 4 s and <= 300 MB, and none of the heavy libraries."""
    code = (
        "import time, sys, json, psutil; began = time.perf_counter(); import orchestration.definitions; "
        "print(json.dumps({'seconds': time.perf_counter() - began, "
        "'mb': psutil.Process().memory_info().rss / 1e6, "
        f"'heavy': [m for m in {HEAVY!r} if m in sys.modules]}}))"
    )
    runs = [json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3)]
    assert runs[0]["heavy"] == []
    assert min(run["mb"] for run in runs) <= 300
    assert min(run["seconds"] for run in runs) <= 4  # the best of three: others may be using the machine


def test_the_readme_shows_todays_graph(definitions: dg.Definitions) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert mermaid(definitions) in readme, "redraw it with `python -m orchestration.graph`"
