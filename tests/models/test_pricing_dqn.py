"""Learning prices: near the optimum on a small problem, the same network in NumPy and torch, the knobs that matter."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
import torch

from models.common.artifact import ArtifactError
from models.common.torch_control import torch_controlled
from models.pricing.baselines import list_price
from models.pricing.config import Config
from models.pricing.data import Dataset, prepare, problem_table
from models.pricing.dqn import CounterfactualDQN, OutcomeBuffer, falling
from models.pricing.env import Shelves
from models.pricing.evaluate import evaluate
from models.pricing.exact import solve, worth
from models.pricing.instances import check_instances
from models.pricing.judging import action_table, live
from models.pricing.market import build_market
from models.pricing.model import DuellingPolicy, DuellingQNetwork
from models.pricing.network import Network
from models.pricing.peers import fit_peer
from models.pricing.predict import NetworkPolicy, PriceInput
from models.pricing.train import Trained, fit_network, train
from models.pricing.vec_env import ShelvesVecEnv

QUICK: dict[str, Any] = {
    "steps": 6_000, "shelves": 32, "hidden": 48, "buffer": 8_000, "peer_steps": 0, "tuning_episodes": 400,
}  # fmt: skip


UNTRAINED = Config(**{**QUICK, "steps": 1, "learning_rate": 1e-9})
DISPOSAL: dict[str, Any] = {"disposal_cost": 2.0, "dispersion": 1.0, "mean": 2.5, "periods": 8}  # bid prices are poor


@pytest.fixture(scope="module")
def data(model_cases: dict[str, ModuleType]) -> Dataset:
    case = model_cases["pricing"]
    told = check_instances({"instances": [{**case.SALAD, **DISPOSAL}, {**case.SEATS, "dispersion": 0.5}]})
    return prepare({"instances": problem_table(told)}, Config(**QUICK))


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, data.config, seed=0)


def test_prices_come_near_the_optimum_on_problems_small_enough_to_solve(data: Dataset, trained: Trained) -> None:
    """A fresh network is a bid price already, so what counts is how much of its gap to the optimum learning closes."""
    report = evaluate(trained.predictor(), data)
    for name, market in zip(("salad", "seats"), data.truths, strict=True):
        best = solve(market)
        assert best is not None
        fresh = NetworkPolicy(market, fit_network(data.markets[0 if name == "salad" else 1], UNTRAINED, seed=0))
        before = worth(market, action_table(market, fresh, best.stocks), best.stocks)
        after = report.value("DQN", "value", name)
        assert best.value >= after > before
        assert (after - before) / (best.value - before) > 0.5
        assert report.value("DQN", "share of the optimum", name) == pytest.approx(after / best.value)
        assert report.value("DQN", "short of the optimum", name) == pytest.approx(best.value - after)
    assert max(row.value for row in report.rows if row.metric == "share of the optimum") <= 1.0 + 1e-9
    assert {"shares", "map_salad", "paths_seats"} <= set(report.plots)


def test_numpy_says_what_torch_says(data: Dataset) -> None:
    market = data.markets[0]
    with torch_controlled(1, 0):
        env = ShelvesVecEnv(Shelves(market, 16, seed=1, explore=1.0), counterfactual=True)
        model = CounterfactualDQN(
            DuellingPolicy,
            env,
            draws=0,
            buffer_size=64,
            policy_kwargs={"net_arch": [8, 8]},
            device="cpu",
        )
        with torch.no_grad():
            for part in model.q_net.parameters():
                part.normal_()
            states = env.shelves.observe()
            expected = model.q_net(torch.from_numpy(states)).numpy()
        network = Network(cast(DuellingQNetwork, model.q_net).parts())
    np.testing.assert_allclose(network.values(states), expected, rtol=1e-4, atol=1e-4)
    again = Network.from_bytes(network.to_bytes())
    np.testing.assert_array_equal(again.values(states), network.values(states))


def test_a_fresh_network_prefers_what_gains_most_over_the_charge(data: Dataset) -> None:
    """Heads start at 0 and the weight of gains at 1, so that V plus what a price gains now is all there is."""
    market = data.markets[1]
    env = ShelvesVecEnv(Shelves(market, 50, seed=1, explore=1.0), counterfactual=True)
    with torch_controlled(1, 0):
        model = CounterfactualDQN(
            DuellingPolicy,
            env,
            draws=0,
            buffer_size=64,
            policy_kwargs={"net_arch": [8, 8]},
            device="cpu",
        )
    states = env.shelves.observe()
    chosen, _ = model.predict(states, deterministic=True)
    np.testing.assert_array_equal(chosen, states[:, -3:].argmax(axis=1))


def test_the_buffer_keeps_the_newest(data: Dataset) -> None:
    shelves = Shelves(data.markets[0], 4, seed=0)
    env = ShelvesVecEnv(shelves)
    buffer = OutcomeBuffer(6, env.observation_space, env.action_space)
    for value in (1.0, 2.0, 3.0):
        found = replace(shelves.outcomes(), reward=np.full((4, 3), value))
        buffer.keep(shelves.observe(), found)
    assert buffer.full and sorted(buffer.reward[:, 0].tolist()) == [2, 2, 3, 3, 3, 3]
    drawn = buffer.draw(5, np.random.default_rng(0))
    assert drawn.states.shape[0] == 5 and drawn.reward.shape == drawn.open.shape == (5, 3)
    assert drawn.following.shape[:2] == (5, 3) and drawn.goes_on.shape == (5, 1)
    with pytest.raises(NotImplementedError, match="draw"):
        buffer.sample(3)


def test_an_environment_without_outcomes_is_refused(data: Dataset) -> None:
    env = ShelvesVecEnv(Shelves(data.markets[0], 4, seed=0))
    model = CounterfactualDQN(DuellingPolicy, env, draws=0, buffer_size=64, train_freq=1, device="cpu")
    with pytest.raises(ValueError, match="counterfactual=True"):
        model.learn(8)


def test_training_leaves_no_folder_behind(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cfg = Config(**{**QUICK, "steps": 40, "peer_steps": 40})
    fit_network(data.markets[0], cfg, seed=0)
    fit_peer(data.markets[0], cfg, seed=0)
    assert list(tmp_path.glob("SB3-*")) == []


def test_rates_fall_in_a_straight_line() -> None:
    rate = falling(0.1)
    assert [rate(1.0), rate(0.5), rate(0.0)] == pytest.approx([0.1, 0.05, 0.001])


def test_elasticity_wrong_by_half_still_beats_list_price(model_cases: dict[str, ModuleType]) -> None:
    """Believed half or one and a half times as elastic as it is, learned on a spread from half to twice the belief."""
    told = check_instances({"instances": [{**model_cases["pricing"].SALAD, **DISPOSAL, "elasticity": 2.0}]})[0]
    truth = build_market(told)
    best = solve(truth)
    assert best is not None
    listed = worth(truth, action_table(truth, list_price(truth), best.stocks), best.stocks)
    for wrong in (0.5, 1.5):
        spread = [wrong * factor for factor in (0.5, 0.7, 1.0, 1.4, 2.0)]
        believed = build_market(told, believed_factor=wrong, elasticity_factors=spread)
        values = []
        for cfg in (UNTRAINED, Config(**{**QUICK, "steps": 2_000})):
            policy = NetworkPolicy(believed, fit_network(believed, cfg, seed=0))
            values.append(worth(truth, action_table(truth, policy, best.stocks), best.stocks))
        assert values[1] > listed
        assert values[1] > values[0], "learning on the spread must beat the bid price of a wrong belief"


def test_a_quote_is_the_networks_price_with_its_reason(data: Dataset, trained: Trained) -> None:
    predictor = trained.predictor()
    told = PriceInput("seats", [0, 7], [[4], [4]], [10.0, 10.0], {}, lowest=[9.0, 30.0])
    reply = predictor.predict(told)
    assert set(reply.price.tolist()) <= {6.0, 10.0, 14.0} and (reply.rule == "").all()
    np.testing.assert_allclose(reply.worth, reply.values.max(axis=1))
    assert (reply.gain >= 0).all()
    shown = np.isfinite(reply.reference)
    np.testing.assert_array_equal(shown, reply.price < np.array([9.0, 30.0]))


def test_an_artifact_for_another_state_is_refused(data: Dataset, trained: Trained, tmp_path: Path) -> None:
    narrow = Network(
        {
            name: part[:, 1:] if name == "first.weight" else part
            for name, part in trained.networks["salad"].parts.items()
        }
    )
    with pytest.raises(ArtifactError, match="reads"):
        NetworkPolicy(data.markets[0], narrow)
    with pytest.raises(ArtifactError, match="network"):
        Network({})
    parts = dict(trained.networks["salad"].parts)
    for name, wrong in (("first.bias", np.zeros(1)), ("first.weight", np.zeros(3)), ("advantage.bias", np.zeros(()))):
        with pytest.raises(ArtifactError, match="shapes"):
            Network({**parts, name: wrong.astype(np.float32)})
    with pytest.raises(ArtifactError, match="do not fit or are not finite"):
        Network({**parts, "value.bias": np.array([np.nan], dtype=np.float32)})


def test_lived_figures_add_up(data: Dataset) -> None:
    lived = live(data.truths[0], list_price(data.truths[0]), episodes=300, seed=1)
    assert len(lived.money) == 300 and lived.price == pytest.approx(3.0)
    # Sales at 3, deliveries beyond the first cost 1 each, units thrown away 2, what is left at the end nothing.
    deliveries = lived.offered
    assert lived.money.mean() == pytest.approx(3 * lived.sold - deliveries - 2 * lived.wasted)
    assert lived.sold + lived.wasted <= lived.offered <= lived.sold + lived.wasted + 6
    again = live(data.truths[0], list_price(data.truths[0]), episodes=300, seed=1)
    np.testing.assert_array_equal(lived.money, again.money)
