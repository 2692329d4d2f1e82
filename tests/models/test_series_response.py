"""Series that a network knows: found by their keys, their own response learnt, unknown ones answered as any series."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydantic import ValidationError

from models.forecaster.config import Config
from models.forecaster.data import Dataset, prepare
from models.forecaster.explaining import explain_sequences
from models.forecaster.networks import Grids, Network, NetworkConfig, fit_network
from models.forecaster.networks.export import export_network
from models.forecaster.networks.grids import prepare_grids
from models.forecaster.predict import ForecastInput, load
from models.forecaster.series import KEY_SIZE, KnownSeries, known_series
from models.forecaster.train import Trained, train

CONFIG = Config(network="lstm", horizon=14, trees=20, quantile_trees=8, max_pairs=1_200)
NETWORK = NetworkConfig(
    hidden=16, heads=2, epochs=15, patience=15, batch_pairs=32, learning_rate=0.02, series_width=4, weight_decay=1e-4
)
SERIES, STEPS, LIFT = 6, 7, 0.8


def moved_by_half(n_pairs: int, seed: int, *, told: bool = True, absent: int | None = None) -> Grids:
    """Sales of 1, in even series 1.8 where the flag is set, in odd ones not; the last column is the series, if told."""
    rng = np.random.default_rng(seed)
    series = rng.choice([place for place in range(SERIES) if place != absent], n_pairs)
    X = rng.normal(size=(n_pairs, STEPS, 3)).astype(np.float32)
    X[..., 0] = rng.random((n_pairs, STEPS)) < 0.5
    X[..., 2] = series[:, None]
    scale = np.full((n_pairs, STEPS), 10.0)
    value = scale * (1 + LIFT * X[..., 0] * (series[:, None] % 2 == 0)) * rng.gamma(400.0, 1 / 400.0, (n_pairs, STEPS))
    return Grids(X if told else np.ascontiguousarray(X[..., :2]), value, scale)


def fit(grids: Grids, valid: Grids, n_series: int) -> Network:
    return fit_network("lstm", grids, valid, loss="poisson", counts=False, cfg=NETWORK, n_series=n_series, seed=1)


@pytest.fixture(scope="module")
def told() -> Network:
    return fit(moved_by_half(600, 0, absent=5), moved_by_half(64, 1, absent=5), SERIES)


def _error(network: Network, grids: Grids) -> float:
    return float(np.sqrt(np.mean((network.predict(grids.X)["mean"] - grids.value / grids.scale) ** 2)))


def test_what_moves_one_series_and_not_the_next_is_learnt_where_series_are_told(told: Network) -> None:
    without = fit(moved_by_half(600, 0, told=False), moved_by_half(64, 1, told=False), 0)
    mixed = _error(without, moved_by_half(200, 2, told=False))
    assert mixed == pytest.approx(
        LIFT / 2 / np.sqrt(2), rel=0.15
    )  # half of the flagged steps lie 0.4 above, half below
    assert _error(told, moved_by_half(200, 2, absent=5)) < 0.35 * mixed


def test_a_series_that_nobody_knows_or_that_never_sold_is_answered_as_any(told: Network) -> None:
    X = moved_by_half(300, 3).X
    flag = X[..., 0] == 1

    def lift(place: float) -> float:
        X[..., 2] = place
        mean = told.predict(X)["mean"]
        return float(mean[flag].mean() / mean[~flag].mean()) - 1

    assert lift(0) > 0.65 and abs(lift(1)) < 0.15
    assert 0.15 < lift(np.nan) < 0.65
    unknown = told.predict(X)["mean"]
    X[..., 2] = 5  # a place without a single pair in training
    np.testing.assert_allclose(told.predict(X)["mean"], unknown, rtol=1e-6)


def test_the_graph_knows_series_and_gaps_as_torch_does(told: Network) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(export_network(told), providers=["CPUExecutionProvider"])
    X = moved_by_half(30, 4).X
    X[::4, :, 2] = np.nan
    X[1::4, 2:, 1] = np.nan
    for steps in (1, 3, STEPS):
        part = np.ascontiguousarray(X[:, :steps])
        got = np.asarray(session.run(["Y"], {"X": part})[0])
        np.testing.assert_allclose(got[..., 0], told.predict(part)["mean"], rtol=1e-4)


def test_series_are_found_by_product_and_store_whatever_their_order() -> None:
    state = {"key_product": np.array([2.0, 1.0, 2.0]), "key_store": np.array([7.0, 9.0, 5.0])}
    known = known_series(state, np.array([0, 1, 2]))
    assert known is not None and known.columns == ("key_product", "key_store")
    assert known.codes == (KEY_SIZE + 9, 2 * KEY_SIZE + 5, 2 * KEY_SIZE + 7)
    asked = {"key_product": np.array([1.0, 2.0, 2.0, np.nan]), "key_store": np.array([9.0, 7.0, 6.0, 7.0])}
    assert known.places(asked).tolist() == [0, 2, 3, 3]
    beside = known.beside(np.ones((4, 2, 1), dtype=np.float32), asked)
    np.testing.assert_array_equal(beside[:, 1, 1], [0, 2, np.nan, np.nan])
    assert beside.dtype == np.float32 and (beside[..., 0] == 1).all()


def test_series_that_their_keys_do_not_tell_apart_are_not_known() -> None:
    series = np.array([0, 0, 1])
    assert known_series({"key_store": np.array([3.0, 3.0, 3.0])}, series) is None  # two series of one store
    assert known_series({"key_store": np.array([3.0, 3.0, np.nan])}, series) is None
    assert known_series({"key_product": np.full(3, np.nan)}, series) is None
    assert known_series({}, series) is None
    stores = known_series({"key_product": np.full(3, np.nan), "key_store": np.array([4.0, 4.0, 3.0])}, series)
    assert stores is not None and stores.columns == ("key_store",) and stores.codes == (3.0, 4.0)
    with pytest.raises(ValidationError, match="series: codes must ascend and be distinct"):
        KnownSeries(columns=("key_store",), codes=(4.0, 3.0))


def test_the_few_series_that_share_a_key_are_unknown_and_the_others_are_not() -> None:
    keys = np.append(np.arange(38.0), [37.5, 37.5])
    known = known_series({"key_store": keys}, np.arange(40))
    assert known is not None and known.codes == tuple(range(38))
    assert known.places({"key_store": np.array([37.5, 3.0])}).tolist() == [38, 3]
    assert known_series({"key_store": np.append(keys[:-1], 37.0)}, np.arange(40)) is not None  # 37 is two, 37.5 is one
    assert known_series({"key_store": keys[4:]}, np.arange(36)) is None  # 34 of 36 are less than 95 %


def test_series_of_too_few_pairs_are_not_learnt_of(data: Dataset) -> None:
    few = NetworkConfig(max_pairs=149)  # of 30 series
    assert prepare_grids(data, CONFIG, few, seed=0).series is None
    enough = prepare_grids(data, CONFIG, few.model_copy(update={"max_pairs": 150}), seed=0)
    assert enough.series is not None and enough.train.X.shape[2] == len(enough.names) + 1
    assert prepare_grids(data, CONFIG, NetworkConfig(series_width=0), seed=0).series is None


def test_reasons_compare_a_series_with_itself() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(5, 3, 3)).astype(np.float32)
    X[..., 2] = np.arange(5)[:, None]  # its level: sales of 10 * place + feature 0 + 2 * feature 1
    base, values = explain_sequences(
        lambda rows: 10.0 * rows[..., 2] + rows[..., 0] + 2.0 * rows[..., 1],
        X,
        np.zeros((5, 3, 2)),
        np.array([0.5, 0.25], dtype=np.float32),
        [[0], [1]],
        np.array([1, 3]),
    )
    np.testing.assert_allclose(base.reshape(5, 2), 10.0 * np.arange(5)[:, None] + [1.0, 1.0], rtol=1e-5)
    np.testing.assert_allclose(values[..., 0].reshape(5, 2), X[:, [0, 2], 0] - 0.5, atol=1e-5)
    np.testing.assert_allclose(values[..., 1].reshape(5, 2), 2.0 * (X[:, [0, 2], 1] - 0.25), atol=1e-5)


@pytest.fixture(scope="module")
def data(synthetic: ModuleType) -> Dataset:
    tables = synthetic.shop(CONFIG, n_series=30, n_periods=300, unit="EUR").tables
    return prepare(synthetic.with_store_keys(tables), CONFIG)


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, CONFIG, seed=1)


def test_a_champion_that_knows_series_is_saved_explained_and_answers_for_a_store_it_never_saw(
    data: Dataset, trained: Trained, tmp_path: Path
) -> None:
    spec = trained.spec
    assert spec.series is not None and spec.series.columns == ("key_store",) and len(spec.series) == 30
    assert "key_store" in spec.state_columns and "key_store" not in spec.feature_names
    assert data.test is not None
    request = ForecastInput(data.test.state, data.test.known_future, data.test.origin).only(spec)
    trained.save(tmp_path / "artifact")
    predictor = load(tmp_path / "artifact")
    mean = predictor.predict(request).mean
    np.testing.assert_array_equal(mean, trained.predictor().predict(request).mean)
    reasons = predictor.reasons(request, steps=[1, 9])
    np.testing.assert_allclose(reasons.base + reasons.values.sum(axis=2), mean[:, [0, 8]], rtol=1e-4)
    strange = replace(request, state={**request.state, "key_store": np.full(30, 5.0)})
    found = predictor.predict(strange).mean
    assert np.isfinite(found).all() and not np.allclose(found, mean)
    np.testing.assert_allclose(found, mean, rtol=0.5)
