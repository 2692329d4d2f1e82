"""Time is cut cleanly: what lies on or after the cutoff cannot move a single byte of a trained model."""

from datetime import date
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError
from models.forecaster.config import Config
from models.forecaster.data import plan_origins, prepare
from models.forecaster.train import train

SMALL: dict[str, Any] = {"trees": 15, "quantile_trees": 8, "threads": 1, "max_pairs": 200}
FIRST = np.datetime64("2023-01-02")


def test_the_default_window_is_the_last_horizon() -> None:
    split = plan_origins(FIRST, FIRST + 99, Config(horizon=10), n_series=1)
    assert split.test_start == FIRST + 90
    assert split.test_origin == split.trained_until == FIRST + 89
    assert split.validation_start == FIRST + 80
    assert split.origins[0] == FIRST + 13
    assert split.origins[-1] == FIRST + 89
    assert FIRST + 79 in split.origins  # sees every step of the validation periods


def test_a_cutoff_is_the_first_period_that_is_not_seen() -> None:
    cut = Config(horizon=10, cutoff=date(2023, 3, 1))
    split = plan_origins(FIRST, FIRST + 99, cut, n_series=1)
    assert split.test_start == np.datetime64("2023-03-01")
    weekly = Config(frequency="weekly", horizon=4, cutoff=date(2023, 8, 2))  # a Wednesday: the week that began is known
    split = plan_origins(FIRST, FIRST + 7 * 51, weekly, n_series=1)
    assert split.test_start == np.datetime64("2023-08-07")
    assert split.test_origin == np.datetime64("2023-07-31")


def test_without_a_held_out_window_every_period_is_seen() -> None:
    split = plan_origins(FIRST, FIRST + 99, Config(horizon=10, hold_out=False), n_series=1)
    assert split.test_origin is None
    assert split.trained_until == FIRST + 99


def test_origins_are_bounded_by_the_pairs_and_spread_over_the_past() -> None:
    split = plan_origins(FIRST, FIRST + 729, Config(horizon=42, max_pairs=6_000), n_series=300)
    assert 20 <= split.origins.size <= 23
    gaps = np.diff(split.origins).astype(int)
    assert gaps.max() <= 2 * gaps.mean()
    weekdays = {int(day) % 7 for day in split.origins.astype(int)}
    assert len(weekdays) >= 5


def test_many_series_of_revenue_have_a_hundred_origins_as_far_as_the_pairs_allow_and_few_series_more() -> None:
    def origins(n_series: int, unit: str = "EUR", **knobs: int) -> int:
        config = Config(horizon=42, **knobs)
        return plan_origins(FIRST, FIRST + 729, config, n_series=n_series, unit=unit).origins.size

    for wanted, n_series, knobs in (
        (100, 1_000, {}),
        (200, 100, {}),  # 20,000 pairs
        (12, 10_000, {}),  # 120,000 pairs
        (26, 1_115, {"max_pairs": 30_000}),
        (40, 1_000, {"min_origins": 40}),
        (8, 1_000_000, {}),
    ):
        assert wanted <= origins(n_series, **knobs) <= wanted + 2  # those at the ends of the windows beside them
    assert 20 <= origins(1_000, unit="units") <= 22


def test_an_origin_near_the_start_of_the_validation_periods_will_do() -> None:
    config = Config(horizon=42, max_pairs=30_000)
    for more in range(30):
        split = plan_origins(FIRST, FIRST + 729 + more, config, n_series=530)
        start = split.validation_start - 1
        assert ((split.origins >= start) & (split.origins < start + 7)).any()


def test_a_period_more_changes_few_origins() -> None:
    """So that a new day computes the features of a handful of origins, not of all."""
    config = Config(horizon=42, max_pairs=30_000)
    before = plan_origins(FIRST, FIRST + 729, config, n_series=530)
    for more in range(1, 15):
        after = plan_origins(FIRST, FIRST + 729 + more, config, n_series=530)
        assert np.setdiff1d(after.origins, before.origins).size <= 3  # a chosen one, and the two at the ends of windows
        before = after


def test_too_short_a_history_names_the_minimum() -> None:
    with pytest.raises(DataError, match=r"at least 30 must lie before it .* 72 in all"):
        plan_origins(FIRST, FIRST + 59, Config(horizon=42), n_series=1)
    with pytest.raises(DataError, match="no period starts on or after it"):
        plan_origins(FIRST, FIRST + 59, Config(horizon=7, cutoff=date(2025, 1, 1)), n_series=1)


def test_the_future_moves_no_byte_of_the_model(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, **SMALL)
    shop = synthetic.shop(cfg, n_series=4, n_periods=90)
    data = prepare(shop.tables, cfg)
    reference = train(data, cfg, seed=3)
    sales = shop.tables["sales"]
    after = np.asarray(sales["period_start"].to_numpy() >= data.split.test_start)
    wild = np.where(after, 10_000.0, sales["value"].to_numpy())
    perturbed = {**shop.tables, "sales": sales.set_column(2, "value", pa.array(wild))}
    moved = prepare(perturbed, cfg)
    assert moved.fingerprint != data.fingerprint
    assert train(moved, cfg, seed=3).files == reference.files


def test_the_past_does_move_it(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, **SMALL)
    shop = synthetic.shop(cfg, n_series=4, n_periods=90)
    data = prepare(shop.tables, cfg)
    sales = shop.tables["sales"]
    last = sales["period_start"].to_numpy() == data.split.trained_until
    doubled = np.where(last, 3 * sales["value"].to_numpy() + 5, sales["value"].to_numpy())
    perturbed = {**shop.tables, "sales": sales.set_column(2, "value", pa.array(doubled))}
    assert train(prepare(perturbed, cfg), cfg, seed=3).files != train(data, cfg, seed=3).files


def test_targets_are_those_of_the_steps_and_closed_or_cut_short_days_are_left_out(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, **SMALL)
    shop = synthetic.shop(cfg, n_series=3, n_periods=90, closed_sundays=True, stock_outs=True)
    data = prepare(shop.tables, cfg)
    assert data.test is not None
    target = data.targets(data.test)
    window = shop.values[:, -7:]
    known = ~np.isnan(target)
    np.testing.assert_array_equal(target[known], window[known])
    sunday = np.arange(83, 90) % 7 == 6
    assert not known[:, sunday].any()
    censored = shop.tables["sales"]["censored"].to_numpy(zero_copy_only=False).reshape(3, 90)[:, -7:]
    assert not known[censored].any()
    assert known[:, ~sunday][~censored[:, ~sunday]].all()


def test_a_series_nobody_has_seen_sell_teaches_nothing(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, **SMALL)
    tables = synthetic.shop(cfg, n_series=4, n_periods=90).tables
    state = tables["state"]
    unseen = (state["series_id"].to_numpy(zero_copy_only=False) == "s0001") & (
        state["origin"].to_numpy() < np.datetime64("2023-02-15")
    )
    assert unseen.sum() > 5
    hidden = state
    for index, name in enumerate(state.column_names):
        if name.startswith(("level_", "last_", "season_", "std_")):
            hidden = hidden.set_column(index, name, pa.array(np.where(unseen, np.nan, state[name].to_numpy())))
    scale = pa.array(np.where(unseen, 0.1, state["scale"].to_numpy()))
    hidden = hidden.set_column(state.column_names.index("scale"), "scale", scale)
    without = prepare({**tables, "state": state.filter(pa.array(~unseen))}, cfg)
    assert train(prepare({**tables, "state": hidden}, cfg), cfg, seed=3).files == train(without, cfg, seed=3).files


def broken(tables: dict[str, pa.Table], case: str) -> dict[str, pa.Table]:
    sales, state, future = tables["sales"], tables["state"], tables["known_future"]
    match case:
        case "mixed units":
            units = pa.array(["EUR", *["units"] * (sales.num_rows - 1)])
            return {**tables, "sales": sales.set_column(3, "unit", units)}
        case "repeated":
            return {**tables, "sales": pa.concat_tables([sales, sales.slice(0, 2)])}
        case "infinite":
            value = np.array(sales["value"].to_numpy())
            value[5] = np.inf
            return {**tables, "sales": sales.set_column(2, "value", pa.array(value))}
        case "stranger":
            names = pa.array(["nobody", *state["series_id"].to_pylist()[1:]])
            return {**tables, "state": state.set_column(0, "series_id", names)}
        case "gap":
            return {**tables, "known_future": future.slice(1)}
        case "text covariate":
            return {**tables, "known_future": future.append_column("mood", pa.array(["fine"] * future.num_rows))}
        case "empty":
            return {**tables, "sales": sales.slice(0, 0)}
        case "no origin":
            early = np.asarray(state["origin"].to_numpy() < np.datetime64("2023-02-01"))
            return {**tables, "state": state.filter(pa.array(early))}
        case _:
            return {**tables, "series": tables["series"].slice(1)}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("mixed units", r"sales\.unit: 2 units \['EUR', 'units'\]"),
        ("repeated", "sales: 2 rows repeat"),
        ("infinite", r"sales\.value: 1 of 270 rows are infinite"),
        ("stranger", r"state\.series_id: 1 series are not in sales, e\.g\. \['nobody'\]"),
        ("gap", r"known_future: 1 of \d+ \(series_id, origin, step\) are missing"),
        ("text covariate", r"known_future\.mood: type string is no number"),
        ("empty", "sales: 0 rows"),
        ("no series row", "series: 1 of 3 series of sales have no row"),
        ("no origin", r"state: 0 of \d+ rows have origin 2023-03-25"),
    ],
)
def test_bad_tables_are_named(synthetic: ModuleType, case: str, message: str) -> None:
    cfg = Config(horizon=7, **SMALL)
    tables = synthetic.shop(cfg, n_series=3, n_periods=90).tables
    with pytest.raises(DataError, match=message):
        prepare(broken(tables, case), cfg)


def test_daily_rows_called_weekly_are_refused(synthetic: ModuleType) -> None:
    daily = Config(horizon=7, **SMALL)
    tables = synthetic.shop(daily, n_series=2, n_periods=90).tables
    with pytest.raises(DataError, match="are the periods weekly"):
        prepare(tables, Config(frequency="weekly", horizon=4, **SMALL))


def test_the_mean_is_fitted_again_on_the_validation_periods_and_the_quantiles_are_not(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, **SMALL)
    shop = synthetic.shop(cfg, n_series=4, n_periods=90)
    data = prepare(shop.tables, cfg)
    again, once = (train(data, cfg.model_copy(update={"refit": refit}), seed=3) for refit in (True, False))
    assert again.spec.rounds == once.spec.rounds and again.spec.calibration == once.spec.calibration
    changed = {name for name in again.files if again.files[name] != once.files[name]}
    assert "mean.ubj" in changed and not changed & {"q10.ubj", "q50.ubj", "q90.ubj"}
