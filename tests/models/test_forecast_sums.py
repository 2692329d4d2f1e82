"""Sums of a trained forecaster: their spread travels with the artifact, and a report tells how good they are."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import InputError
from models.common.report import Report
from models.forecaster.candidates import Forecast
from models.forecaster.config import Config
from models.forecaster.data import Dataset, prepare
from models.forecaster.evaluate import evaluate
from models.forecaster.hierarchy import Levels
from models.forecaster.predict import ForecastInput, Reply, load
from models.forecaster.scoring import HeldOut
from models.forecaster.spec import ModelSpec
from models.forecaster.sums import SummedHistory, score_sums
from models.forecaster.train import Trained, train

CONFIG = Config(horizon=14, trees=25, quantile_trees=10, max_pairs=2_400)
STORES, PRODUCTS = 4, 6


@pytest.fixture(scope="module")
def data(synthetic: ModuleType) -> Dataset:
    tables = synthetic.shop(CONFIG, n_series=STORES * PRODUCTS, n_periods=300, stock_outs=True).tables
    index = np.arange(STORES * PRODUCTS)
    series = pa.table(
        {
            "series_id": synthetic.series_names(index.size),
            "store_id": [f"S{at}" for at in index // PRODUCTS],
            "product_id": [f"P{at}" for at in index % PRODUCTS],
            "category": ["food" if at % PRODUCTS < 2 else "rest" for at in index],
        }
    )
    return prepare({**tables, "series": series}, CONFIG)


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, CONFIG, seed=3)


@pytest.fixture(scope="module")
def reply(data: Dataset, trained: Trained) -> Reply:
    assert data.test is not None
    request = ForecastInput(data.test.state, data.test.known_future, data.test.origin)
    return trained.predictor().predict(request.only(trained.spec))


NAMES = ["total", "store", "category", "product", "store x category"]


def test_spreads_are_fitted_in_training_and_come_back_from_the_artifact(
    data: Dataset, trained: Trained, reply: Reply, tmp_path: Path
) -> None:
    assert list(trained.spec.spreads) == NAMES
    # The shop draws its series independently, and nothing is common to their errors but the model's own.
    assert all(spread.sums >= 20 and spread.rho < 0.2 for spread in trained.spec.spreads.values())
    trained.save(tmp_path / "artifact")
    loaded = load(tmp_path / "artifact")
    assert loaded.spec.spreads == trained.spec.spreads
    sums = loaded.sums(reply, data.series_keys)
    assert list(sums) == NAMES
    np.testing.assert_array_equal(
        sums["total"].mean[0], trained.predictor().sums(reply, data.series_keys)["total"].mean[0]
    )
    for name, found in sums.items():
        assert found.mean.shape == (len(found.labels), 14)
        np.testing.assert_allclose(found.mean.sum(axis=0), reply.mean.sum(axis=0), rtol=1e-12, err_msg=name)
        assert (found.q10 >= 0).all()


def test_a_spec_from_before_there_were_spreads_loads_and_says_that_it_has_none(
    data: Dataset, trained: Trained, reply: Reply
) -> None:
    told = json.loads(trained.spec.model_dump_json())
    del told["spreads"]
    old = ModelSpec.model_validate(told)
    assert old.spreads == {}
    predictor = replace(trained, spec=old).predictor()
    with pytest.raises(InputError, match=r"levels \['category', .*train it anew"):
        predictor.sums(reply, data.series_keys)


def test_keys_of_another_length_are_refused(trained: Trained, reply: Reply) -> None:
    with pytest.raises(InputError, match=r"\{'store_id': 3\} for 24 series"):
        trained.predictor().sums(reply, {"store_id": np.array(["A", "A", "B"], dtype=object)})


@pytest.fixture(scope="module")
def report(data: Dataset, trained: Trained) -> Report:
    return evaluate(trained.predictor(), data, peers=("autoets",), peer_series=2)


def test_a_report_holds_sums_of_every_candidate_beside_forecasts_of_the_sums(report: Report) -> None:
    assert [segment for segment in report.segments() if segment.startswith("sum: ")] == [
        f"sum: {name}" for name in NAMES
    ]
    for name in NAMES:
        segment = f"sum: {name}"
        models = report.models(segment)
        assert models[:3] == ["champion", "champion, members taken as independent", "champion, quantiles added up"]
        of_sums = [f"{each} of the sum" for each in ("seasonal naive", "phase mean", "autoets (statsforecast)")]
        assert models[3:] == ["seasonal naive", "phase mean", "moving mean", *of_sums]
        assert {"rmse", "wape", "rmsse", "coverage80"} == set(report.metrics(segment))
        assert report.value("champion", "rmse", segment) < report.value("seasonal naive of the sum", "rmse", segment)
        widest = report.value("champion, quantiles added up", "coverage80", segment)
        assert widest >= report.value("champion", "coverage80", segment)
    assert any("sums" in note for note in report.notes)


def _small(data: Dataset) -> tuple[Dataset, HeldOut]:
    """Two series in one store, three periods of history and two ahead; the second member is not judged in the last."""
    assert data.test is not None
    values = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 20.0, 30.0, 40.0, 50.0]])
    usable = np.array([[True] * 5, [True, False, True, True, False]])
    small = replace(
        data,
        horizon=2,
        series_ids=data.series_ids[:2],
        series_keys={"store_id": np.array(["A", "A"], dtype=object)},
        periods=data.periods[:5],
        values=values,
        usable=usable,
        split=replace(data.split, test_start=data.periods[3]),
        test=data.test.take(np.arange(2)),
    )
    actual = np.where(usable, values, np.nan)[:, 3:]
    return small, HeldOut(actual, None, np.ones(2), np.ones(2), "EUR", counts=False)


def test_a_sum_is_judged_over_the_members_that_are_judged_by_hand(data: Dataset) -> None:
    small, held = _small(data)
    assert small.test is not None
    mean = np.array([[3.0, 3.0], [41.0, 41.0]])
    rows = score_sums([Forecast("x", mean)], small, small.test, held, spreads={})
    found = {(row.model, row.metric): row.value for row in rows if row.segment == "sum: total"}
    # 4 + 40 against 3 + 41, then 5 against 3: errors 0 and 2
    assert found["x", "rmse"] == pytest.approx(math.sqrt(2.0)) and found["x", "wape"] == pytest.approx(2 / 49)
    # members of size 2 and 20; the second period of the history is 2 over a share of 2 / 22
    whole = Levels.of(small.series_keys, 2).levels[0]
    history = SummedHistory.of(small, small.test, whole, held.actual)
    np.testing.assert_allclose(history.values, [[11.0, 22.0, 33.0]])
    np.testing.assert_allclose(history.judged, [[1.0, 2 / 22]])
    assert found["x", "rmsse"] == pytest.approx(math.sqrt(2.0) / 11.0)
    assert ("seasonal naive of the sum", "rmse") in found and ("x", "coverage80") not in found
