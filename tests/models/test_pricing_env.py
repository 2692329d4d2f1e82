"""The environment as Gymnasium and Stable-Baselines3 know it, and the outcomes of prices that were not asked."""

from types import ModuleType

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from models.pricing.baselines import BidPrice, Emsr, MarkdownLadder, Myopic
from models.pricing.env import PricingEnv, Shelves
from models.pricing.exact import solve
from models.pricing.fluid import Fluid
from models.pricing.instances import SHIPPED, check_instances, read_instances
from models.pricing.market import RETURN, Market, build_market
from models.pricing.state import NAMES, VARIABLES, Assembler, Reading, width
from models.pricing.vec_env import ShelvesVecEnv


@pytest.fixture
def salad(model_cases: dict[str, ModuleType]) -> Market:
    return build_market(check_instances({"instances": [model_cases["pricing"].SALAD]})[0])


@pytest.fixture
def seats(model_cases: dict[str, ModuleType]) -> Market:
    return build_market(check_instances({"instances": [model_cases["pricing"].SEATS]})[0])


@pytest.mark.filterwarnings("ignore:.*not within the spec.*")
def test_gymnasium_finds_nothing_wrong(salad: Market, seats: Market) -> None:
    for market in (salad, seats):
        check_env(PricingEnv(market), skip_render_check=True)


def test_a_state_has_a_dozen_variables_with_unit_and_source() -> None:
    assert len(VARIABLES) >= 12 and len(set(NAMES)) == len(VARIABLES)
    assert all(each.unit and each.source for each in VARIABLES)


def test_an_episode_by_hand(salad: Market) -> None:
    """Nobody comes: four units, then four more as far as there is room, and what has stood two periods is thrown away."""
    env = PricingEnv(salad.followed_by(np.full_like(salad.mean, 1e-12)))
    env.reset(seed=0)
    told = [env.step(np.int64(2)) for _ in range(6)]
    money = [step[1] for step in told]
    # Period 0: 4 fresh, none expire. 1: they expire, 4 come for period 2 at a cost of 1 each (the first four are sunk).
    assert money == pytest.approx([0.0, -0.8 - 4.0, 0.0, -0.8 - 4.0, 0.0, -0.8])
    assert [step[4]["wasted"] for step in told] == [0, 4, 0, 4, 0, 4]
    assert [step[2] for step in told] == [False] * 5 + [True]


def test_the_state_by_hand(salad: Market) -> None:
    at = Reading(*(np.array([each]) for each in (2, 1, 0)), np.array([[2, 3]]))
    state = dict(zip(NAMES, Assembler(salad).assemble(at)[0], strict=False))
    assert state["to_go"] == pytest.approx(4 / 6)
    assert state["hour_cos"] == pytest.approx(1) and state["hour_sin"] == pytest.approx(0, abs=1e-6)
    assert state["stock"] == pytest.approx(5 / 6)
    assert [state[f"stock_left_{k}"] for k in (1, 2, 3)] == pytest.approx([2 / 6, 3 / 6, 0])
    assert state["weather"] == pytest.approx(0.5) and state["competitor_price"] == 0
    assert state["price_before"] == pytest.approx(1 / 3)
    assert state["next_delivery"] == pytest.approx(1 / 2) and state["coming"] == pytest.approx(4 / 6)
    assert state["demand_now"] == pytest.approx(3.0 / 2.0)
    # 3 expected now; tomorrow the weather stays with chance 0.8: 0.8 * 3 + 0.2 * 1. All five must go by then.
    assert state["cover"] == pytest.approx(np.log1p(max(2 / 3, 5 / (3 + 2.6))))
    assert state["elasticity"] == pytest.approx(1.5)
    assert state["cost"] == pytest.approx(1 / 3)


def test_outcomes_of_all_prices_hold_the_one_that_is_asked(salad: Market) -> None:
    asked, told = (Shelves(salad, 64, seed=5, explore=0.5) for _ in range(2))
    for _ in range(4):
        actions = asked.rng.integers(0, 3, 64)
        told.rng.integers(0, 3, 64)
        found = told.outcomes()
        assert (np.diff(found.stock.sum(axis=2), axis=1) >= 0).all(), "more is left at a dearer price"
        rewards, ended = told.follow(actions, found)
        lived = asked.step(actions)
        np.testing.assert_array_equal(rewards, lived.reward)
        np.testing.assert_array_equal(ended, lived.ended)
        np.testing.assert_array_equal(told.stock, asked.stock)
        np.testing.assert_array_equal(told.observe(), found.states[np.arange(64), actions])
        for shelves in (asked, told):
            shelves.restart(np.flatnonzero(ended))


def test_steps_keep_to_the_largest_change(model_cases: dict[str, ModuleType]) -> None:
    told = {**model_cases["pricing"].SALAD, "largest_change": 0.34}
    shelves = Shelves(build_market(check_instances({"instances": [told]})[0]), 5, seed=0)
    shelves.step(np.zeros(5, dtype=np.int64))
    assert shelves.b.tolist() == [1] * 5
    shelves.step(np.zeros(5, dtype=np.int64))
    assert shelves.b.tolist() == [0] * 5


@pytest.mark.parametrize("counterfactual", [False, True])
def test_episodes_start_anew(salad: Market, counterfactual: bool) -> None:
    env = ShelvesVecEnv(Shelves(salad, 3, seed=0), counterfactual=counterfactual)
    first = env.reset()
    assert first.shape == (3, width(salad)) and first.dtype == np.float32
    for period in range(6):
        states, _, ended, infos = env.step(np.array([0, 1, 2]))
        assert ended.all() == (period == 5)
    np.testing.assert_array_equal(states, first)
    if counterfactual:
        assert env.outcomes is not None and env.outcomes.reward.shape == (3, 3)
    else:
        last = np.stack([info["terminal_observation"] for info in infos])
        assert (
            last.shape == (3, width(salad)) and (last[:, NAMES.index("to_go")] < first[:, NAMES.index("to_go")]).all()
        )
    with pytest.raises(AttributeError, match="alike"):
        env.set_attr("gain", 1)


@pytest.mark.parametrize("instance", read_instances(SHIPPED), ids=lambda each: each.name)
def test_an_episode_brings_about_what_the_network_expects(instance: object) -> None:
    market = build_market(instance)  # type: ignore[arg-type]
    best = solve(market)
    assert best is not None
    assert RETURN / 8 < best.value / market.scale < RETURN * 3


def test_simple_rules_by_hand(salad: Market, seats: Market) -> None:
    def at(market: Market, t: int, stock: list[int], e: int = 0) -> Reading:
        return Reading(*(np.array([each]) for each in (t, e, market.list_index)), np.array([stock]))

    # (p - 1) p^-1.5 is highest at 3 of 1, 2, 3; with stock for free p^-0.5 is highest at 1.
    assert Myopic(salad, 1.0).choose(at(salad, 0, [0, 4])).tolist() == [2]
    assert Myopic(salad, 0.0).choose(at(salad, 0, [0, 4])).tolist() == [0]
    ladder = MarkdownLadder((0, 1))
    assert ladder.choose(at(salad, 0, [1, 4])).tolist() == [0]
    assert ladder.choose(at(salad, 0, [0, 4])).tolist() == [1]
    assert ladder.choose(at(salad, 0, [0, 0])).tolist() == [1]
    # One seat and a night to go: with plenty of arrivals the dearest fare, with the last period and four seats the cheapest.
    assert Emsr(seats, 3.0, False).choose(at(seats, 0, [1])).tolist() == [2]
    assert Emsr(seats, 1.0, False).choose(at(seats, 7, [4])).tolist() == [0]
    assert BidPrice(Fluid(seats), 1.0).choose(at(seats, 0, [1])).tolist() == [2]
    assert BidPrice(Fluid(seats), 1.0).choose(at(seats, 7, [4])).tolist() == [
        int((seats.prices * seats.mean[0, 7, 0]).argmax())
    ]


def test_littlewoods_rule_with_two_fares() -> None:
    """100 and 60: units are kept for the dear class while P(dear demand > units) > 0.6; normal with mean 10, variance 10."""
    market = build_market(
        check_instances({"instances": [{
            "name": "two", "kind": "capacity", "periods": 1, "list_price": 100, "prices": [60, 100], "capacity": 30,
            "segments": [
                {"name": "dear", "arrivals": [10.0], "willingness": 1000, "spread": 0.1},
                {"name": "cheap", "arrivals": [50.0], "willingness": 80, "spread": 0.1},
            ],
        }]})[0]
    )  # fmt: skip
    kept = 10 - 0.2533471 * np.sqrt(10)  # the 40 % quantile: 9.2
    for units, price in ((9, 1), (10, 0)):
        reading = Reading(*(np.zeros(1, dtype=np.int64) for _ in range(3)), np.array([[units]]))
        assert (units > kept) == (price == 0)
        assert Emsr(market, 1.0, False).choose(reading).tolist() == [price]
