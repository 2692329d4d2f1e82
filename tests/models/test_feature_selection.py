"""Features are chosen by training rows alone, the same way every time, and a model then asks for nothing beyond them."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError, InputError
from models.forecaster.config import Config
from models.forecaster.data import Dataset, prepare
from models.forecaster.inputs import FeatureMatrix
from models.forecaster.model import Rows
from models.forecaster.predict import ForecastInput
from models.forecaster.selection import Chosen, choose_features
from models.forecaster.train import train

QUICK: dict[str, Any] = {"threads": 1, "trees": 15, "quantile_trees": 5, "max_pairs": 400, "horizon": 7}
NAMES = (
    "level_7",
    "noise_a",
    "noise_b",
    "constant",
    "unknown",
    "at_clearance",
    "at_flat",
    "next_clearance",
    "next_temp",
)


def chosen(max_features: int, seed: int = 1) -> Chosen:
    """The target follows `level_7`, and doubles in the 2 % of rows with a clearance."""
    rng = np.random.default_rng(0)
    n_rows = 3_000
    clearance = (rng.random(n_rows) < 0.02) * 1.0
    level = rng.random(n_rows) + 0.5
    columns = [
        *(level, rng.random(n_rows), rng.random(n_rows), np.ones(n_rows), np.full(n_rows, np.nan), clearance),
        *(np.zeros(n_rows), np.roll(clearance, 1), rng.random(n_rows)),
    ]
    matrix = FeatureMatrix(np.stack(columns, axis=1).astype(np.float32), NAMES, np.ones(n_rows))
    rows = Rows(matrix.X, level * (1 + clearance), np.ones(n_rows))
    return choose_features(matrix, rows, Config(threads=1, max_features=max_features), "poisson", seed=seed)


def test_what_does_not_vary_and_neighbours_of_the_smooth_are_left_out_always() -> None:
    found = chosen(100)
    assert found.names == ("level_7", "noise_a", "noise_b", "at_clearance", "next_clearance")
    assert found.constant == ("constant", "unknown", "at_flat", "next_temp")
    assert found.weak == ()


def test_of_too_many_the_strongest_stay_and_half_are_for_what_is_known_of_the_period_itself() -> None:
    assert chosen(2).names == ("level_7", "at_clearance")
    assert chosen(1).names == ("level_7",)
    assert set(chosen(2).weak) == {"noise_a", "noise_b", "next_clearance"}
    assert chosen(3) == chosen(3)


def test_nothing_that_varies_is_an_error() -> None:
    flat = FeatureMatrix(np.ones((40, 2), dtype=np.float32), ("level_7", "level_28"), np.ones(40))
    with pytest.raises(DataError, match="all of 2 features are constant over 40 training rows"):
        choose_features(flat, Rows(flat.X, np.ones(40), np.ones(40)), Config(), "poisson", seed=1)


@pytest.fixture(scope="module")
def wide(synthetic: ModuleType) -> Dataset:
    """The synthetic shop with thirty columns of noise in its state."""
    cfg = Config(**QUICK)
    tables = synthetic.shop(cfg, n_series=12, n_periods=150, closed_sundays=True).tables
    rng, state = np.random.default_rng(1), tables["state"]
    for number in range(30):
        state = state.append_column(f"share_noise_{number}", pa.array(rng.random(state.num_rows)))
    return prepare({**tables, "state": state}, cfg)


def test_a_model_of_few_features_asks_for_their_columns_alone(wide: Dataset) -> None:
    spec = train(wide, Config(**QUICK, max_features=8), seed=1).spec
    assert len(spec.feature_names) == 8
    every = train(wide, Config(**QUICK, max_features=1_000), seed=1).spec
    assert set(spec.feature_names) < set(every.feature_names)
    assert set(spec.dropped_features) == set(every.dropped_features) | set(every.feature_names) - set(
        spec.feature_names
    )
    assert not any(name.startswith("share_noise") for name in spec.feature_names)
    assert len(spec.state_columns) < 20 < 45 < len(every.state_columns)
    assert {"scale", *(f"season_mean_{j}" for j in range(7))} <= set(spec.state_columns)
    assert "open" in spec.covariates


def test_its_forecasts_need_no_more(wide: Dataset) -> None:
    trained = train(wide, Config(**QUICK, max_features=8), seed=1)
    test = wide.test
    assert test is not None
    request = ForecastInput(test.state, test.known_future, test.origin)
    reply = trained.predictor().predict(request.only(trained.spec))
    closed = test.known_future["open"] == 0
    assert (reply.mean[closed] == 0).all() and (reply.mean[~closed] > 0).all()
    with pytest.raises(InputError, match="unknown"):
        trained.predictor().predict(request)
    with pytest.raises(InputError, match=r"missing \['scale'\]"):
        less = {name: values for name, values in test.state.items() if name != "scale"}
        trained.predictor().predict(replace(request, state=less).only(trained.spec))


def test_the_choice_sees_no_row_after_the_cutoff(wide: Dataset) -> None:
    cfg = Config(**QUICK, max_features=8)
    values = wide.values.copy()
    values[:, wide.test_period :] = 1e6
    assert train(replace(wide, values=values), cfg, seed=1).files == train(wide, cfg, seed=1).files


def test_features_that_tell_the_origin_rather_than_the_series_are_left_out() -> None:
    rng = np.random.default_rng(0)
    origin = np.repeat(np.arange(40), 50)
    age = origin * 1.0  # all series began on one day
    own = rng.normal(size=origin.size)
    mixed = own + rng.normal(size=40)[origin]  # half of its variance lies between origins
    X = np.stack([age, own, mixed, age], axis=1).astype(np.float32)
    matrix = FeatureMatrix(X, ("age_periods", "own", "mixed", "at_age"), np.ones(origin.size))
    rows = Rows(X, 1.0 + own**2, np.ones(origin.size))
    named = ("age_periods", "own", "mixed")
    chosen = choose_features(matrix, rows, Config(), "poisson", seed=1, origin=origin, of_origin=named)
    assert chosen.dated == ("age_periods",)
    assert chosen.names == ("own", "mixed", "at_age")  # what is known of the target may tell its date
    assert choose_features(matrix, rows, Config(), "poisson", seed=1).dated == ()


def test_few_series_say_nothing_of_what_only_the_origin_tells() -> None:
    rng = np.random.default_rng(1)
    origin = np.repeat(np.arange(400), 2)  # two rows an origin: a mean of two takes half of any variance
    X = rng.normal(size=(800, 1)).astype(np.float32)
    matrix, rows = FeatureMatrix(X, ("own",), np.ones(800)), Rows(X, np.ones(800), np.ones(800))
    chosen = choose_features(matrix, rows, Config(), "poisson", seed=1, origin=origin, of_origin=["own"])
    assert chosen.names == ("own",)
