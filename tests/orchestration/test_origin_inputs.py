"""Which origins a change re-opens: those that can see it, by look-back and by the day that it became known."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration.origin_inputs import future_inputs, state_inputs
from orchestration.settings import Settings
from orchestration.workspace import Workspace

FIRST = date(2025, 1, 1)
ORIGINS = [FIRST + timedelta(days=number) for number in (10, 20, 30, 40)]
LOOKBACK = 15


def at(number: int) -> date:
    return FIRST + timedelta(days=number)


class Tables:
    """Gold tables of two series over 50 days, written anew after every change."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.sales = {(name, number): 1.0 for name in ("a", "b") for number in range(50)}
        self.series = {"a": at(0), "b": at(25)}
        self.covariates: list[tuple[int, str, float, int]] = [(n, "is_holiday", 0.0, -9000) for n in range(60)]
        self.covariates += [(n, "forecast_temp_c", 15.0, n - 5) for n in range(60)]

    def write(self) -> None:
        lake = self.workspace.lake
        sales = pa.table(
            {
                "series_id": [name for name, _ in self.sales],
                "period_start": pa.array([at(number) for _, number in self.sales], pa.date32()),
                "value": list(self.sales.values()),
            }
        )
        lake.write("gold", "sales", sales, fingerprint="x", partition_by="period_start", sort_by=("series_id",))
        starts = pa.array(self.series.values(), pa.date32())
        lake.write("gold", "series", pa.table({"series_id": list(self.series), "started_on": starts}), fingerprint="x")
        columns: dict[str, Any] = {
            "scope": ["all"] * len(self.covariates),
            "scope_value": ["*"] * len(self.covariates),
            "period_start": pa.array([at(row[0]) for row in self.covariates], pa.date32()),
            "name": [row[1] for row in self.covariates],
            "value": [row[2] for row in self.covariates],
            "known_from": pa.array([at(row[3]) for row in self.covariates], pa.date32()),
        }
        lake.write("gold", "covariates", pa.table(columns), fingerprint="x")

    def states(self) -> dict[str, str]:
        self.write()
        return state_inputs(self.workspace, ORIGINS, LOOKBACK)

    def futures(self) -> dict[str, str]:
        self.write()
        return future_inputs(self.workspace, ORIGINS, horizon=14, period_days=1)


@pytest.fixture
def tables(make_settings: Callable[..., Settings], tmp_path: Path) -> Tables:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "sales.csv").write_text(
        "store,period_start,value,unit\ns,2025-01-01,1,units\ns,2025-01-02,1,units\n"
    )
    return Tables(Workspace(make_settings(source=f"folder:{tmp_path / 'shop'}")))


def reopened(before: dict[str, str], after: dict[str, str]) -> list[int]:
    return [(date.fromisoformat(day) - FIRST).days for day in before if before[day] != after[day]]


def test_a_corrected_day_re_opens_the_origins_that_look_back_on_it(tables: Tables) -> None:
    before = tables.states()
    assert reopened(before, tables.states()) == []
    tables.sales["a", 12] = 7.0
    assert reopened(before, tables.states()) == [20]  # 10 came before it, 30 looks back no further than 15
    tables.sales["a", 12] = 1.0
    tables.sales["b", 45] = 7.0
    assert reopened(before, tables.states()) == []


def test_a_series_re_opens_the_origins_since_its_start(tables: Tables) -> None:
    before = tables.states()
    tables.series["c"] = at(29)
    assert reopened(before, tables.states()) == [30, 40]


def test_a_covariate_re_opens_the_origins_that_knew_of_it_and_have_its_period_ahead(tables: Tables) -> None:
    before = tables.futures()
    where = tables.covariates.index((33, "forecast_temp_c", 15.0, 28))
    tables.covariates[where] = (33, "forecast_temp_c", 30.0, 28)  # issued on day 28 for day 33
    assert reopened(before, tables.futures()) == [30]  # 20 did not know it yet, for 40 it is over
    tables.covariates[where] = (33, "forecast_temp_c", 15.0, 28)
    assert reopened(before, tables.futures()) == []
    tables.covariates[12] = (12, "is_holiday", 1.0, -9000)  # always known
    assert reopened(before, tables.futures()) == [10]
    tables.covariates.append((34, "promo_depth", 0.2, 31))  # another name is another column, for every origin
    assert reopened(before, tables.futures()) == [10, 20, 30, 40]
