"""Bandits: propensities that are those of the draw, hand-worked posteriors, state without pickle, and falling regret."""

from collections.abc import Callable

import numpy as np
import pytest

from models.experiments.bandits import (
    BanditError,
    BetaThompson,
    EpsilonGreedy,
    LinearThompson,
    LinUCB,
    Policy,
)
from models.experiments.winning import NODES, beta_wins, normal_wins

MAKERS: dict[str, Callable[[], Policy]] = {
    "epsilon-greedy": lambda: EpsilonGreedy(3, epsilon=0.2),
    "beta thompson": lambda: BetaThompson(3),
    "linear thompson": lambda: LinearThompson(3, 2, noise=0.5),
    "linucb": lambda: LinUCB(3, 2),
}


def taught(policy: Policy) -> Policy:
    rng = np.random.default_rng(7)
    contexts = rng.standard_normal((60, 2))
    policy.learn(contexts, rng.integers(0, 3, 60), rng.integers(0, 2, 60).astype(float))
    return policy


@pytest.fixture(params=MAKERS)
def maker(request: pytest.FixtureRequest) -> Callable[[], Policy]:
    return MAKERS[request.param]


def test_actions_come_with_the_probability_that_is_logged(maker: Callable[[], Policy]) -> None:
    context = np.array([[0.3, -0.8]])
    choice = taught(maker()).choose(np.repeat(context, 20_000, axis=0), np.random.default_rng(1))
    np.testing.assert_allclose(choice.probabilities.sum(axis=1), 1.0)
    found = np.bincount(choice.actions, minlength=3) / 20_000
    np.testing.assert_allclose(found, choice.probabilities[0], atol=0.015)  # four deviations of a share of 0.5
    np.testing.assert_array_equal(choice.propensities, choice.probabilities[np.arange(20_000), choice.actions])


def test_state_makes_the_same_policy(maker: Callable[[], Policy]) -> None:
    first, contexts = taught(maker()), np.random.default_rng(2).standard_normal((50, 2))
    second = maker()
    second.restore(first.state())
    for _ in range(2):
        one, two = (policy.choose(contexts, np.random.default_rng(3)) for policy in (first, second))
        np.testing.assert_array_equal(one.actions, two.actions)
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
        second.learn(contexts[:5], one.actions[:5], np.ones(5))
        first.learn(contexts[:5], one.actions[:5], np.ones(5))
    assert all(isinstance(values, np.ndarray) and values.dtype != object for values in first.state().values())


def test_a_state_that_was_taken_and_its_policy_leave_one_another_alone(maker: Callable[[], Policy]) -> None:
    policy = taught(maker())
    kept = policy.state()
    before = {name: values.copy() for name, values in kept.items()}
    taught(policy)
    for name, values in kept.items():
        np.testing.assert_array_equal(values, before[name])
    kept = policy.state()
    for values in kept.values():
        values[:] = -7.0
    assert all(np.all(values != kept[name]) for name, values in policy.state().items())


def test_hostile_feedback_is_refused(maker: Callable[[], Policy]) -> None:
    policy, contexts = maker(), np.zeros((2, 2))
    with pytest.raises(BanditError, match=r"expected 0\.\.2"):
        policy.learn(contexts, np.array([0, 3]), np.zeros(2))
    with pytest.raises(BanditError, match="finite"):
        policy.learn(contexts, np.array([0, 1]), np.array([0.5, np.nan]))
    with pytest.raises(BanditError, match="state"):
        policy.restore({})


def test_epsilon_greedy_worked_by_hand() -> None:
    """Four actions, epsilon 0.2, action 2 best: 0.2 / 4 + 0.8 for it, 0.05 for the others; before any reward all are even."""
    policy = EpsilonGreedy(4, epsilon=0.2)
    contexts, rng = np.zeros((1, 0)), np.random.default_rng(0)
    np.testing.assert_allclose(policy.choose(contexts, rng).probabilities, [[0.25] * 4])
    policy.learn(np.zeros((4, 0)), np.arange(4), np.array([0.0, 0.1, 0.9, 0.2]))
    np.testing.assert_allclose(policy.choose(contexts, rng).probabilities, [[0.05, 0.05, 0.85, 0.05]])


def test_chances_of_being_best_worked_by_hand() -> None:
    """Beta(1, 1) beats Beta(2, 1) with E[1 - V] = 1/3. Normals 1 apart with deviations 0.6 and 0.8: Phi(1 / 1) = 0.8413."""
    np.testing.assert_allclose(beta_wins(np.array([1.0, 2.0]), np.array([1.0, 1.0])), [1 / 3, 2 / 3], atol=1e-4)
    found = normal_wins(np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]]))
    np.testing.assert_allclose(found, [[0.841345, 0.158655]], atol=1e-3)


def test_chances_keep_their_bound_where_a_posterior_is_a_spike() -> None:
    """A spike at 0.3 among standard normals is best with probability Phi(0.3)^2."""
    from scipy.special import ndtr

    found = normal_wins(np.array([[0.3, 0.0, 0.0]]), np.array([[1e-9, 1.0, 1.0]]))
    assert found[0, 0] == pytest.approx(ndtr(0.3) ** 2, abs=3 / (2 * NODES))


def test_linucb_worked_by_hand() -> None:
    """Width 1, prior 1; action 0 earned 1 once in context 1: precision 2, mean 0.5, deviation sqrt(1/2) = 0.707; action 1: 0, 1.
    Optimism 1: 1.207 beats 1. Optimism 2: 1.914 loses to 2."""
    for optimism, best in ((1.0, 0), (2.0, 1)):
        policy = LinUCB(2, 1, optimism=optimism)
        policy.learn(np.ones((1, 1)), np.array([0]), np.array([1.0]))
        assert policy.choose(np.ones((1, 1)), np.random.default_rng(0)).actions.tolist() == [best]


def regret(make: Callable[[], Policy], chances: np.ndarray, contexts: np.ndarray, *, rounds: int, seed: int) -> float:
    """Mean regret a pull over `rounds` of 20 pulls; chances (20, K) of the contexts (20, d)."""
    rng, policy, lost = np.random.default_rng(seed), make(), 0.0
    for _ in range(rounds):
        actions = policy.choose(contexts, rng).actions
        got = chances[np.arange(actions.size), actions]
        policy.learn(contexts, actions, (rng.random(actions.size) < got).astype(float))
        lost += float(np.sum(chances.max(axis=1) - got))
    return lost / (rounds * actions.size)


def test_thompson_loses_less_than_epsilon_greedy_less_than_chance() -> None:
    chances, contexts = np.tile([0.1, 0.2, 0.3, 0.4, 0.5], (20, 1)), np.zeros((20, 0))
    thompson, greedy, chance = (
        np.mean([regret(make, chances, contexts, rounds=250, seed=seed) for seed in range(8)])
        for make in (lambda: BetaThompson(5), lambda: EpsilonGreedy(5), lambda: EpsilonGreedy(5, epsilon=1.0))
    )
    assert thompson < 0.7 * greedy < 0.2 * chance, f"{thompson:.4f}, {greedy:.4f}, {chance:.4f}"
    assert chance == pytest.approx(0.2, abs=0.01)  # 0.5 less the mean 0.3


def test_context_pays_where_the_best_action_depends_on_it() -> None:
    contexts = np.vstack([np.tile([1.0, 0.0], (10, 1)), np.tile([0.0, 1.0], (10, 1))])
    chances = np.vstack([np.tile([0.7, 0.2], (10, 1)), np.tile([0.2, 0.7], (10, 1))])
    blind = regret(lambda: BetaThompson(2), chances, contexts, rounds=60, seed=1)
    for make in (lambda: LinearThompson(2, 2, noise=0.5), lambda: LinUCB(2, 2, optimism=0.5)):
        assert regret(make, chances, contexts, rounds=60, seed=1) < 0.25 * blind


def test_arguments_out_of_bounds_name_the_value() -> None:
    with pytest.raises(BanditError, match="epsilon 2"):
        EpsilonGreedy(2, epsilon=2)
    with pytest.raises(BanditError, match="n_actions 1"):
        BetaThompson(1)
    with pytest.raises(BanditError, match="noise 0"):
        LinearThompson(2, 1, noise=0)
    with pytest.raises(BanditError, match=r"rewards in \[2.0"):
        BetaThompson(2).learn(np.zeros((1, 0)), np.array([0]), np.array([2.0]))
    with pytest.raises(BanditError, match=r"\(N, 3\)"):
        LinUCB(2, 3).choose(np.zeros((1, 2)), np.random.default_rng(0))
