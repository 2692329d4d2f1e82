"""Effects: by hand where the answer is known, found again where they were planted, and the same after a file."""

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.common.artifact import ArtifactError
from models.common.protocols import InputError
from models.forecaster import effects_choice
from models.forecaster.config import Config
from models.forecaster.data import prepare
from models.forecaster.effects import Block, Effects, group_place
from models.forecaster.effects_design import design, design_columns
from models.forecaster.effects_fit import FitRows, fit_effects
from models.forecaster.effects_values import WINDOWS, Targets
from models.forecaster.explaining import explain_effects, explain_rows, explain_sequences
from models.forecaster.inputs import assemble
from models.forecaster.predict import ForecastInput, Predictor, load
from models.forecaster.train import Trained, train

ORIGIN = np.array(["2024-01-07", "2024-01-07"], dtype="datetime64[D]")  # a Sunday
STATE = {"scale": np.array([2.0, 4.0]), "key_product": np.array([7.0, 9.0])}
FUTURE = {"promo_depth": np.array([[0.0, 0.5], [0.0, 0.5]])}


def tiny(**changes: Any) -> Effects:
    """Promotions double the sales of product 7 and leave those of others as they are; all else is 1.1 times the level."""
    return Effects(
        **{
            "columns": ("one", "promoted"),
            "flags": (),
            "state": (),
            "covariates": ("promo_depth",),
            "reference": (1.0, 0.0),
            "blocks": (
                Block(key=None, codes=(), columns=(0, 1), coefficients=((np.log(1.1), 0.0),)),
                Block(key="key_product", codes=(7.0,), columns=(1,), coefficients=((np.log(2.0),),)),
            ),
            **changes,
        }
    )


def scales(effects: Effects | None, state: dict[str, Any] = STATE, future: dict[str, Any] = FUTURE) -> list[float]:
    found = assemble(state, future, origin=ORIGIN, horizon=2, frequency="daily", effects=effects)
    return [float(value) for value in found.scale]


def test_they_multiply_the_divisor_and_unknown_groups_have_the_effects_of_all() -> None:
    assert scales(None) == [2, 2, 4, 4]
    assert scales(tiny()) == pytest.approx([2.2, 4.4, 4.4, 4.4])
    nobody = {**STATE, "key_product": np.array([np.nan, 8.0])}
    assert scales(tiny(), nobody) == pytest.approx([2.2, 2.2, 4.4, 4.4])
    assert group_place(np.array([2.0, 5.0]), np.array([5.0, 2.0, 3.0, 9.0, np.nan])).tolist() == [1, 0, 2, 2, 2]


def test_keys_of_groups_are_no_features_and_what_is_missing_is_named() -> None:
    assert "key_product" not in assemble(STATE, FUTURE, origin=ORIGIN, horizon=2, frequency="daily").names
    with pytest.raises(InputError, match=r"\['key_product'\] are missing"):
        scales(tiny(), {"scale": STATE["scale"]})
    with pytest.raises(InputError, match=r"\['promo_depth'\] are missing"):
        scales(tiny(), future={})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ("one", "gossip")}, "gossip"),
        ({"reference": (1.0,)}, "1 reference"),
        ({"blocks": (Block(key=None, codes=(), columns=(2,), coefficients=((0.0,),)),)}, "beyond"),
    ],
)
def test_a_damaged_table_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        tiny(**changes)
    with pytest.raises(ValidationError, match="rows of 1"):
        Block(key="key_product", codes=(7.0,), columns=(0,), coefficients=())
    with pytest.raises(ValidationError, match="ascend"):
        Block(key="key_product", codes=(7.0, 5.0), columns=(0,), coefficients=((0.0,), (0.0,)))


def test_reasons_of_the_effects_add_up_to_their_logarithm() -> None:
    rows = targets(STATE, FUTURE, ORIGIN)
    divisor = rows.scale
    parts, typical = tiny().parts(rows, divisor, ["level", "promotion and price"])
    np.testing.assert_allclose(typical, np.log(1.1))
    np.testing.assert_allclose(parts, [[0, 0], [0, np.log(2)], [0, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1) + typical, tiny().log_factor(rows, divisor))
    wild = tiny(blocks=(Block(key=None, codes=(), columns=(0, 1), coefficients=((1.0, 5.0),)),))
    parts, typical = wild.parts(rows, divisor, ["level", "promotion and price"])
    np.testing.assert_allclose(parts.sum(axis=1) + typical, wild.log_factor(rows, divisor))
    assert wild.log_factor(rows, divisor).max() == 3.0


def targets(state: dict[str, Any], future: dict[str, Any], origin: Any) -> Targets:
    n_pairs, horizon = next(iter(future.values())).shape
    pair = np.repeat(np.arange(n_pairs), horizon)
    return Targets(state, future, origin, pair, np.tile(np.arange(1, horizon + 1), n_pairs), state["scale"][pair])


def test_columns_by_hand() -> None:
    state = {
        "scale": np.array([2.0]), "level_28": np.array([4.0]), "level_364": np.array([3.0]),
        "level_promo_364": np.array([9.0]), "promo_share_364": np.array([0.25]), "age_periods": np.array([1000.0]),
        "covariate_level_planned_price": np.array([2.0]), "base_price_to_mean_91": np.array([1.1]),
    }  # fmt: skip
    future = {
        "promo_depth": np.array([[0.0, 0.5]]), "category_promos": np.array([[2.0, 2.0]]),
        "planned_price": np.array([[2.0, 1.0]]), "is_holiday": np.array([[0.0, 1.0]]),
        "is_holiday_year_ago": np.array([[0.0, 1.0]]),
    }  # fmt: skip
    rows = targets(state, future, ORIGIN[:1])
    columns = design_columns(tuple(sorted(state)), tuple(sorted(future)), ("is_holiday", "is_holiday_year_ago"))
    made = dict(zip(columns, design(rows, rows.scale, columns).T, strict=True))
    np.testing.assert_allclose(made["level_28"], np.log(2.0))
    # A quarter of the year at 9 makes a mean of 3 one of 1 on the other days.
    np.testing.assert_allclose(made["level_364"], np.log(0.5))
    np.testing.assert_allclose(made["promoted"], [0, 1])
    np.testing.assert_allclose(made["depth"], [0, np.log(2)])
    np.testing.assert_allclose(made["rivals"], np.log([3, 2]))  # less the promotion of its own
    np.testing.assert_allclose(made["price"], [0, np.log(0.5)])
    np.testing.assert_allclose(made["price_now"], 0.0)
    np.testing.assert_allclose(made["price_moved"], np.log(1.1))
    np.testing.assert_allclose(made["flag_is_holiday"], [0, 1])
    assert "flag_is_holiday_year_ago" not in made  # the past is what the levels know
    np.testing.assert_allclose(made["weekday_0"], [6 / 7, -1 / 7])  # the day after a Sunday
    np.testing.assert_allclose(made["season"], 0.0)
    days = np.datetime64("2024-01-08").astype(int)
    waves = [np.sin(2 * np.pi * (days - 1 - np.arange(n)) / 365.25).mean() for n in WINDOWS]
    seen = sum(weight * wave for weight, wave in zip(WINDOWS.values(), waves, strict=True))
    assert made["yearly_0"][0] == pytest.approx(np.sin(2 * np.pi * days / 365.25) - seen)


def planted(n_pairs: int = 3_000, *, short: bool = False) -> FitRows:
    """Promotions multiply sales by 3, of product 2 by 6; Saturdays by 1.5; the level is that of the scale."""
    rng = np.random.default_rng(3)
    origin = np.datetime64("2024-01-01") + rng.integers(0, 300, n_pairs)
    state = {
        "scale": rng.uniform(2.0, 30.0, n_pairs),
        "key_product": rng.integers(1, 5, n_pairs).astype(float),
        "key_store": np.ones(n_pairs),
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
    return FitRows(**vars(rows), divisor=rows.scale.copy(), value=np.minimum(value, shelf), short=cut)


@pytest.mark.parametrize("short", [False, True])
def test_planted_effects_are_found_though_stock_outs_hide_some(short: bool) -> None:
    rows = planted(short=short)
    effects, log_factor = fit_effects(rows)
    assert [block.key for block in effects.blocks] == [None, "key_product"]  # of one store there is nothing to learn
    np.testing.assert_allclose(effects.log_factor(rows, rows.divisor), log_factor, atol=1e-3)
    promo = {"promo": np.ones((5, 1))}
    state = {"scale": np.full(5, 8.0), "key_product": np.array([1.0, 2.0, 3.0, 4.0, 77.0])}
    ahead = targets(state, promo, np.array(["2024-06-03"] * 5, dtype="datetime64[D]"))
    plain = replace(ahead, known_future={"promo": np.zeros((5, 1))})
    lift = np.exp(effects.log_factor(ahead, ahead.scale) - effects.log_factor(plain, plain.scale))
    np.testing.assert_allclose(lift[:4], [3, 6, 3, 3], rtol=0.06)
    assert 3.0 < lift[4] < 6.0  # a new product has what the others have in common
    saturday = replace(plain, origin=np.array(["2024-06-07"] * 5, dtype="datetime64[D]"))
    np.testing.assert_allclose(
        np.exp(effects.log_factor(saturday, ahead.scale) - effects.log_factor(plain, ahead.scale)), 1.5, rtol=0.06
    )


def test_the_same_rows_give_the_same_effects_and_a_file_keeps_them() -> None:
    effects, _ = fit_effects(planted(500))
    assert fit_effects(planted(500))[0] == effects
    assert Effects.model_validate_json(effects.model_dump_json()) == effects


def test_shapley_values_of_features_and_effects_together() -> None:
    X = np.array([[2.0, 1.0]], dtype=np.float32)
    parts = np.log([[3.0, 1.0]])
    reference, groups = np.ones(2, dtype=np.float32), [[0], [1]]
    found = explain_rows(lambda rows: rows.sum(axis=1), X, parts, reference, groups)
    # Absent 1 + 1; the first alone (2 + 1) * 3; the second changes nothing.
    assert found.base[0] == pytest.approx(2) and found.values[0] == pytest.approx([7, 0], abs=1e-6)
    alone = explain_effects(np.log([[2.0, 3.0]]))
    assert alone.base[0] == 1 and alone.values[0] == pytest.approx([1.0 * 0.5 + 3.0 * 0.5, 2.0 * 0.5 + 4.0 * 0.5])
    base, values = explain_sequences(
        lambda rows: rows.sum(axis=2), X[None], parts[None], reference, groups, np.array([1])
    )
    assert base[0] == pytest.approx(2) and values[0] == pytest.approx([7, 0], abs=1e-6)


@pytest.fixture(scope="module")
def trained(synthetic: ModuleType) -> tuple[Trained, ForecastInput]:
    cfg = Config(threads=1, trees=60, quantile_trees=30, max_pairs=2_000, horizon=14)
    data = prepare(synthetic.shop(cfg, n_series=40, n_periods=400).tables, cfg)
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
