"""Fresh goods in the twin: demand fitted from what was observed finds the truth, and a shop learns from its days."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from models.pricing.config import Config
from models.pricing.fresh_rules import FixedMultiple, FreshLadder, Rollout
from orchestration.fresh_diary import read_diary
from orchestration.fresh_fit import at_least
from orchestration.fresh_judging import CHAMPION, HINDSIGHT, judge_world
from orchestration.fresh_twin import BAND, LAID_OVER, FreshHistory, fresh_history, fresh_params, live_in_twin

PRICES = np.array(Config().fresh_prices)


@pytest.fixture(scope="module")
def history() -> FreshHistory:
    return fresh_history(fresh_params({**LAID_OVER, "products": 80, "stores": 6}), 31)


def test_a_diary_is_what_the_tables_say() -> None:
    cell = {"store_id": ["S1", "S1", "S2"], "product_id": ["P1", "P1", "P2"]}
    days = pa.array([date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 2)])
    tables = {
        "prices": pa.table({**cell, "date": days, "price": [2.0, 1.5, 3.0], "base_price": [2.0, 2.0, 3.0]}),
        "inventory": pa.table(
            {
                **cell,
                "date": days,
                "sold_units": [4, 7, 1],
                "received_units": [9, 0, 1],
                "closing_units": [5, 0, 0],
                "stocked_out": [False, True, False],
            }
        ),
        "promotions": pa.table(
            {
                "store_id": pa.array([None, "S2", "S9"], pa.string()),
                "product_id": ["P1", "P1", "P1"],
                "starts_on": pa.array([date(2024, 1, 3), date(2023, 12, 1), date(2024, 1, 1)]),
                "ends_on": pa.array([date(2024, 1, 9), date(2024, 1, 1), date(2024, 1, 3)]),
                "discount_fraction": [0.25, 0.4, 0.5],
            }
        ),
    }
    diary = read_diary(tables, ["S1", "S2"], ["P1", "P2"])
    assert diary.units.shape == (3, 2, 2) and diary.weekday.tolist() == [0, 1, 2]
    assert diary.units[:, 0, 0].tolist()[::2] == [4.0, 7.0] and np.isnan(diary.units[1, 0, 0])
    assert diary.units[1, 1, 1] == 1.0 and diary.price[2, 0, 0] == 1.5 and diary.base[2, 0, 0] == 2.0
    assert diary.sold_out.sum() == 1 and diary.sold_out[2, 0, 0]
    assert diary.promoted[2, :, 0].tolist() == [0.25, 0.25] and diary.promoted[0, :, 0].tolist() == [0.0, 0.4]
    assert not diary.promoted[:, :, 1].any()


def test_a_sold_out_day_tells_what_more_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.negative_binomial(8.0, 8.0 / 18.0, 400_000)
    for units in (4, 9, 14):
        found = at_least(np.array(10.0), 8.0, np.array(float(units)))
        assert found == pytest.approx(drawn[drawn >= units].mean(), rel=0.06)
    assert at_least(np.array(2.0), 8.0, np.array(500.0)) >= 500.0  # never less than what was sold


def test_fitted_demand_is_near_the_truth(history: FreshHistory) -> None:
    products = history.world.catalogue.products
    true = products.elasticity[history.facts.number]
    found = history.demand.elasticity
    assert np.sqrt(np.mean((found - true) ** 2)) < 0.75 and abs(np.mean(found - true)) < 0.4
    assert np.corrcoef(found, true)[0, 1] > 0.4
    within = np.abs(found - true) < 1.96 * history.demand.error * found
    assert within.mean() > 0.5
    assert 4 < history.demand.shape < 16 and 0.03 <= history.demand.level_error < 0.3  # true shapes are 4 to 12
    # Days to come, under prices that nobody asked before: takings as promised.
    for policy in (FixedMultiple("a fifth off", 0.8), FreshLadder((0.6, 0.8), 1.0)):
        lived = live_in_twin(history, policy.choose, days=28)
        assert lived.takings.sum() / lived.promised.sum() == pytest.approx(1.0, abs=0.08)


def test_policies_meet_the_same_customers_and_the_plain_rule_is_within_its_band(history: FreshHistory) -> None:
    plain, listed = live_in_twin(history, None), live_in_twin(history, FixedMultiple("list price", 1.0).choose)
    np.testing.assert_array_equal(plain.sold, listed.sold)
    np.testing.assert_array_equal(plain.price, listed.price)
    assert BAND[0] <= plain.waste <= BAND[1]
    ladder = live_in_twin(history, FreshLadder((0.6, 0.8), 1.0).choose)
    assert ladder.waste < 0.5 * plain.waste and ladder.gross_margin > plain.gross_margin
    assert (ladder.lost.sum(axis=(1, 2)) == ladder.wasted).all()


def test_a_shop_that_believes_wrongly_learns(history: FreshHistory) -> None:
    true = history.world.catalogue.products.elasticity[history.facts.number]
    wrong = replace(history.demand, elasticity=history.demand.elasticity * 0.5)
    shop = history.shop(wrong)
    live_in_twin(history, Rollout(PRICES, 0.0).choose, shop=shop)
    before, after = (float(np.sqrt(np.mean((each - true) ** 2))) for each in (wrong.elasticity, shop.demand.elasticity))
    assert after < 0.8 * before


@pytest.mark.slow
def test_the_network_saves_most_of_the_waste() -> None:
    cfg = Config(fresh_steps=2_000, hidden=64, fresh_shelves=400)
    judged = judge_world(32, cfg, wrong=(), params=fresh_params({**LAID_OVER, "products": 96, "stores": 4}))
    assert judged.less_waste("list price") > 0.6 and judged.more_margin("myopic elasticity") > 0
    assert judged.less_waste() > 0.3
    assert judged.days[CHAMPION].gross_margin > judged.days["list price"].gross_margin
    assert judged.days[HINDSIGHT].gross_margin >= judged.days["markdown ladder"].gross_margin
