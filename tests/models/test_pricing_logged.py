"""A log of prices: what a simulated shop leaves, its chances by hand, and what is said of a wrong one."""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError
from models.pricing.baselines import FixedPrice, MarkdownLadder
from models.pricing.env import Shelves
from models.pricing.exact import solve, worth
from models.pricing.instances import check_instances
from models.pricing.judging import action_table
from models.pricing.logged import Log, read_log
from models.pricing.market import Market, build_market
from models.pricing.practice import EpsilonGreedy, Softmax, simulated_log
from models.pricing.state import Reading

RULE = FixedPrice("dear", 2)


@pytest.fixture(scope="module")
def salad(model_cases: dict[str, ModuleType]) -> Market:
    return build_market(check_instances({"instances": [model_cases["pricing"].SALAD]})[0])


@pytest.fixture(scope="module")
def narrow(model_cases: dict[str, ModuleType]) -> Market:
    """One step of the ladder (1, 2, 3) at a time."""
    return build_market(check_instances({"instances": [{**model_cases["pricing"].SALAD, "largest_change": 0.34}]})[0])


@pytest.fixture(scope="module")
def table(salad: Market) -> pa.Table:
    return simulated_log(salad, EpsilonGreedy(salad, RULE, 0.3), episodes=50, seed=3)


def situation(market: Market, before: int) -> Reading:
    return Reading(*(np.array([each]) for each in (0, 0, before)), np.array([[0, 4]]))


def test_chances_by_hand(salad: Market, narrow: Market) -> None:
    greedy = EpsilonGreedy(salad, RULE, 0.3)
    assert greedy.chances(situation(salad, 2))[0] == pytest.approx([0.1, 0.1, 0.8])
    # From 1 only 1 and 2 are open: 3 is wished, 2 is asked.
    assert EpsilonGreedy(narrow, RULE, 0.3).chances(situation(narrow, 0))[0] == pytest.approx([0.15, 0.85, 0.0])
    # exp(-2/3), exp(-1/3), 1 at a width of the list price, 3.
    soft = np.exp([-2 / 3, -1 / 3, 0])
    assert Softmax(salad, RULE, 1.0).chances(situation(salad, 2))[0] == pytest.approx(soft / soft.sum())
    soft = np.exp([-1 / 3, 0])
    assert Softmax(narrow, RULE, 1.0).chances(situation(narrow, 0))[0] == pytest.approx([*(soft / soft.sum()), 0])
    for wrong in (lambda: EpsilonGreedy(salad, RULE, 1.5), lambda: Softmax(salad, RULE, 0.0)):
        with pytest.raises(DataError, match="expected"):
            wrong()


def test_a_log_holds_whole_episodes_whose_money_is_what_the_rule_is_worth(salad: Market) -> None:
    best = solve(salad)
    assert best is not None
    ladder = MarkdownLadder((1, 2))
    log = read_log(simulated_log(salad, EpsilonGreedy(salad, ladder, 0.0), episodes=4_000, seed=1), salad)
    money = log.money.sum(axis=1)
    exact = worth(salad, action_table(salad, ladder, best.stocks), best.stocks)
    assert abs(money.mean() - exact) < 4 * money.std() / np.sqrt(4_000)
    assert (log.propensities.max(axis=2) == 1).all()
    # Four come at first, at a cost of 1 each; a later delivery is paid in the period before it.
    first = salad.prices[log.action[:, 0]] * log.sold[:, 0] - 4.0
    np.testing.assert_allclose(log.money[:, 0], first)
    np.testing.assert_array_equal(log.wasted[:, 1], np.maximum(log.stock[:, 1, 0] - log.sold[:, 1], 0))


def test_prices_are_asked_as_often_as_their_chances_say(salad: Market) -> None:
    log = read_log(simulated_log(salad, EpsilonGreedy(salad, RULE, 0.3), episodes=2_000, seed=1), salad)
    shares = np.bincount(log.action.ravel(), minlength=3) / log.action.size
    assert shares == pytest.approx([0.1, 0.1, 0.8], abs=4 * np.sqrt(0.8 * 0.2 / log.action.size))


def test_the_same_seed_gives_the_same_log_and_rows_may_lie_in_any_order(salad: Market, table: pa.Table) -> None:
    practice = EpsilonGreedy(salad, RULE, 0.3)
    assert simulated_log(salad, practice, episodes=50, seed=3).equals(table)
    assert not simulated_log(salad, practice, episodes=50, seed=4).equals(table)
    first = read_log(table, salad)
    mixed = read_log(table.take(np.random.default_rng(0).permutation(table.num_rows)), salad)
    for name in Log.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(first, name), getattr(mixed, name))
    with pytest.raises(DataError, match="episodes 0"):
        simulated_log(salad, practice, episodes=0, seed=0)


def test_a_log_tells_where_the_shelves_stood(narrow: Market) -> None:
    """The same days lived by hand: the log's situations are those of the shelves."""
    log = read_log(simulated_log(narrow, EpsilonGreedy(narrow, RULE, 0.0), episodes=30, seed=9), narrow)
    shelves = Shelves(narrow, 30, seed=int(np.random.SeedSequence(9).generate_state(2)[0]))
    for t in range(narrow.periods):
        at, seen = shelves.reading(), log.reading(t)
        for name in ("t", "e", "b", "stock"):
            np.testing.assert_array_equal(getattr(at, name), getattr(seen, name))
        lived = shelves.step(np.full(30, 2))
        np.testing.assert_array_equal(lived.sold, log.sold[:, t])


def changed(table: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("price", 2.5, r"logged_prices.price: 2.5 \(1 of 300 rows\): expected one of 1, 2, 3"),
        ("propensities", [0.5, 0.6, 0.2], r"propensities: 1.3 .*a sum of 1"),
        ("propensities", [0.0, 0.0, 0.0], r"propensities: 0 .*a sum of 1"),
        ("propensities", [-0.1, 0.3, 0.8], r"propensities: -0.1 .*chances from 0 to 1"),
        ("propensities", [0.5, 0.5], r"propensities: a list of 2: expected 3"),
        ("propensities", [float("nan"), 0.5, 0.5], "propensities: nan"),
        ("propensities", None, "propensities: 1 of 300 rows are null"),
        ("stock", [0, -1], r"stock: -1: expected whole numbers from 0 to 6"),
        ("stock", [6, 6], r"stock in all: 12: expected"),
        ("sold", 6, "sold: 6 .*at most the stock"),
        ("sold", 0.5, "sold: 0.5 .*whole number from 0 to 6"),
        ("wasted", -1, "wasted: -1"),
        ("money", float("inf"), "money: inf .*from -1e"),
        ("weather", float("nan"), "weather: nan"),
        ("before", 0.0, "before: 0 "),
        ("period", 6, "period: 6 .*from 0 to 5"),
        ("period", 1, "period: episode 0 holds a period twice"),
        ("episode", 1, "episode: 0 has 5 rows, expected 6"),
    ],
)
def test_a_wrong_row_is_named(salad: Market, table: pa.Table, column: str, value: Any, said: str) -> None:
    row = 0 if column != "before" else 50  # the first episode's first period, or its second
    with pytest.raises(DataError, match=said):
        read_log(changed(table, column, row, value), salad)


def test_prices_that_could_not_have_been_asked_are_refused(salad: Market, narrow: Market, table: pa.Table) -> None:
    asked = int(salad.prices.tolist().index(table["price"][0].as_py()))
    chances = [0.5, 0.5, 0.5]
    chances[asked] = 0.0
    with pytest.raises(DataError, match="more than 0 for the price that was asked"):
        read_log(changed(table, "propensities", 0, chances), salad)
    told = simulated_log(narrow, EpsilonGreedy(narrow, RULE, 0.0), episodes=20, seed=0)
    with pytest.raises(DataError, match="0 for a price that the largest change closes"):
        read_log(changed(told, "propensities", 0, [0.1, 0.0, 0.9]), narrow)
    with pytest.raises(DataError, match=r"before: 1 .*the price asked the period before"):
        read_log(changed(told, "before", 20, 1.0), salad)


def test_tables_of_another_shape_are_refused(salad: Market, table: pa.Table) -> None:
    with pytest.raises(DataError, match=r"columns \['weather'\] are missing"):
        read_log(table.drop_columns(["weather"]), salad)
    with pytest.raises(DataError, match=r"60 rows: expected 120 \(20 episodes of 6 periods\)"):
        read_log(table.filter(pa.compute.less(table["episode"], 10)), salad)
    with pytest.raises(DataError, match="type double is no list"):
        read_log(table.set_column(table.column_names.index("stock"), "stock", table["before"]), salad)
