"""Effects found again where they were planted, by the fit alone and in a trained forecaster."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.artifact import ArtifactError
from models.forecaster import effects_choice
from models.forecaster.config import Config
from models.forecaster.data import prepare
from models.forecaster.effects import Effects
from models.forecaster.effects_fit import fit_effects, fit_lasting
from models.forecaster.effects_newton import FitRows, _told_of, grouped
from models.forecaster.effects_values import Targets
from models.forecaster.predict import ForecastInput, Predictor, load
from models.forecaster.train import Trained, train

Key = Callable[[np.ndarray], np.ndarray]
LEVELS = np.geomspace(2.0, 30.0, 12).reshape(4, 3)


def targets(state: dict[str, Any], future: dict[str, Any], origin: Any) -> Targets:
    n_pairs, horizon = next(iter(future.values())).shape
    pair = np.repeat(np.arange(n_pairs), horizon)
    return Targets(state, future, origin, pair, np.tile(np.arange(1, horizon + 1), n_pairs), state["scale"][pair])


def named(tables: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """The tables with a key of the product in the state, made of the number of the series."""
    state = tables["state"]
    series = np.unique(state["series_id"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    return {**tables, "state": state.append_column("key_product", pa.array(key(series)))}


def planted(n_pairs: int = 3_000, *, short: bool = False) -> FitRows:
    """Twelve series of levels 2 to 30; promotions multiply sales by 3, of product 2 by 6; Saturdays by 1.5."""
    rng = np.random.default_rng(3)
    origin = np.datetime64("2024-01-01") + rng.integers(0, 300, n_pairs)
    product, store = rng.integers(1, 5, n_pairs).astype(float), rng.integers(1, 4, n_pairs).astype(float)
    state = {
        "scale": LEVELS[product.astype(int) - 1, store.astype(int) - 1],
        "key_product": product,
        "key_store": store,
    }
    future = {"promo": (rng.random((n_pairs, 7)) < 0.2).astype(float)}
    rows = targets(state, future, origin)
    on = future["promo"].ravel() > 0
    saturday = (origin.astype(int)[rows.pair] + rows.step + 3) % 7 == 5
    mean = rows.scale * np.where(on, np.where(state["key_product"][rows.pair] == 2.0, 6.0, 3.0), 1.0)
    mean *= np.where(saturday, 1.5, 1.0)
    value = rng.poisson(mean).astype(float)
    shelf = np.where(rng.random(value.size) < 0.3, np.round(mean), np.inf) if short else np.full(value.size, np.inf)
    cut = value >= shelf
    return FitRows(**vars(rows), value=np.minimum(value, shelf), short=cut)


@pytest.mark.parametrize("short", [False, True])
def test_planted_effects_are_found_though_stock_outs_hide_some(short: bool) -> None:
    rows = planted(short=short)
    effects = fit_effects(rows)
    assert [block.key for block in effects.blocks] == [None, "key_product", "key_store"]
    found = dict(zip(effects.cells.codes, np.exp(effects.cells.level), strict=True))
    weekend = 1.5 ** (1 / 7)  # a weekday's column is 0 in the mean of a week, and so the level is that of all its days
    keys = [(product + 1) * 2.0**24 + store + 1 for product in range(4) for store in range(3)]
    np.testing.assert_allclose([found[key] for key in keys], LEVELS.ravel() * weekend, rtol=0.06)
    promo = {"promo": np.ones((5, 1))}
    state = {
        "scale": np.full(5, 8.0),
        "key_product": np.array([1.0, 2.0, 3.0, 4.0, 77.0]),
        "key_store": np.ones(5),
    }
    ahead = targets(state, promo, np.array(["2024-06-03"] * 5, dtype="datetime64[D]"))
    plain = replace(ahead, known_future={"promo": np.zeros((5, 1))})
    lift = np.exp(effects.log_factor(ahead, ahead.scale) - effects.log_factor(plain, plain.scale))
    np.testing.assert_allclose(lift[:4], [3, 6, 3, 3], rtol=0.06)
    assert 3.0 < lift[4] < 6.0  # a new product has what the others have in common
    saturday = replace(plain, origin=np.array(["2024-06-07"] * 5, dtype="datetime64[D]"))
    week = np.exp(effects.log_factor(saturday, ahead.scale) - effects.log_factor(plain, ahead.scale))
    np.testing.assert_allclose(week[:4], 1.5, rtol=0.06)  # of the new product less is known, its level too


def test_what_one_product_alone_can_tell_is_what_others_are_told() -> None:
    rows = planted()
    promo = rows.known_future["promo"] * (rows.state["key_product"] == 1.0)[:, None]
    lifted = np.where(promo.ravel() > 0, 3.0, 1.0)
    value = np.random.default_rng(8).poisson(rows.scale * lifted).astype(float)
    effects = fit_effects(replace(rows, known_future={"promo": promo}, value=value))
    lift = {block.key: block.coefficients for block in effects.blocks}
    at = effects.columns.index("promoted")
    common = lift[None][0][at]
    own = lift["key_product"][0][[*effects.blocks[1].columns].index(at)]
    # What is told of twice costs a^2 for all and 10 b^2 for a product: its own is a tenth at the least of both.
    flag = lift[None][0][effects.columns.index("flag_promo")]  # the covariate is a flag, which says the same
    assert common + flag + own == pytest.approx(np.log(3.0), abs=0.05)
    assert own == pytest.approx(common / 10.0, abs=0.01)
    assert all(row[[*effects.blocks[1].columns].index(at)] == 0 for row in lift["key_product"][1:])


def test_no_group_tells_of_a_column_that_rows_without_a_group_tell_of_too() -> None:
    made = np.array([[1, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    place = np.array([0, 1, 1, 2])  # the last row has no group
    group = grouped("key_product", np.array([5.0, 6.0]), [0, 1], np.ones(2), place)
    assert _told_of(made, made[group.order], group).tolist() == [[False, True], [False, True]]
    inside = grouped("key_product", np.array([5.0, 6.0]), [0, 1], np.ones(2), np.minimum(place, 1))
    assert _told_of(made, made[inside.order], inside).all()


def test_a_fit_goes_on_from_another_and_takes_up_new_series() -> None:
    rows = planted()
    old = ~((rows.state["key_product"] == 4.0) & (rows.state["key_store"] == 3.0))[rows.pair]
    parts = {name: getattr(rows, name)[old] for name in ("pair", "step", "scale", "value", "short")}
    first = fit_effects(replace(rows, **parts))
    assert len(first.cells.codes) == 11
    both, again = fit_effects(rows, begin=first), fit_effects(rows)
    np.testing.assert_allclose(both.log_factor(rows, rows.scale), again.log_factor(rows, rows.scale), atol=0.02)


def test_the_wave_of_temperatures_is_found() -> None:
    rows = planted()
    day = rows.origin.astype(int)[:, None] + np.arange(1, 8)
    angle = 2 * np.pi * day / 365.25
    temp = np.where(np.arange(7) < 5, 12.0 - 3.0 * np.sin(angle) - 6.0 * np.cos(angle), np.nan)
    found = fit_effects(replace(rows, known_future={**rows.known_future, "forecast_temp_c": temp}))
    assert found.wave == pytest.approx((-3.0, -6.0), abs=0.01)
    np.testing.assert_allclose(found.cells.temp, 12.0, atol=0.01)


@pytest.mark.parametrize(("share", "sign"), [(1.0, 1.0), (0.0, 0.0)])
def test_what_lasts_of_a_gap_is_found(share: float, sign: float) -> None:
    rows = planted()
    effects = fit_effects(rows)
    gap = np.random.default_rng(0).normal(0.0, 0.4, rows.origin.size)
    level = np.exp(effects.log_factor(rows, rows.scale) + np.log(rows.scale)).reshape(-1, 7).mean(axis=1)
    seen = {**rows.state, "level_28": level * np.exp(gap)}
    told = Effects(**{**dict(effects), "state": ("level_28",)})
    held = told.gap(replace(rows, state=seen))[rows.pair]
    value = np.random.default_rng(1).poisson(
        rows.value.mean() * 0 + np.exp(told.log_factor(rows, rows.scale) + share * held) * rows.scale
    )
    lasting = fit_lasting(told, replace(rows, state=seen, value=value.astype(float))).lasting
    assert lasting[1] == pytest.approx(sign, abs=0.05)


def test_the_same_rows_give_the_same_effects_and_a_file_keeps_them() -> None:
    effects = fit_effects(planted(500))
    assert fit_effects(planted(500)) == effects
    assert Effects.model_validate_json(effects.model_dump_json()) == effects


@pytest.fixture(scope="module")
def trained(synthetic: ModuleType) -> tuple[Trained, ForecastInput]:
    cfg = Config(threads=1, trees=60, quantile_trees=30, max_pairs=2_000, horizon=14)
    data = prepare(named(synthetic.shop(cfg, n_series=40, n_periods=400).tables, lambda series: series + 1.0), cfg)
    least = effects_choice.MIN_GAIN
    effects_choice.MIN_GAIN = -1.0  # whatever they buy here
    try:
        found = train(data, cfg, seed=1)
    finally:
        effects_choice.MIN_GAIN = least
    assert data.test is not None and found.spec.effects is not None
    return found, ForecastInput(data.test.state, data.test.known_future, data.test.origin).only(found.spec)


def test_a_saved_forecaster_forecasts_the_same(trained: tuple[Trained, ForecastInput], tmp_path: Any) -> None:
    model, request = trained
    model.save(tmp_path / "artifact")
    loaded = load(tmp_path / "artifact")
    assert loaded.spec.effects == model.spec.effects
    np.testing.assert_array_equal(loaded.predict(request).mean, model.predictor().predict(request).mean)
    without = Predictor(model.spec.model_copy(update={"effects": None}), model.files)
    assert not np.allclose(without.predict(request).mean, model.predictor().predict(request).mean)


def test_the_promotion_is_a_reason_though_the_divisor_knows_it(trained: tuple[Trained, ForecastInput]) -> None:
    model, request = trained
    reasons = model.predictor().reasons(request)
    mean = model.predictor().predict(request).mean[:, reasons.steps - 1]
    np.testing.assert_allclose(reasons.base + reasons.values.sum(axis=2), mean, rtol=1e-4, atol=1e-4)
    of_promotion = reasons.values[:, :, reasons.groups.index("promotion and price")]
    promoted = request.known_future["promo_depth"][:, reasons.steps - 1] > 0
    assert of_promotion[promoted].mean() > 5 * abs(of_promotion[~promoted].mean())


def test_an_artifact_whose_columns_this_code_does_not_make_is_refused(
    trained: tuple[Trained, ForecastInput], tmp_path: Any
) -> None:
    model, _ = trained
    said = model.files["model.json"].replace(b'"promoted"', b'"gossiped"')
    replace(model, files={**model.files, "model.json": said}).save(tmp_path / "artifact")
    with pytest.raises(ArtifactError, match="misfits"):
        load(tmp_path / "artifact")


def test_an_artifact_from_before_there_were_effects_is_read_as_it_was(
    trained: tuple[Trained, ForecastInput], tmp_path: Any
) -> None:
    model, request = trained
    fields = json.loads(model.files["model.json"])
    del fields["effects"]
    old = replace(model, files={**model.files, "model.json": json.dumps(fields).encode()})
    old.save(tmp_path / "artifact")
    plain = Predictor(model.spec.model_copy(update={"effects": None}), model.files)
    np.testing.assert_array_equal(load(tmp_path / "artifact").predict(request).mean, plain.predict(request).mean)


def test_weekly_data_and_losses_have_none(synthetic: ModuleType) -> None:
    cfg = Config(threads=1, trees=10, quantile_trees=10, max_pairs=500, horizon=4, frequency="weekly")
    data = prepare(synthetic.shop(cfg, n_series=20, n_periods=120).tables, cfg)
    model = train(data, cfg, seed=1)
    assert model.spec.effects is None and any("no effects" in note for note in model.notes)


@pytest.mark.parametrize("key", [lambda series: np.full(series.size, np.nan), lambda series: np.ones(series.size)])
def test_series_that_have_no_names_of_their_own_have_none(synthetic: ModuleType, key: Key) -> None:
    cfg = Config(threads=1, trees=10, quantile_trees=10, max_pairs=2_000, horizon=14)
    model = train(prepare(named(synthetic.shop(cfg, n_series=40, n_periods=300).tables, key), cfg), cfg, seed=1)
    assert model.spec.effects is None
    assert any("do not tell one series from another" in note for note in model.notes)
