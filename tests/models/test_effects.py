"""Effects: by hand where the answer is known, found again where they were planted, and the same after a file."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.common.protocols import InputError
from models.forecaster.effects import Effects
from models.forecaster.effects_blocks import Block, Cells
from models.forecaster.effects_design import design, design_columns
from models.forecaster.effects_values import Frame, Targets
from models.forecaster.explaining import explain_effects, explain_rows, explain_sequences
from models.forecaster.inputs import assemble
from models.forecaster.series import code_of, group_place

ORIGIN = np.array(["2024-01-07", "2024-01-07"], dtype="datetime64[D]")  # a Sunday
STATE = {"scale": np.array([2.0, 4.0]), "key_product": np.array([7.0, 9.0]), "level_28": np.array([3.0, 5.0])}
FUTURE = {"promo_depth": np.array([[0.0, 0.5], [0.0, 0.5]])}


def tiny(**changes: Any) -> Effects:
    """Product 7 sells 3 a day; promotions double its sales and leave those of others as they are."""
    return Effects(
        **{
            "columns": ("promoted",),
            "flags": (),
            "state": ("level_28",),
            "covariates": ("promo_depth",),
            "middle": 19_000.0,
            "wave": (0.0, 0.0),
            "reference": (0.0,),
            "blocks": (
                Block(key=None, codes=(), columns=(0,), coefficients=((0.0,),)),
                Block(key="key_product", codes=(7.0,), columns=(0,), coefficients=((np.log(2.0),),)),
            ),
            "cells": Cells(columns=("key_product",), codes=(7.0,), level=(np.log(3.0),), price=(0.0,), temp=(0.0,)),
            "lasting": (),
            **changes,
        }
    )


def scales(effects: Effects | None, state: dict[str, Any] = STATE, future: dict[str, Any] = FUTURE) -> list[float]:
    found = assemble(state, future, origin=ORIGIN, horizon=2, frequency="daily", effects=effects)
    return [float(value) for value in found.scale]


def test_series_have_their_level_and_unknown_ones_that_of_their_state() -> None:
    assert scales(None) == [2, 2, 4, 4]
    assert scales(tiny()) == pytest.approx([3, 6, 4, 4])
    nobody = {**STATE, "key_product": np.array([np.nan, 8.0])}
    assert scales(tiny(), nobody) == pytest.approx([2, 2, 4, 4])
    assert group_place(np.array([2.0, 5.0]), np.array([5.0, 2.0, 3.0, 9.0, np.nan])).tolist() == [1, 0, 2, 2, 2]
    keys = {"key_product": np.array([1.0, 2.0, 2.0]), "key_store": np.array([5.0, 5.0, np.nan])}
    np.testing.assert_array_equal(code_of(keys, tuple(keys)), [2.0**24 + 5, 2.0**25 + 5, np.nan])


def test_what_was_sold_lately_lasts_as_far_as_its_coefficients_say() -> None:
    state = {**STATE, "level_28": np.array([6.0, 5.0])}
    gap = np.log((6.0 * 28 + 20) / (3.0 * 28 + 20))  # twenty units hold back the gap of few sales
    lasting = tiny(lasting=(0.5, 1.0, -1.0))
    np.testing.assert_allclose(
        lasting.gap(targets(state, FUTURE, ORIGIN)), [gap, 0.0]
    )  # of an unknown one there is none
    assert scales(lasting, state)[0] == pytest.approx(3.0 * np.exp(0.5 / 42 + gap * 41 / 42))
    assert scales(lasting, state)[2] == pytest.approx(4.0 * np.exp(0.5 / 42))
    young = {**state, "age_periods": np.array([6.0, 300.0])}
    assert lasting.gap(targets(young, FUTURE, ORIGIN))[0] == pytest.approx(np.log((42 + 20) / (21 + 20)))


def test_the_level_of_an_unknown_series_is_moved_by_season_and_trend() -> None:
    year = Block(key=None, codes=(), columns=(0, 1), coefficients=((0.5, 0.2),))
    found = tiny(columns=("trend", "yearly_0"), reference=(0.0, 0.0), blocks=(year,), covariates=())
    day = ORIGIN[0].astype(int)
    wave = np.sin(2 * np.pi / 365.25 * np.array([day - 14, day + 1, day + 2]))
    expected = 4.0 * np.exp(0.5 / 365.25 * np.array([15, 16]) + 0.2 * (wave[1:] - wave[0]))
    np.testing.assert_allclose(scales(found)[2:], expected)


def test_keys_of_groups_are_no_features_and_what_is_missing_is_named() -> None:
    assert "key_product" not in assemble(STATE, FUTURE, origin=ORIGIN, horizon=2, frequency="daily").names
    with pytest.raises(InputError, match=r"\['key_product'\] are missing"):
        scales(tiny(), {name: STATE[name] for name in ("scale", "level_28")})
    with pytest.raises(InputError, match=r"\['promo_depth'\] are missing"):
        scales(tiny(), future={})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ("gossip",)}, "gossip"),
        ({"reference": (1.0, 1.0)}, "2 reference"),
        ({"blocks": (Block(key=None, codes=(), columns=(2,), coefficients=((0.0,),)),)}, "beyond"),
        ({"lasting": (1.0,)}, "1 coefficients of what lasts"),
    ],
)
def test_a_damaged_table_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        tiny(**changes)
    with pytest.raises(ValidationError, match="rows of 1"):
        Block(key="key_product", codes=(7.0,), columns=(0,), coefficients=())
    with pytest.raises(ValidationError, match="ascend"):
        Block(key="key_product", codes=(7.0, 5.0), columns=(0,), coefficients=((0.0,), (0.0,)))
    with pytest.raises(ValidationError, match="'level': 1"):
        Cells(columns=("key_product",), codes=(5.0, 7.0), level=(0.0,), price=(0.0, 0.0), temp=(0.0, 0.0))


def test_reasons_of_the_effects_add_up_to_their_logarithm() -> None:
    rows = targets(STATE, FUTURE, ORIGIN)
    divisor = rows.scale
    found = tiny(lasting=(0.0, 1.0, 0.0))
    reasons = ["level", "promotion and price", "trend and horizon"]
    parts, typical = found.parts(rows, divisor, reasons)
    gap = found.gap(rows)[0]
    np.testing.assert_allclose(parts, [[gap, 0, 0], [gap, np.log(2), 0], [0, 0, 0], [0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(typical, [np.log(1.5), np.log(1.5), 0, 0], atol=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1) + typical, found.log_factor(rows, divisor))
    wild = tiny(blocks=(Block(key=None, codes=(), columns=(0,), coefficients=((5.0,),)),))
    parts, typical = wild.parts(rows, divisor, reasons)
    np.testing.assert_allclose(parts.sum(axis=1) + typical, wild.log_factor(rows, divisor))
    assert wild.log_factor(rows, divisor).max() == 3.0


def targets(state: dict[str, Any], future: dict[str, Any], origin: Any) -> Targets:
    n_pairs, horizon = next(iter(future.values())).shape
    pair = np.repeat(np.arange(n_pairs), horizon)
    return Targets(state, future, origin, pair, np.tile(np.arange(1, horizon + 1), n_pairs), state["scale"][pair])


def test_columns_by_hand() -> None:
    state = {"scale": np.array([2.0]), "heat_1": np.array([np.e])}
    future = {
        "promo_depth": np.array([[0.0, 0.5]]), "category_promos": np.array([[2.0, 2.0]]),
        "planned_price": np.array([[2.0, 1.0]]), "is_holiday": np.array([[0.0, 1.0]]),
        "is_holiday_year_ago": np.array([[0.0, 1.0]]), "days_to_holiday": np.array([[2.0, 1.0]]),
        "forecast_rain_mm": np.array([[40.0, np.nan]]), "forecast_temp_c": np.array([[14.0, np.nan]]),
        "promo_clearance": np.array([[0.0, 1.0]]), "promo_day": np.array([[0.0, 3.0]]), "promo_length": np.array([[0.0, 12.0]]),
    }  # fmt: skip
    rows = targets(state, future, ORIGIN[:1])
    columns = design_columns(tuple(sorted(future)), ("is_holiday", "is_holiday_year_ago"), tuple(state))
    day = ORIGIN[0].astype(int) + 1
    frame = Frame(float(day), np.log([2.0]), np.array([10.0]), (2.0, 1.0))
    made = dict(zip(columns, design(rows, frame, columns).T, strict=True))
    np.testing.assert_allclose(made["trend"], [0, 1 / 365.25])
    np.testing.assert_allclose(made["promoted"], [0, 1])
    np.testing.assert_allclose(made["depth"], [0, np.log(2)])
    np.testing.assert_allclose(made["rivals"], np.log([3, 2]))  # less the promotion of its own
    np.testing.assert_allclose(made["clearance_gone"], [0, 0.25])  # the third of twelve days
    np.testing.assert_allclose(made["price"], [0, np.log(0.5)])
    np.testing.assert_allclose(made["flag_is_holiday"], [0, 1])
    assert "flag_is_holiday_year_ago" not in made  # the past is what the waves of the year know
    np.testing.assert_allclose(made["holiday_in_2"], [1, 0])
    np.testing.assert_allclose(made["rain"], [3, 0])  # bounded; unknown is nothing
    np.testing.assert_allclose(made["heat"], [0.8, 0.64])  # e times as much as ever, and a fifth is forgotten every day
    silent = targets({**state, "heat_1": np.array([np.nan])}, future, ORIGIN[:1])
    assert (design(silent, frame, {"heat": columns["heat"]}) == 0).all()
    usual = 10.0 + 2.0 * np.sin(2 * np.pi * day / 365.25) + np.cos(2 * np.pi * day / 365.25)
    np.testing.assert_allclose(made["warmer"], [(14.0 - usual) / 10.0, 0.0])
    np.testing.assert_allclose(made["weekday_0"], [6 / 7, -1 / 7])  # the day after a Sunday
    for at, wave in enumerate([np.sin, np.cos]):
        assert made[f"yearly_{at}"][0] == pytest.approx(wave(2 * np.pi * day / 365.25))


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
