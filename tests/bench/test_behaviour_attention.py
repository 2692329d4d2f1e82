"""The row of attention: its oracle, what it counts as sold, its gain, and that attention which tells of sales is found to."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from behaviour_attention import SALES, TOLD, demand_guesses, ndcg, oracle, sold

from models.behaviour.config import Config
from models.behaviour.data import Dataset, prepare


@pytest.fixture(scope="module")
def case() -> ModuleType:
    """tests/models/behaviour_case.py, of another folder of tests."""
    spec = importlib.util.spec_from_file_location(
        "behaviour_case", Path(__file__).parents[1] / "models/behaviour_case.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DAYS = 9  # so that there are pairs of days to fit on
    return module


@pytest.fixture(scope="module")
def data(case: ModuleType) -> Dataset:
    return prepare(case.made(), Config())


def test_the_oracle_shares_a_look_over_the_boards_of_its_column_alone(data: Dataset) -> None:
    """Lanes of two boards stand in four columns; all attract alike, and what was taken is known."""
    appearances = SimpleNamespace(ids=data.shop.products)
    floor = SimpleNamespace(
        assortment=SimpleNamespace(appeal=np.zeros(100)), studio=SimpleNamespace(appearances=appearances)
    )
    true = data.targets.attention_s
    told = oracle(floor, data)
    np.testing.assert_allclose(told.sum(axis=1), true.sum(axis=1))
    taken = np.zeros_like(true, dtype=bool)
    taken[data.seen.event_path, data.seen.event_lane] = True
    known = np.where(taken, true, 0.0)
    boards = (true - known).reshape(-1, 2, 2, 4)  # path, gondola, board, column
    shared = np.repeat(boards.mean(axis=2, keepdims=True), 2, axis=2).reshape(true.shape)
    np.testing.assert_allclose(told, known + shared)


def test_what_is_put_back_is_not_sold(data: Dataset) -> None:
    days = np.unique(data.day)
    assert sold(data, days).sum() == len(data.seen.event_path) == 108
    assert sold(data, days[:2]).sum() == 24
    put = data.seen.event_put.copy()
    put[:] = True
    object.__setattr__(data.seen, "event_put", put)
    assert sold(data, days).sum() == -108
    object.__setattr__(data.seen, "event_put", ~put)


def test_gain_is_one_for_the_best_list_and_less_for_others() -> None:
    gained = np.array([3.0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    assert ndcg(gained, gained) == pytest.approx(1)
    best = 3 + 2 / np.log2(3) + 1 / 2
    assert ndcg(gained, np.array([2.0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1])) == pytest.approx(
        (1 + 3 / np.log2(3) + 2 / 2) / best
    )


def test_attention_that_foretells_sales_is_used(data: Dataset) -> None:
    """Seconds that stand for what each product will sell tell it better than a day's few sales do."""
    later = np.maximum(sold(data, np.unique(data.day)), 0)[data.shop.product]
    found = demand_guesses(data, np.tile(later + 0.5, (len(data.day), 1)), 1)
    assert found["sold"].sum() > 0
    errors = {name: np.abs(found["sold"] - found[name]).mean() for name in (SALES, TOLD)}
    assert errors[TOLD] < errors[SALES]
