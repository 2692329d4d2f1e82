"""State features by family, against values worked by hand on tiny tables."""

import hashlib
import math

import numpy as np
import pytest
from state_case import (
    day,
    demand,
    inventory,
    prices,
    promotions,
    social_heat,
    state_at,
    states,
    weather,
)

A = "S1/P1"


def test_level_and_spread_of_four_days() -> None:
    state = state_at(demand({A: [2.0, 4.0, 6.0, 8.0]}), 3)
    assert (state["level_14"], state["level_364"], state["min_28"], state["median_91"]) == (5, 5, 2, 5)
    assert state["level_q10_91"] == pytest.approx(2.6) and state["level_q90_91"] == pytest.approx(7.4)
    assert state["quartile_spread_91"] == pytest.approx((6.5 - 3.5) / (6.5 + 3.5))
    assert state["cv_91"] == state["cv_364"] == pytest.approx(math.sqrt(20 / 3) / 5)
    assert state["skew_91"] == pytest.approx(0, abs=1e-12) and state["peak_91"] == 8 / 5
    weights = [0.5 ** (age / 3) for age in (3, 2, 1, 0)]
    mean = sum(w * y for w, y in zip(weights, (2, 4, 6, 8), strict=True)) / sum(weights)
    assert state["ewm_3"] == pytest.approx(mean, rel=1e-5)
    assert state["slope_28"] == pytest.approx(2 * 28 / 5) and state["slope_91"] == pytest.approx(2 * 91 / 5)
    assert state["autocorrelation_7_91"] is None and state["lag_14"] is None
    assert (state["mean_workday_28"], state["mean_weekend_28"]) == (5, None)  # a Thursday
    skewed = state_at(demand({A: [0.0, 0.0, 0.0, 4.0]}), 3)
    assert skewed["skew_91"] == pytest.approx(6 / 3**1.5)  # deviations -1, -1, -1, 3: third moment 6, variance 3


def test_lags_and_the_weekly_pattern_that_repeats() -> None:
    values = [float(i % 7) for i in range(400)]
    state = state_at(demand({A: values}), 399)
    assert (state["lag_14"], state["lag_28"], state["lag_364"]) == (values[386], values[372], values[36])
    assert state["autocorrelation_7_91"] == pytest.approx(1)
    flat = state_at(demand({A: [3.0] * 40}), 39)
    assert flat["autocorrelation_7_91"] is None and flat["skew_91"] is None and flat["cv_91"] == 0


def test_trends_compare_windows() -> None:
    state = state_at(demand({A: [1.0] * 91 + [2.0] * 91}), 181)
    assert (state["trend_91_91"], state["trend_28_91"], state["trend_91_364"]) == (2, 1, 2 / 1.5)
    stepped = state_at(demand({A: [1.0] * 200 + [3.0] * 271}), 470)
    assert (stepped["trend_91_year"], stepped["trend_year"]) == (3, 3)
    risen = state_at(demand({A: [1.0] * 50 + [4.0]}), 50)
    weights = {half: sum(0.5 ** (age / half) for age in range(51)) for half in (3, 14)}
    assert risen["trend_momentum"] == pytest.approx((1 + 3 / weights[3]) / (1 + 3 / weights[14]), rel=1e-5)


def test_intermittency() -> None:
    state = state_at(demand({A: [0.0, 3.0, 0.0, 0.0, 5.0, 0.0, 0.0]}), 6)
    assert state["adi_364"] == 3.5 and state["periods_since_sale"] == 2
    assert state["cv2_nonzero_91"] == state["cv2_nonzero_364"] == pytest.approx(2 / 16)
    assert state["zero_run_91"] == 5 / 2 and state["sale_size_trend_28_91"] == 1
    never = state_at(demand({A: [0.0] * 9}), 8)
    assert never["periods_since_sale"] is None and never["adi_364"] is None and never["zero_run_91"] is None


def test_the_last_sale_is_forgotten_after_a_year() -> None:
    values = [5.0, *[0.0] * 370]
    assert state_at(demand({A: values}), 363)["periods_since_sale"] == 363
    assert state_at(demand({A: values}), 364)["periods_since_sale"] is None


def test_weekly_season_in_two_numbers() -> None:
    state = state_at(demand({A: [1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0] * 3}), 20)
    assert state["weekend_share_56"] == pytest.approx(6 / 11)
    assert state["weekday_range_56"] == pytest.approx((3 - 1) / (11 / 7))
    assert (state["mean_workday_28"], state["mean_weekend_28"]) == (1, 3)


def test_what_last_year_did_next() -> None:
    state = state_at(demand({A: [float(i) for i in range(400)]}), 399)
    assert state["level_28_year_ago"] == 21.5  # days 8 to 35
    assert state["yearly_rise_7"] == pytest.approx(39 / 21.5) and state["yearly_rise_42"] == pytest.approx(56.5 / 21.5)


def test_a_series_among_others() -> None:
    tables = demand(
        {A: [2.0] * 28, "S1/P2": [6.0] * 21 + [12.0] * 7, "S2/P1": [4.0] * 28, "S2/P3": [1.0] * 28},
        categories={"P3": "milk"},
    )
    state = states(tables, origins=[day(27)])[A, day(27)]
    assert state["share_of_product_28"] == pytest.approx(2 / 6) and state["level_product_28"] == 3
    shelf = (56 + 6 * 21 + 12 * 7) / 28  # a day of tea in S1
    assert state["share_of_shelf_28"] == state["share_of_store_28"] == pytest.approx(2 / shelf)
    assert state["level_shelf_28"] == pytest.approx(shelf / 2)
    assert state["store_trend_7_28"] == state["shelf_trend_7_28"] == pytest.approx(14 / shelf)
    assert state["store_last_28"] == pytest.approx(14 / shelf) and state["product_last_28"] == 1
    assert state["category_trend_7_28"] == pytest.approx(18 / (shelf + 4)) and state["chain_trend_28_91"] == 1
    assert state["share_of_shelf_trend"] == 1 and state["store_trend_year"] is None


def test_a_group_mean_says_nothing_of_a_series_that_nobody_saw_sell() -> None:
    tables = demand({A: [(0.0, False, False)] * 3, "S2/P1": [4.0] * 3})
    assert state_at(tables, 2)["level_product_28"] is None
    assert state_at(tables, 2, "S2/P1")["level_product_28"] == 4


def test_stock_outs_of_the_series_and_of_its_peers() -> None:
    short = (1.0, True, True)
    tables = demand({A: [4.0, short, 4.0, 4.0], "S1/P2": [short, 2.0, short, 2.0], "S2/P1": [3.0, 3.0, 3.0, short]})
    state = state_at(tables, 3)
    assert (state["periods_since_stockout"], state["stockout_now"], state["censored_share_7"]) == (2, 0, 0.25)
    assert state["uncensored_ratio_28"] == pytest.approx(4 / (13 / 4)) and state["level_uncensored_7"] == 4
    assert state["shelf_peers_stockout_share_7"] == 0.5 and state["product_peers_stockout_share_7"] == 0.25
    assert state_at(tables, 3, "S2/P1")["stockout_now"] == 1
    assert state_at(demand({A: [4.0]}), 0)["product_peers_stockout_share_7"] is None  # no peers


def test_stock_on_the_shelf() -> None:
    days = [(10, 2, 0, 8), (0, 2, 1, 5), (0, 2, 0, 3), (6, 2, 0, 7), (0, 2, 5, 0)]
    state = state_at(demand({A: [2.0] * 5}, inventory=inventory({A: [*days[:4], (0, 2, 1, 4)]})), 4)
    assert state["stock_cover_days"] == 2 and state["days_since_delivery"] == 1 and state["deliveries_28"] == 2
    assert state["received_to_sold_7"] == 16 / 10 and state["waste_share_28"] == pytest.approx(2 / 12)
    assert state["empty_close_share_28"] == 0
    empty = state_at(demand({A: [2.0] * 5}, inventory=inventory({A: days})), 4)
    assert empty["empty_close_share_28"] == 1 / 5 and empty["stock_cover_days"] == 0


def test_launch_and_history() -> None:
    early = [6.0] * 28 + [1.0] * 12
    tables = demand(
        {"S2/P1": early, A: [3.0] * 10, "S1/P2": [(5.0, True, False)] * 39 + [(5.0, False, False)]},
        first={A: 30},
    )
    state = state_at(tables, 39)
    assert (state["age_periods"], state["is_new"], state["product_age_days"], state["store_age_days"]) == (
        10,
        1,
        39,
        39,
    )
    assert (state["product_stores"], state["shelf_products"], state["shelf_launches_28"]) == (2, 2, 1)
    assert state["level_early_product"] == 6 and state["level_early_shelf"] == 5
    old = state_at(tables, 39, "S1/P2")
    assert (old["is_new"], old["seen_periods_364"], old["open_share_28"]) == (0, 39, 27 / 28)
    assert state_at(tables, 29, "S1/P2")["product_stores"] == 1 and state_at(tables, 29, "S2/P1")["product_stores"] == 1


def test_promotions() -> None:
    # Promoted on days 5 to 7, the week after sells half; a Monday to begin with.
    values = [2.0] * 5 + [6.0] * 3 + [1.0] * 7 + [2.0] * 5
    plan = promotions(("P1", None, 5, 7, 0.2, "multibuy", 1), ("P1", None, 30, 33, 0.4, "price_cut", 15))
    tables = demand({A: values, "S1/P2": [1.0] * 20}, promotions=plan)
    state = state_at(tables, 19)
    assert (state["promo_now"], state["promo_day_now"], state["days_since_promo"], state["promo_count_364"]) == (
        0,
        0,
        12,
        1,
    )
    assert state["promo_share_28"] == state["promo_share_364"] == 3 / 20
    assert state["promo_depth_364"] == pytest.approx(0.2) and state["promo_multibuy_share_364"] == 1
    assert (state["level_plain_28"], state["level_promo_364"], state["promo_uplift_364"]) == (2, 6, 3)
    assert state["promo_uplift_per_depth"] == pytest.approx(10) and state["promo_echo_364"] == 0.5
    assert state["product_promo_uplift_364"] == 3
    assert state["category_promo_uplift_364"] == pytest.approx(6 / ((10 * 2 + 20 * 1) / 30))
    assert state["covariate_mean_promo_depth"] == pytest.approx(0.2 * 3 / 20)
    # Saturdays, the last phase from a Saturday: day 5 is promoted, day 12 follows a promotion, day 19 is plain.
    assert state["season_plain_6"] == 2 and state["season_mean_6"] == pytest.approx((6 + 1 + 2) / 3)
    assert state["season_plain_0"] is None
    running = state_at(tables, 6)
    assert running["promo_now"] == pytest.approx(0.2) and (running["promo_day_now"], running["days_since_promo"]) == (
        2,
        0,
    )
    rival = state_at(tables, 7, "S1/P2")
    assert rival["rivals_promo_share_7"] == 3 / 7 and rival["promo_now"] == 0 and rival["days_since_promo"] is None


def test_a_promotion_counts_where_it_runs_and_from_its_announcement() -> None:
    plan = promotions(("P1", "S2", 2, 5, 0.3, "price_cut", 0), ("P1", None, 1, 4, 0.1, "price_cut", 3))
    tables = demand({A: [1.0] * 8, "S2/P1": [1.0] * 8}, promotions=plan)
    found = states(tables, origins=[day(2), day(4), day(7)])
    assert [found[A, day(n)]["promo_now"] for n in (2, 4)] == [0, pytest.approx(0.1)]
    assert [found["S2/P1", day(n)]["promo_now"] for n in (2, 4)] == [pytest.approx(0.3), pytest.approx(0.3)]
    assert (found[A, day(7)]["promo_share_28"], found["S2/P1", day(7)]["promo_share_28"]) == (2 / 8, 4 / 8)
    assert found[A, day(4)]["promo_day_now"] == 2  # since it was announced, on day 3


def test_price_position() -> None:
    own = [(4.0, 4.0)] * 8 + [(4.0, 2.0)] * 2 + [(5.0, 5.0)]
    shelf = prices({A: own, "S1/P2": [(10.0, 10.0)] * 11, "S2/P1": [(4.0, 3.0)] * 11})
    values = [1.0] * 8 + [6.0, 6.0, 1.0]
    state = state_at(demand({A: values, "S1/P2": [1.0] * 11, "S2/P1": [1.0] * 11}, prices=shelf), 10)
    mean = (32 + 4 + 5) / 11
    assert state["price_to_mean_91"] == state["price_to_mean_364"] == pytest.approx(5 / mean)
    assert (state["price_to_min_91"], state["price_to_min_364"], state["price_to_max_364"]) == (2.5, 2.5, 1)
    assert (state["price_to_base"], state["price_change_7"], state["base_price_to_mean_91"]) == (1, 1.25, 5 / (45 / 11))
    assert state["covariate_level_planned_price"] == pytest.approx(45 / 11)
    assert (state["price_moves_91"], state["days_since_price_move"]) == (2, 0)
    assert state["discounted_share_28"] == pytest.approx(2 / 11)
    assert state["price_to_paid_28"] == pytest.approx(5 / ((8 * 4 + 12 * 2 + 5) / 21))
    assert state["price_to_shelf"] == pytest.approx(5 / 7.5) and state["price_to_chain"] == pytest.approx(5 / 4)


def test_social_heat_is_held_against_its_own_past() -> None:
    heat = [1.0] * 7 + [2.0] * 7 + [3.0] * 6 + [9.0]
    state = state_at(demand({A: [1.0] * 21}, social_heat=social_heat(heat)), 20)
    usual = sum(heat) / 21
    assert state["heat_1"] == state["heat_peak_28"] == pytest.approx(9 / usual)
    assert state["heat_7"] == pytest.approx(27 / 7 / usual) and state["heat_28"] == 1
    assert state["heat_trend_7_7"] == pytest.approx(27 / 14)
    deviation = math.sqrt(sum((h - usual) ** 2 for h in heat) / 20)
    assert state["heat_cv_28"] == pytest.approx(deviation / usual)


def test_observed_weather_and_how_the_series_responds() -> None:
    temp, rain = [float(10 + i) for i in range(14)], [0.0, 5.0] * 6 + [0.0, 0.0]
    values = [30.0 + 2 * i for i in range(14)]
    state = state_at(demand({A: values}, weather=weather(temp, rain)), 13)
    assert (state["weather_temp_1"], state["weather_temp_28"], state["weather_temp_change_7"]) == (23, 16.5, 7)
    assert state["covariate_mean_forecast_temp_c"] == 20 and state["covariate_mean_forecast_rain_mm"] == pytest.approx(
        15 / 7
    )
    assert state["weather_rain_28"] == pytest.approx(30 / 14) and state["weather_days_since_rain"] == 2
    assert state["weather_warmth_response_91"] == pytest.approx(2 / (sum(values) / 14))
    wet = sum(values[1:12:2]) / 6
    dry = (sum(values) - sum(values[1:12:2])) / 8
    assert state["weather_wet_uplift_91"] == pytest.approx(wet / dry) and state["weather_temp_to_year_ago"] is None


def test_weekly_series_have_what_makes_sense() -> None:
    values = [1.0] * 13 + [2.0] * 13
    state = state_at(demand({A: values}, step=7), 7 * 25, frequency="weekly")
    assert (state["trend_91_91"], state["age_periods"], state["is_new"], state["zero_run_91"]) == (2, 26, 0, None)
    assert state["adi_364"] == 1 and state["seen_periods_364"] == 26 and state["product_stores"] == 1
    assert not {"autocorrelation_7_91", "ewm_3", "lag_14", "weekend_share_56"} & set(state)


def test_keys_of_groups_are_numbers_of_their_names() -> None:
    tables = demand({"S1/P1": [1.0], "S2/P1": [1.0]})
    first, second = (state_at(tables, 0, name) for name in ("S1/P1", "S2/P1"))
    # By hand: int(md5("P1").hexdigest()[:6], 16), and so of "tea" and "S1".
    for kind, name in (("product", "P1"), ("category", "tea"), ("store", "S1")):
        assert first[f"key_{kind}"] == int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:6], 16)
    assert first["key_product"] == second["key_product"] and first["key_store"] != second["key_store"]
    assert float(np.float32(first["key_product"])) == first["key_product"]
