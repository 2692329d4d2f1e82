"""`assemble` against hand-worked rows, and against the names that the feature room really gives."""

from typing import Any

import numpy as np
import pytest

from features.known_ahead import KNOWN_AHEAD
from features.state_registry import STATE_FEATURES, state_feature_names
from models.common.protocols import InputError
from models.forecaster.inputs import assemble
from models.forecaster.sources import columns_read, feature_sources, level_known
from models.forecaster.spec import GROUPS, feature_group

STATE = {
    "scale": np.array([2.0, 4.0]),
    "level_7": np.array([3.0, np.nan]),
    "zero_share_28": np.array([0.5, 0.25]),
    "covariate_mean_price": np.array([10.0, 20.0]),
    **{f"season_mean_{j}": np.array([j + 1.0, 10.0 * j]) for j in range(7)},
    **{f"year_ago_{b}": np.array([100.0 * b, 0.0]) for b in (1, 2)},
}
FUTURE = {"price": np.arange(18.0).reshape(2, 9)}
ORIGIN = np.array(["2023-12-30", "2024-02-28"], dtype="datetime64[D]")  # a Saturday; the day before a leap day


def columns(**options: Any) -> dict[str, np.ndarray]:
    matrix = assemble(STATE, FUTURE, origin=ORIGIN, horizon=9, frequency="daily", **options)
    return {name: matrix.X[:, index].reshape(2, -1) for index, name in enumerate(matrix.names)}


def test_state_is_divided_by_the_scale_and_seasons_follow_the_phase_of_the_step() -> None:
    found = columns()
    assert found["level_7"][0] == pytest.approx(np.full(9, 1.5))
    assert np.isnan(found["level_7"][1]).all()
    assert found["zero_share_28"][1] == pytest.approx(np.full(9, 0.25))
    assert found["season_mean"][0] == pytest.approx(np.array([1, 2, 3, 4, 5, 6, 7, 1, 2]) / 2)
    assert found["season_mean"][1] == pytest.approx(np.array([0, 10, 20, 30, 40, 50, 60, 0, 10]) / 4)
    assert found["year_ago"][0] == pytest.approx(np.array([100] * 7 + [200] * 2) / 2)
    assert found["step"][0] == pytest.approx(np.arange(1, 10))


def test_calendar_is_that_of_the_target_day() -> None:
    found = columns()
    assert found["weekday"][0][:3].tolist() == [6, 0, 1]  # Sunday 31 December, then Monday
    assert found["monthday"][0][:3].tolist() == [31, 1, 2]
    assert found["month"][0][:3].tolist() == [12, 1, 1]
    assert found["week"][0][:2].tolist() == [53, 1]
    assert found["monthday"][1][:2].tolist() == [29, 1]
    assert found["annual_cos"][0][1] == pytest.approx(1.0)


def test_covariates_stand_beside_their_neighbours_and_their_past() -> None:
    found = columns()
    assert found["at_price"][1] == pytest.approx(np.arange(9, 18))
    assert found["delta_price"][1] == pytest.approx(np.arange(9, 18) - 20.0)
    assert np.isnan(found["prev_price"][0][0]) and found["prev_price"][0][1] == 0.0
    assert np.isnan(found["next_price"][0][-1]) and found["next_price"][0][0] == 1.0


def test_means_around_a_target_take_what_lies_in_the_horizon() -> None:
    flags = np.array([[1.0, 0.0, 0.0, 1.0, 1.0, np.nan, 0.0, 0.0, 1.0]])
    matrix = assemble({"scale": np.ones(1)}, {"promo": flags}, origin=ORIGIN[:1], horizon=9, frequency="daily")
    found = dict(zip(matrix.names, matrix.X.T, strict=True))
    assert np.isnan(found["before_promo"][0]) and np.isnan(found["after_promo"][8])
    assert found["before_promo"][1:4] == pytest.approx([1, 1 / 2, 1 / 3])
    assert found["before_promo"][8] == pytest.approx(2 / 6)  # steps 2 to 8, one of them unknown
    assert found["after_promo"][:2] == pytest.approx([2 / 6, 3 / 6])  # steps 2 to 8, then 3 to 9
    weekly = assemble({"scale": np.ones(1)}, {"promo": flags}, origin=ORIGIN[:1], horizon=9, frequency="weekly")
    assert weekly.X[4, weekly.names.index("before_promo")] == pytest.approx(2 / 4)  # four weeks


def test_weekly_year_ago_is_by_step_and_weeks_are_seven_days() -> None:
    state = {"scale": np.array([1.0]), "year_ago_1": np.array([5.0]), "year_ago_2": np.array([6.0])}
    matrix = assemble(state, {}, origin=ORIGIN[:1], horizon=3, frequency="weekly")
    by_name = dict(zip(matrix.names, matrix.X.T, strict=True))
    assert by_name["year_ago"][:2].tolist() == [5.0, 6.0] and np.isnan(by_name["year_ago"][2])
    assert by_name["month"].tolist() == [1.0, 1.0, 1.0]
    assert "weekday" not in by_name


def test_single_rows_equal_those_of_the_grid_and_the_scale_has_a_floor() -> None:
    grid = assemble(STATE, FUTURE, origin=ORIGIN, horizon=9, frequency="daily", scale_floor=3.0)
    pair, step = np.array([1, 0, 1]), np.array([9, 1, 4])
    some = assemble(STATE, FUTURE, origin=ORIGIN, horizon=9, frequency="daily", scale_floor=3.0, rows=(pair, step))
    np.testing.assert_array_equal(some.X, grid.X[pair * 9 + step - 1])
    np.testing.assert_array_equal(some.scale, grid.scale[pair * 9 + step - 1])


def test_a_target_is_divided_by_the_level_of_its_phase_held_back_towards_that_of_the_series() -> None:
    found = assemble(STATE, FUTURE, origin=ORIGIN, horizon=9, frequency="daily").scale.reshape(2, 9)
    # series 0: scale 2, phases 1..7; series 1: scale 4, phases 0, 10, ...: never below a tenth of the level
    assert found[0] == pytest.approx([0.8 * phase + 0.2 * 2 for phase in (1, 2, 3, 4, 5, 6, 7, 1, 2)])
    assert found[1, :2] == pytest.approx([0.8, 8.8])
    floored = assemble(STATE, FUTURE, origin=ORIGIN, horizon=1, frequency="daily", scale_floor=3.0).scale
    assert floored == pytest.approx([0.8 * 1 + 0.2 * 3, 0.2 * 4])
    without = {name: values for name, values in STATE.items() if not name.startswith("season_")}
    assert assemble(without, FUTURE, origin=ORIGIN, horizon=2, frequency="daily").scale.tolist() == [2, 2, 4, 4]


def test_names_choose_and_order_columns_and_unknown_ones_are_refused() -> None:
    assert list(columns(feature_names=["weekday", "level_7"])) == ["weekday", "level_7"]
    with pytest.raises(InputError, match=r"\['level_400'\] cannot be built"):
        columns(feature_names=["level_400"])
    with pytest.raises(InputError, match="'scale'"):
        feature_sources(("level_7",), (), "daily")
    with pytest.raises(InputError, match="without a gap from 0"):
        feature_sources(("scale", "season_mean_0", "season_mean_2"), (), "daily")


@pytest.mark.parametrize("frequency", ["daily", "weekly"])
def test_every_state_feature_in_the_unit_of_sales_is_scaled(frequency: Any) -> None:
    names = state_feature_names(frequency)
    sources = feature_sources(tuple(sorted(names)), (), frequency)
    read = {column: source.kind for source in sources.values() for column in source.columns}
    for spec in STATE_FEATURES:
        if spec.unit == "code":
            assert spec.name not in read, f"{spec.name} names a group: it is no feature"
        elif spec.name in names and spec.name != "scale":
            scaled = read[spec.name] in {"value", "season", "year_ago"}
            assert scaled == (spec.unit == "sales"), f"{spec.name} in {spec.unit} is read as {read[spec.name]}"


def test_every_feature_is_explained_under_a_fitting_group() -> None:
    expected = {
        "level_7": "level", "last_3": "level", "scale": "level", "open_share_28": "level", "zero_share_91": "level",
        "season_mean": "weekly season", "weekday": "weekly season", "week": "yearly season", "month": "yearly season",
        "monthday": "calendar", "year_ago": "yearly season", "annual_sin": "yearly season", "trend_7_28": "trend and horizon",
        "age_periods": "trend and horizon", "step": "trend and horizon", "at_promo_depth": "promotion and price",
        "delta_price_ratio": "promotion and price", "at_is_holiday": "calendar", "next_open": "calendar",
        "at_forecast_temp_c": "weather", "at_forecast_rain_mm": "weather", "at_footfall_plan": "other covariates",
        "share_of_store_28": "stock and neighbours", "censored_share_28": "stock and neighbours",
    }  # fmt: skip
    assert {name: feature_group(name) for name in expected} == expected
    assert set(expected.values()) == set(GROUPS)


def test_state_and_covariates_of_the_feature_room_are_explained_under_the_group_that_it_files_them_under() -> None:
    fitting = {
        "level": {"level"}, "spread": {"level"}, "intermittency": {"level"}, "trend": {"trend and horizon"},
        "weekly season": {"weekly season"}, "yearly season": {"yearly season"}, "hierarchy": {"stock and neighbours"},
        "stock": {"stock and neighbours"}, "launch and history": {"trend and horizon", "stock and neighbours", "level"},
        "promotion": {"promotion and price"}, "price": {"promotion and price"}, "social heat": {"other covariates"},
        "weather": {"weather"}, "calendar": {"calendar"},
    }  # fmt: skip
    filed = {spec.name: spec.group for spec in STATE_FEATURES}
    for frequency in ("daily", "weekly"):
        names = state_feature_names(frequency, {need for spec in STATE_FEATURES for need in spec.needs})
        for feature, source in feature_sources(tuple(sorted(names)), (), frequency).items():
            for column in source.columns:
                if column in filed:
                    assert feature_group(feature) in fitting[filed[column]], f"{feature} of {filed[column]}"
    for spec in KNOWN_AHEAD:
        assert {feature_group(f"{kind}_{spec.name}") for kind in ("at", "delta", "next")} <= fitting[spec.group], (
            spec.name
        )


RANDOM = np.random.default_rng(3)
MANY = {
    name: np.where(RANDOM.random(5) < 0.2, np.nan, RANDOM.normal(size=5))
    for name in (*STATE, "last_1", "age_periods", "level_28", "covariate_mean_heat", "mean_nonzero_28")
} | {"scale": np.array([0.2, 1.0, 3.0, 40.0, 0.5])}
AHEAD = {
    name: np.where(RANDOM.random((5, 9)) < 0.2, np.nan, RANDOM.normal(size=(5, 9))) for name in ("price", "heat", "a")
}


def slow(name: str, pair: int, step: int) -> float:
    """One cell by the table of `sources`, the long way."""
    scale = max(MANY["scale"][pair], 0.4)
    kind, _, rest = name.partition("_")
    if kind in {"at", "prev", "next", "delta"}:
        index = step - 1 + {"prev": -1, "next": 1}.get(kind, 0)
        value = float(AHEAD[rest][pair, index]) if 0 <= index < 9 else np.nan
        return value - MANY[f"covariate_mean_{rest}"][pair] if kind == "delta" else value
    if kind in {"before", "after"}:
        near = (
            AHEAD[rest][pair, max(step - 8, 0) : step - 1] if kind == "before" else AHEAD[rest][pair, step : step + 7]
        )
        return float(np.nanmean(near)) if np.isfinite(near).any() else np.nan
    if name == "season_mean":
        return float(MANY[f"season_mean_{(step - 1) % 7}"][pair]) / scale
    if name == "year_ago":
        return float(MANY[f"year_ago_{(step - 1) // 7 + 1}"][pair]) / scale
    if name.startswith(("level_", "last_", "mean_")):
        return float(MANY[name][pair]) / scale
    return {"scale": scale, "step": step}.get(name) or float(MANY[name][pair])


def test_a_price_is_told_by_how_far_it_lies_from_its_level_and_by_nothing_else() -> None:
    state = {"scale": np.array([2.0, 4.0, 1.0]), "covariate_level_fare": np.array([2.0, 10.0, np.nan])}
    fares = {"fare": np.array([[2.0, 2.2], [0.0, np.nan], [1.0, 1.0]])}
    origin = np.array(["2024-01-07"] * 3, dtype="datetime64[D]")
    matrix = assemble(state, fares, origin=origin, horizon=2, frequency="daily")
    assert [name for name in matrix.names if "fare" in name] == ["change_fare"]
    change = matrix.X[:, matrix.names.index("change_fare")].reshape(3, 2)
    assert change[0] == pytest.approx([0.0, np.log(1.1)])
    assert np.isnan(change[1:]).all()  # no price is 0, and what is unknown stays so
    assert columns_read(["change_fare"], state, ["fare"], "daily") == (tuple(sorted(state)), ("fare",))
    # Without a level to hold it against, its own value is all there is; without the covariate its level is no feature.
    alone = assemble({"scale": state["scale"]}, fares, origin=origin, horizon=2, frequency="daily").names
    assert {"at_fare", "before_fare"} <= set(alone)
    assert not any("fare" in n for n in assemble(state, {}, origin=origin, horizon=2, frequency="daily").names)


@pytest.mark.parametrize("rows", [None, (np.array([4, 0, 4, 2, 1]), np.array([9, 1, 1, 5, 8]))])
def test_every_cell_is_what_the_table_says(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = np.array(["2024-01-07"] * 5, dtype="datetime64[D]")
    given: dict[str, Any] = {"origin": origin, "horizon": 9, "frequency": "daily", "scale_floor": 0.4, "rows": rows}
    whole = assemble(MANY, AHEAD, **given)
    calendar = {"weekday", "monthday", "month", "week", "annual_sin", "annual_cos"}
    pairs, steps = rows or (np.repeat(np.arange(5), 9), np.tile(np.arange(1, 10), 5))
    assert len(whole.names) == 33
    for column, name in enumerate(whole.names):
        if name not in calendar:
            expected = [slow(name, pair, step) for pair, step in zip(pairs, steps, strict=True)]
            # Sums of neighbours are differences of running sums: equal to the last bits of a double, not of all of them.
            atol = 1e-6 if name.startswith(("before_", "after_")) else 0.0
            np.testing.assert_allclose(
                whole.X[:, column], np.array(expected, dtype=np.float32), rtol=0, atol=atol, err_msg=name
            )
    names = whole.names[::-3]
    np.testing.assert_array_equal(assemble(MANY, AHEAD, **given, feature_names=names).X, whole.X[:, ::-3])
    monkeypatch.setattr("models.forecaster.inputs._BLOCK_ROWS", 2)
    np.testing.assert_array_equal(assemble(MANY, AHEAD, **given).X, whole.X)


def test_columns_read_are_those_of_the_features_of_the_divisor_and_of_a_known_level() -> None:
    state = {
        **STATE,
        "level_7": np.array([3.0, np.nan]),
        "level_28": np.array([np.nan, np.nan]),
        "last_1": np.array([np.nan, 5.0]),
    }
    season = {f"season_mean_{j}" for j in range(7)}
    columns, ahead = columns_read(["level_7", "delta_price"], state, ("gossip", "open", "price"), "daily")
    assert set(columns) == {"scale", "level_7", "covariate_mean_price", "last_1", *season}
    assert ahead == ("open", "price")
    few = {name: state[name] for name in columns}
    assert level_known(few).tolist() == level_known(state).tolist() == [True, True]
    unseen = {**few, "level_7": few["level_7"] * np.nan}
    assert level_known(unseen).tolist() == [False, True]
    weekly = {"scale": np.ones(2), "year_ago_1": np.ones(2), "trend_year": np.ones(2), "age_periods": np.ones(2)}
    assert columns_read(["step"], weekly, (), "weekly") == (("scale", "trend_year", "year_ago_1"), ())
