"""The dynamic program beside values worked by hand, every policy there is, and simulated days."""

from itertools import product
from math import exp
from typing import Any

import numpy as np
import pytest

from models.common.protocols import DataError
from models.pricing.baselines import FixedPrice
from models.pricing.exact import reachable, solve, worth
from models.pricing.instances import SHIPPED, check_instances, read_instances
from models.pricing.judging import action_table, live
from models.pricing.market import Market, build_market
from models.pricing.state import Reading


def market(**told: Any) -> Market:
    return build_market(check_instances({"instances": [{"name": "x", **told}]})[0])


def perishable(**other: Any) -> Market:
    told: dict[str, Any] = {
        "kind": "perishable", "periods": 2, "list_price": 2.0, "prices": [1.0, 2.0], "shelf_life": 1, "room": 1,
        "delivery": {"every": 1, "units": 1}, "mean": 1.0, "elasticity": 1.0,
    }  # fmt: skip
    return market(**{**told, **other})


def test_one_unit_one_period_by_hand() -> None:
    """At 2.00 a customer comes with chance 1 - 1/e, at 1.00 with 1 - 1/e^2; an unsold unit costs 0.3 to throw away."""
    found = solve(perishable(periods=1, disposal_cost=0.3, unit_cost=0.5))
    assert found is not None
    dear, cheap = 1 - exp(-1), 1 - exp(-2)
    assert found.value == pytest.approx(max(2 * dear - 0.3 * (1 - dear), cheap - 0.3 * (1 - cheap)) - 0.5)
    assert found.actions[0].ravel().tolist() == [1]


def test_two_seats_two_periods_by_hand() -> None:
    """Arrivals of mean 1 a period, everybody pays 10 and nobody 20 or more: sell at 10 while there are seats."""
    seats = market(
        kind="capacity", periods=2, list_price=10, prices=[10, 30], capacity=2,
        segments=[{"name": "all", "arrivals": [1.0], "willingness": 20, "spread": 0.01}],
    )  # fmt: skip
    found = solve(seats)
    assert found is not None
    none, one = exp(-1), exp(-1)
    first_left = {2: none, 1: one, 0: 1 - none - one}
    sold_later = {2: one + 2 * (1 - none - one), 1: 1 - none, 0: 0.0}
    expected = sum(chance * ((2 - left) + sold_later[left]) for left, chance in first_left.items())
    assert found.value == pytest.approx(10 * expected)


def test_a_chain_of_factors_by_hand() -> None:
    """Rain halves demand and stays for certain: a unit a day, two days, price 2 is best on both."""
    wet = perishable(
        factors=[{"name": "weather", "stay": 1.0, "start": 1, "levels": [{"value": 0}, {"value": -1, "demand": 0.5}]}]
    )
    found = solve(wet)
    assert found is not None
    a_day = max(2 * (1 - exp(-0.5)), 1 * (1 - exp(-1.0)))
    assert found.value == pytest.approx(2 * a_day)


def test_no_policy_is_better_on_a_problem_small_enough_to_try_all() -> None:
    small = perishable(shelf_life=2, room=2, mean=0.8, elasticity=1.7, disposal_cost=0.4, unit_cost=0.1)
    stocks = reachable(small)
    assert stocks is not None
    sizes = [len(layer.vectors) for layer in stocks.layers]
    best = solve(small, stocks)
    assert best is not None and sum(sizes) <= 12
    values = []
    for choice in product(range(2), repeat=sum(sizes)):
        cut = np.split(np.array(choice), np.cumsum(sizes)[:-1])
        values.append(worth(small, [each.reshape(-1, 1, 1) for each in cut], stocks))
    assert best.value == pytest.approx(max(values))
    assert max(values) > min(values)


def test_the_largest_change_binds() -> None:
    """From the list price 3 one step a period: 3 or 2 first, then 1 only after 2."""
    told: dict[str, Any] = {"prices": [1.0, 2.0, 3.0], "list_price": 3.0, "mean": 0.1, "elasticity": 4.0}
    free, bound = solve(perishable(**told)), solve(perishable(**told, largest_change=1 / 3))
    assert free is not None and bound is not None
    assert [each.shape[2] for each in bound.actions] == [3, 3]
    low, middle = (price * (1 - exp(-0.1 * (price / 3) ** -4)) for price in (1.0, 2.0))
    assert free.value == pytest.approx(2 * max(low, middle))
    assert bound.value == pytest.approx(middle + max(low, middle))
    tight = perishable(**told, largest_change=1 / 3)
    stocks = reachable(tight)
    assert stocks is not None
    with pytest.raises(DataError, match="more than the largest change"):
        worth(tight, [np.zeros((1, 1, 3), dtype=np.int64)] * 2, stocks)


@pytest.mark.parametrize("instance", read_instances(SHIPPED), ids=lambda each: each.name)
def test_simulated_days_bring_what_the_program_promises(instance: Any) -> None:
    found = solve(build_market(instance))
    assert found is not None
    own = build_market(instance)

    class Best:
        name = "best"

        def choose(self, at: Reading) -> np.ndarray:
            layer, actions = found.stocks.layers[int(at.t[0])], found.actions[int(at.t[0])]
            before = at.b if actions.shape[2] > 1 else np.zeros_like(at.b)
            return np.asarray(actions[layer.number(at.stock), at.e, before])

    money = live(own, Best(), episodes=4_000, seed=3).money
    error = money.std() / np.sqrt(len(money))
    assert abs(money.mean() - found.value) < 4 * error
    assert error < 0.02 * found.value
    fixed = FixedPrice("list price", own.list_index)
    assert worth(own, action_table(own, fixed, found.stocks), found.stocks) < found.value


def test_what_does_not_fit_is_not_solved() -> None:
    assert solve(perishable(shelf_life=7, room=300, periods=60, delivery={"every": 1, "units": 80})) is None
