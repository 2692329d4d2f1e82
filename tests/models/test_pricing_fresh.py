"""Fresh goods: days worked by hand, what never changes, what prices gain, and a network that beats its rules."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.common.artifact import ArtifactError
from models.common.protocols import DataError, InputError
from models.pricing.config import Config
from models.pricing.data import prepare
from models.pricing.fresh import AHEAD, Goods, pass_day
from models.pricing.fresh_data import goods_bytes, goods_of_bytes, goods_table, read_goods
from models.pricing.fresh_env import FreshShelves
from models.pricing.fresh_judging import live_fresh
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.fresh_rules import FixedMultiple, FreshLadder, FreshNetwork, MyopicMargin, Rollout
from models.pricing.fresh_state import NAMES, WIDTH, expected_sales, gains
from models.pricing.guardrails import Rules
from models.pricing.network import Network
from models.pricing.spec import FreshSpec
from models.pricing.train import fit_fresh

PRICES = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1])


def some(count: int = 40, seed: int = 0, **told: Any) -> Goods:
    """Goods of all kinds; `told` overrides columns, one number for all."""
    rng = np.random.default_rng(seed)
    life = rng.choice([1, 2, 3, 5, 8, 16], count)
    lead, every = rng.integers(1, 3, count), np.where(life <= 7, 1, 3)
    level = np.exp(rng.normal(1.0, 0.8, count)).clip(0.2, 30)
    reach = lead + every - 1
    up_to = np.ceil(
        np.minimum(level * reach + 2 * np.sqrt(1.6 * level * reach), level * (life + lead) + 2 * np.sqrt(level))
    )
    goods = Goods(
        level=level,
        week=np.tile([0.9, 0.9, 0.9, 0.9, 1.1, 1.3, 1.0], (count, 1)),
        level_error=np.full(count, 0.15),
        elasticity=rng.uniform(2.0, 4.5, count),
        elasticity_error=np.full(count, 0.15),
        dispersion=rng.uniform(4.0, 12.0, count),
        cost=rng.uniform(0.55, 0.8, count),
        disposal=np.full(count, 0.05),
        ceiling=np.full(count, 100.0),
        life=life,
        lead=lead,
        every=every,
        up_to=up_to.astype(np.int64),
    )
    return replace(goods, **{name: np.full_like(getattr(goods, name), value) for name, value in told.items()})


def test_a_day_worked_by_hand() -> None:
    # Two shelves of goods that keep three days. One orders tonight for tomorrow, one for the day after.
    goods = some(2, life=3, lead=1, every=1, up_to=10)
    goods = replace(goods, lead=np.array([1, 2]))
    stock = np.array([[2, 3, 1], [2, 3, 1]])  # two units expire tonight
    night = pass_day(
        goods, stock, np.array([0, 4]), np.array([[1, 9], [1, 9]]), np.array([True, True]), np.array([2.0, 2.0])
    )
    assert night.sold.tolist() == [[1, 6], [1, 6]]
    assert night.wasted.tolist() == [[1, 0], [1, 0]]
    # Left over: 3 that then expire next night, and 1. Lead 1: filled up to ten by tomorrow.
    assert night.ordered[0].tolist() == [6, 10] and night.coming[0].tolist() == [0, 0]
    assert night.stock[0].tolist() == [[3, 1, 6], [0, 0, 10]]
    # Lead 2: four arrive tomorrow; of the three that expire tomorrow night two will be sold, one will not: it does not count.
    assert night.ordered[1].tolist() == [10 - (4 + 4 - 1), 10 - 4] and night.coming[1].tolist() == [3, 6]
    assert night.stock[1].tolist() == [[3, 1, 4], [0, 0, 4]]
    idle = pass_day(
        goods, stock, np.array([0, 4]), np.array([[1], [1]]), np.array([False, False]), np.array([2.0, 2.0])
    )
    assert idle.ordered.tolist() == [[0], [0]] and idle.stock[1, 0].tolist() == [3, 1, 4]


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int64, (6, 16), elements=st.integers(0, 9)), st.integers(0, 99))
def test_units_are_neither_made_nor_lost(stock: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    goods = some(6, seed)
    stock = np.where(np.arange(16) < goods.life[:, None], stock, 0)
    coming = np.where(goods.lead > 1, rng.integers(0, 9, 6), 0)
    asked = rng.integers(0, 60, (6, 3))
    night = pass_day(goods, stock, coming, asked, rng.random(6) < 0.5, goods.level)
    arrived = np.where(goods.lead > 1, coming, 0)[:, None] + np.where(goods.lead == 1, night.ordered.T, 0).T
    np.testing.assert_array_equal(
        stock.sum(axis=1)[:, None] - night.sold - night.wasted + arrived, night.stock.sum(axis=2)
    )
    assert (night.stock >= 0).all() and (night.sold <= asked).all()
    assert not night.stock[np.broadcast_to((np.arange(16) >= goods.life[:, None])[:, None, :], night.stock.shape)].any()


def test_expected_sales_are_those_of_many_days() -> None:
    rng = np.random.default_rng(3)
    for mean, shape, units in ((0.4, 8.0, 1), (3.0, 6.0, 4), (12.0, 5.0, 9), (12.0, 5.0, 30)):
        drawn = np.minimum(rng.negative_binomial(shape, shape / (shape + mean), 200_000), units).mean()
        found = expected_sales(np.array(mean), np.array(mean + mean**2 / shape), np.array(float(units)))
        assert found == pytest.approx(drawn, rel=0.06), (mean, units)
    assert expected_sales(np.array(5.0), np.array(5.0), np.array(0.0)) == 0.0
    assert expected_sales(np.array(0.0), np.array(0.0), np.array(4.0)) == pytest.approx(0.0, abs=1e-4)


def test_gains_know_what_spoils() -> None:
    shelves = FreshShelves(
        some(1, life=2, lead=1, every=1, up_to=8, level=4.0, elasticity=3.0), PRICES, 1, seed=0, waste_weight=0.0
    )
    at = shelves.situation()
    nothing = replace(at, stock=np.zeros_like(at.stock))
    assert not gains(nothing, PRICES, 0.0)[0].any() and not gains(nothing, PRICES, 0.0)[1].any()
    tonight, later = (replace(at, stock=np.array([units])) for units in ([12, 0], [0, 12]))
    best = {
        name: PRICES[gains(each, PRICES, 0.0)[0][0].argmax()]
        for name, each in {"tonight": tonight, "later": later}.items()
    }
    assert best["tonight"] < best["later"] < 1.0
    value, lost = gains(tonight, PRICES, 0.0)
    assert (np.diff(lost[0]) >= -1e-9).all()  # the dearer, the more is thrown away
    dear, _ = gains(tonight, PRICES, 2.0)
    np.testing.assert_allclose(value - dear, 2.0 * at.cost[:, None] * lost)


def test_states_are_finite_and_named() -> None:
    shelves = FreshShelves(some(), PRICES, 300, seed=1, waste_weight=0.2)
    assert WIDTH == len(NAMES) >= 12 and len(set(NAMES)) == WIDTH
    for _ in range(20):
        states = shelves.observe()
        assert states.shape == (300, WIDTH + len(PRICES)) and np.isfinite(states).all()
        assert (states[:, WIDTH:] <= 0).all() and (states[:, WIDTH:].max(axis=1) == 0).all()
        shelves.step(np.full(300, 2))


def test_outcomes_are_what_stepping_does() -> None:
    one, two = (FreshShelves(some(), PRICES, 50, seed=4, waste_weight=0.2) for _ in range(2))
    asked = np.random.default_rng(0).integers(0, len(PRICES), 50)
    found = one.outcomes()
    reward, _ = one.follow(asked, found)
    lived = two.step(asked)
    np.testing.assert_allclose(reward, lived.reward)
    np.testing.assert_array_equal(one.stock, two.stock)
    np.testing.assert_array_equal(one.coming, two.coming)
    np.testing.assert_allclose(found.states[np.arange(50), asked], one.observe(), rtol=1e-5, atol=1e-5)
    # The same customers under every price: nobody buys more because it got dearer.
    sold = one._sell(one.situation(), np.broadcast_to(np.arange(len(PRICES)), (50, len(PRICES))))[0].sold
    assert (np.diff(sold, axis=1) <= 0).all()


def test_rules_are_what_they_say() -> None:
    shelves = FreshShelves(some(elasticity=3.0, cost=0.6), PRICES, 60, seed=2, waste_weight=0.0)
    at = shelves.situation()
    assert (FixedMultiple("x", 0.9).choose(at) == 0.9).all()
    assert (MyopicMargin(PRICES).choose(at) == 0.9).all()  # p* = 3 / 2 * 0.6
    ladder = FreshLadder((0.5, 0.8), 1.1).choose(at)
    first = np.where((at.stock > 0).any(axis=1), (at.stock > 0).argmax(axis=1), 9)
    np.testing.assert_array_equal(ladder, np.select([first == 0, first == 1], [0.5, 0.8], 1.1))


def test_a_network_beats_its_rules_and_is_repeatable() -> None:
    cfg = Config(fresh_steps=1_500, hidden=32, waste_weight=0.0)
    goods = some(60, 1)
    network = fit_fresh(goods, cfg, seed=0)
    assert (
        fit_fresh(goods, Config(fresh_steps=40, hidden=8), seed=3).to_bytes()
        == fit_fresh(goods, Config(fresh_steps=40, hidden=8), seed=3).to_bytes()
    )
    policies = [
        FreshNetwork(PRICES, 0.0, network),
        FixedMultiple("list price", 1.0),
        MyopicMargin(PRICES),
        FreshLadder((0.7,), 1.0),
    ]
    dqn, listed, myopic, ladder = (live_fresh(goods, PRICES, each, shelves=900, days=40, seed=9) for each in policies)
    assert dqn.gross_margin > 1.01 * max(listed.gross_margin, myopic.gross_margin, ladder.gross_margin)
    assert dqn.waste < 0.5 * listed.waste
    again = live_fresh(goods, PRICES, policies[1], shelves=900, days=40, seed=9)
    assert (again.gross == listed.gross).all()


def predictor(goods: Goods, rules: Rules | None = None, essential: bool = False) -> FreshPredictor:
    rng = np.random.default_rng(5)
    width, hidden, prices = WIDTH + len(PRICES), 12, len(PRICES)
    shapes = {
        "first": (hidden, width),
        "second": (hidden, hidden),
        "advantage": (prices, hidden),
        "value": (1, hidden),
        "weight": (1, hidden),
    }
    parts = {f"{name}.weight": rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    parts |= {f"{name}.bias": rng.normal(0, 0.1, shape[0]).astype(np.float32) for name, shape in shapes.items()}
    names = tuple(f"S1|P{number}" for number in range(len(goods)))
    spec = FreshSpec(
        goods=names,
        essential=(essential,) * len(goods),
        prices=tuple(PRICES),
        waste_weight=0.2,
        variables=NAMES,
        rules=rules or Rules(),
    )
    return FreshPredictor(spec, goods, Network(parts))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.one_of(st.none(), st.floats(0.02, 0.5)),
    st.one_of(st.none(), st.floats(-1, 0.5)),
)
def test_no_price_breaks_a_rule(seed: int, essential: bool, change: float | None, margin: float | None) -> None:
    rng = np.random.default_rng(seed)
    goods, count = some(12, seed % 7), 12
    rules = Rules(largest_change=change, margin_floor=margin)
    asked = request(goods, rng, count)
    reply = predictor(goods, rules, essential).predict(asked)
    assert np.isfinite(reply.price).all() and (reply.price >= 0.01).all()
    np.testing.assert_allclose(reply.price * 100, np.round(reply.price * 100))
    held = ~reply.yielded
    if essential:
        assert (reply.price <= asked.list_price + 1e-9).all()
    if margin is not None:
        assert ((reply.price - goods.cost * asked.list_price >= margin * reply.price - 0.011) | ~held[:, 3]).all()
    if change is not None:
        assert ((np.abs(reply.price - asked.before) <= change * asked.list_price + 1e-9) | ~held[:, 4]).all()


def request(goods: Goods, rng: np.random.Generator, count: int) -> FreshInput:
    stock = rng.integers(0, 9, (count, goods.ages)) * (np.arange(goods.ages) < goods.life[:count, None])
    listed = np.round(rng.uniform(0.5, 9.0, count), 2)
    return FreshInput(
        [f"S1|P{number}" for number in range(count)], listed, stock, np.round(listed * rng.uniform(0.3, 1.2, count), 2),
        rng.integers(0, 7, count), rng.integers(0, 5, count), rng.integers(0, 3, count),
    )  # fmt: skip


def test_what_is_not_told_is_as_trained() -> None:
    goods = some(8)
    asked = request(goods, np.random.default_rng(1), 8)
    days = (np.asarray(asked.weekday)[:, None] + np.arange(AHEAD)) % 7
    told = replace(
        asked, expected=goods.level[:, None] * np.take_along_axis(goods.week, days, axis=1), up_to=goods.up_to
    )
    of = predictor(goods)
    np.testing.assert_array_equal(of.predict(asked).values, of.predict(told).values)
    narrow = replace(asked, stock=asked.stock[:, :1] * 0)
    assert (of.predict(narrow).price == of.predict(replace(asked, stock=asked.stock * 0)).price).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"good": ["S1|P0"] * 11 + ["milk"]}, r"good: 'milk' is unknown"),
        ({"good": "S1|P0"}, "expected a list"),
        ({"list_price": [0.0] * 12}, r"list_price: 0: expected numbers from 0.01"),
        ({"weekday": [7] * 12}, "weekday: 7: expected whole numbers from 0 to 6"),
        ({"stock": np.full((12, 16), 1)}, r"stock: S1\|P\d+ keeps \d+ days: no unit can have more left"),
        ({"stock": np.zeros((12, 17))}, r"stock: shape \(12, 17\)"),
        ({"expected": np.full((12, AHEAD), -1.0)}, "expected: -1"),
        ({"coming": [0.5] * 12}, "coming: 0.5: expected whole"),
        ({"before": [np.nan] * 12}, "before: nan"),
    ],
)
def test_hostile_requests_are_refused(change: dict[str, Any], said: str) -> None:
    goods = some(12)
    with pytest.raises(InputError, match=said):
        predictor(goods).predict(replace(request(goods, np.random.default_rng(0), 12), **change))


def test_goods_travel_as_a_table_and_as_bytes() -> None:
    goods = some(5)
    table = goods_table([f"g{n}" for n in range(5)], goods, "2024-06-30")
    names, read, until = read_goods(table)
    assert names[4] == "g4" and str(until) == "2024-06-30"
    for each in (read, goods_of_bytes(goods_bytes(goods))):
        assert all((getattr(each, name) == getattr(goods, name)).all() for name in ("level", "week", "life", "up_to"))
    data = prepare({"fresh_goods": table}, Config())
    assert data.fresh is not None and str(data.trained_until) == "2024-06-30"
    assert prepare({"fresh_goods": table.slice(0, 4)}, Config()).fingerprint != data.fingerprint
    with pytest.raises(DataError, match="'g0' is there twice"):
        read_goods(goods_table(["g0"] * 5, goods, "2024-06-30"))
    with pytest.raises(DataError, match=r"cost: -1 lies outside \[0, 10\]"):
        some(5, cost=-1.0)
    with pytest.raises(ArtifactError, match="fetch the artifact again"):
        goods_of_bytes(b"torn")


def test_essential_goods_are_never_above_list() -> None:
    goods = some(60, 2, ceiling=1.0, elasticity=1.5)  # the dearer, the better: margin alone asks for 1.1
    dear, listed = (
        live_fresh(goods, PRICES, FixedMultiple("x", each), shelves=300, days=20, seed=1) for each in (1.1, 1.0)
    )
    assert (dear.gross == listed.gross).all() and dear.price == pytest.approx(1.0)
    asked = request(goods, np.random.default_rng(2), 60)
    reply = predictor(goods, essential=True).predict(asked)
    assert (reply.price <= asked.list_price).all()
    states = FreshShelves(goods, PRICES, 200, seed=0, waste_weight=0.0).observe()
    np.testing.assert_array_equal(states[:, -1], states[:, -2])  # 1.1 and 1.0 gain alike


def test_rollout_with_a_weight_wastes_less() -> None:
    goods = some(80, 3)
    light, heavy = (live_fresh(goods, PRICES, Rollout(PRICES, w), shelves=800, days=30, seed=1) for w in (0.0, 1.0))
    assert heavy.waste < 0.8 * light.waste and heavy.gross_margin < light.gross_margin
