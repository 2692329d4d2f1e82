"""The same orchestrated run on Spark, by configuration alone, leaves the same lake behind as on DuckDB."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data_checks.lake import MANIFEST, Lake
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

TARGET = "group:sources,group:gate,group:demand,features/sales_state,features/known_future"
WORLD = "{stores: 2, regions: 1, products: 3, categories: 2, days: 50, transactions: {baskets_per_store_day: 6}}"


def tables_of(lake: Lake) -> set[tuple[str, str]]:
    return {path.parent.relative_to(lake.root).parts for path in lake.root.glob(f"*/*/{MANIFEST}")}  # type: ignore[misc]


def assert_same(ours: pa.Table, theirs: pa.Table, name: str) -> None:
    assert theirs.schema == ours.schema, name
    assert theirs.num_rows == ours.num_rows, name
    for column in ours.column_names:
        here, there = ours[column], theirs[column]
        if pa.types.is_floating(here.type):
            assert there.is_null().equals(here.is_null()), (name, column)
            np.testing.assert_allclose(there.to_numpy(), here.to_numpy(), rtol=1e-9, atol=1e-12, err_msg=column)
        else:
            assert there.equals(here), (name, column)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_spark_by_configuration_leaves_the_same_lake(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(WORLD, encoding="utf-8")
    here = make_settings(home=tmp_path / "here", twin_params=world, horizon=7)
    outcome = run(here, TARGET)
    assert outcome.success, outcome.failures
    there = here.model_copy(update={"home": tmp_path / "there"})
    environment = {
        "STORELOOP_ENGINE": "spark://local[2]",
        "STORELOOP_HOME": str(there.home),
        "STORELOOP_HORIZON": "7",
    }
    command = [sys.executable, "-m", "orchestration.cli", "run", TARGET, "--twin-size", "tiny"]
    done = subprocess.run(
        [*command, "--twin-params", str(world)], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    ours, theirs = Workspace(here).lake, Workspace(there).lake
    assert tables_of(theirs) == tables_of(ours) >= {("gold", "sales"), ("features", "known_future")}
    for layer, table in sorted(tables_of(ours)):
        assert_same(ours.arrow(layer, table), theirs.arrow(layer, table), f"{layer}/{table}")  # type: ignore[arg-type]
    assert ours.arrow("clean", "transactions").num_rows > 100
    counts = [Workspace(settings).history.runs("transactions")[-1].counts for settings in (here, there)]
    assert counts[0] == counts[1]
