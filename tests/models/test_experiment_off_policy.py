"""Off-policy estimates: the formulae by hand, no bias in simulation, and less variance where theory says so."""

from collections.abc import Callable

import numpy as np
import pytest

from models.experiments.bandits import BetaThompson
from models.experiments.off_policy import (
    Estimate,
    Log,
    OffPolicyError,
    bootstrap,
    clipped_ips,
    direct,
    doubly_robust,
    ips,
    self_normalised_ips,
    slate_ips,
    switch_doubly_robust,
)
from models.experiments.reward_model import ridge_rewards

# Logged evenly over two actions; the policy to be judged takes action 1 in three of four cases: w = 0.5, 0.5, 0.5, 1.5.
LOG = Log(np.array([0, 0, 0, 1]), np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 0.5))
POLICY = np.tile([0.25, 0.75], (4, 1))
MODEL = np.tile([0.5, 0.8], (4, 1))  # v = 0.25 x 0.5 + 0.75 x 0.8 = 0.725; residuals 0.5, -0.5, 0.5, 0.2

BY_HAND: list[tuple[Estimate, float]] = [
    (ips(LOG, POLICY), 2.5 / 4),  # (0.5 + 0 + 0.5 + 1.5) / 4
    (clipped_ips(LOG, POLICY, bound=1.0), 2.0 / 4),  # the last weight is 1
    (self_normalised_ips(LOG, POLICY), 2.5 / 3),  # the weights sum to 3
    (direct(LOG, POLICY, MODEL), 0.725),
    (doubly_robust(LOG, POLICY, MODEL), 0.725 + (0.25 - 0.25 + 0.25 + 0.3) / 4),
    (switch_doubly_robust(LOG, POLICY, MODEL, bound=1.0), 0.725 + (0.25 - 0.25 + 0.25) / 4),
]


@pytest.mark.parametrize(("estimate", "value"), BY_HAND, ids=[estimate.name for estimate, _ in BY_HAND])
def test_estimators_worked_by_hand(estimate: Estimate, value: float) -> None:
    assert estimate.value == pytest.approx(value)
    assert (estimate.low + estimate.high) / 2 == pytest.approx(value)


def test_error_and_effective_size_worked_by_hand() -> None:
    """w r = 0.5, 0, 0.5, 1.5: mean 0.625, variance 0.3958 (divisor 3), error sqrt(0.3958 / 4); sum w 3, sum w^2 3: 9 / 3."""
    found = ips(LOG, POLICY)
    assert found.standard_error == pytest.approx(np.sqrt(0.395833 / 4), rel=1e-5)
    assert found.effective == pytest.approx(3.0)
    # SNIPS: w (r - 5/6) / 0.75 = 1/9, -5/9, 1/9, 1/3; mean 0, variance (1 + 25 + 1 + 9) / 81 / 3
    assert self_normalised_ips(LOG, POLICY).standard_error == pytest.approx(np.sqrt(36 / 81 / 3 / 4))


def test_slates_worked_by_hand() -> None:
    """Weights by place 2, 0.5 and 1, 2; rewards 1, 1 and 0, 1. position: (2 + 0.5 + 2) / 2; cascade (running products 2, 1 and
    1, 2): (2 + 1 + 2) / 2; standard (products 1 and 2): (1 + 1 + 2) / 2."""
    rewards = np.array([[1.0, 1], [0, 1]])
    policy, logged = np.array([[0.5, 0.2], [0.5, 0.8]]), np.array([[0.25, 0.4], [0.5, 0.4]])
    assert slate_ips(rewards, policy, logged).value == pytest.approx(2.25)
    assert slate_ips(rewards, policy, logged, model="cascade").value == pytest.approx(2.5)
    assert slate_ips(rewards, policy, logged, model="standard").value == pytest.approx(2.0)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class World:
    """Contexts (N, 3), five actions, linear rewards with noise 0.5, a logging policy and one that does better."""

    def __init__(self, seed: int, size: int = 400) -> None:
        weights = np.random.default_rng(99).standard_normal((2, 3, 5))
        rng = np.random.default_rng(seed)
        self.contexts = rng.standard_normal((size, 3))
        self.rewards = 1 + 0.3 * self.contexts @ weights[0]
        logged = softmax(0.5 * self.contexts @ weights[1])
        actions = np.sum(rng.random((size, 1)) > np.cumsum(logged, axis=1), axis=1).clip(0, 4)
        rows = np.arange(size)
        self.log = Log(actions, self.rewards[rows, actions] + 0.5 * rng.standard_normal(size), logged[rows, actions])
        self.policy = softmax(3 * self.rewards)
        self.model = ridge_rewards(self.contexts, self.log, n_actions=5, rng=rng)

    @property
    def truth(self) -> float:
        return float(np.mean(np.sum(self.policy * self.rewards, axis=1)))


@pytest.fixture(scope="module")
def repeated() -> dict[str, np.ndarray]:
    """Error, standard error and cover (300, 3) of each estimator over 300 logs; `flat model` has a reward model that knows nothing."""
    makers: dict[str, Callable[[World], Estimate]] = {
        "ips": lambda w: ips(w.log, w.policy),
        "snips": lambda w: self_normalised_ips(w.log, w.policy),
        "dr": lambda w: doubly_robust(w.log, w.policy, w.model),
        "dr, flat model": lambda w: doubly_robust(w.log, w.policy, np.full(w.policy.shape, 1.0)),
        "dm, flat model": lambda w: direct(w.log, w.policy, np.full(w.policy.shape, 1.0)),
        "switch": lambda w: switch_doubly_robust(w.log, w.policy, w.model, bound=5),
        "clipped": lambda w: clipped_ips(w.log, w.policy, bound=1.5),
    }
    worlds = [World(seed) for seed in range(300)]
    large = World(10**6, size=200_000).truth  # of the contexts' population
    found = {}
    for name, make in makers.items():
        each = [make(world) for world in worlds]
        found[name] = np.array([(e.value - large, e.standard_error, e.low <= large <= e.high) for e in each])
    return found


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "dr, flat model"])
def test_unbiased_with_honest_errors(repeated: dict[str, np.ndarray], name: str) -> None:
    error, claimed, covered = repeated[name].T
    assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(300)
    assert claimed.mean() == pytest.approx(error.std(), rel=0.15)
    assert covered.mean() > 0.90


def test_variance_and_bias_fall_where_theory_says(repeated: dict[str, np.ndarray]) -> None:
    spread = {name: values[:, 0].std() for name, values in repeated.items()}
    assert spread["dr"] < 0.6 * spread["ips"]
    assert spread["dr"] < spread["dr, flat model"] < spread["ips"]
    assert spread["snips"] < spread["ips"]
    assert spread["clipped"] < spread["ips"] and repeated["clipped"][:, 0].mean() < -0.05
    assert repeated["dm, flat model"][:, 0].mean() < -0.2  # the direct method alone inherits the model's ignorance
    assert abs(repeated["switch"][:, 0].mean()) < 0.03


def test_the_reward_model_has_not_seen_the_row_it_predicts() -> None:
    """Rewards are noise and contexts wide: a model fitted on its own rows would follow them (correlation 0.6 and more)."""
    rng = np.random.default_rng(2)
    log = Log(rng.integers(0, 2, 300), rng.standard_normal(300), np.full(300, 0.5))
    model = ridge_rewards(rng.standard_normal((300, 60)), log, n_actions=2, rng=rng)
    assert np.corrcoef(model[np.arange(300), log.actions], log.rewards)[0, 1] < 0.15


def test_a_bootstrap_agrees_with_the_influence_function() -> None:
    found = self_normalised_ips((world := World(1, size=2_000)).log, world.policy)
    low, high = bootstrap(found, resamples=400, rng=np.random.default_rng(0))
    assert high - low == pytest.approx(found.high - found.low, rel=0.15)
    assert low < found.value < high


def test_slates_by_position_have_no_bias_and_far_less_variance() -> None:
    """Six places, clicks that depend on item and place alone: both are unbiased, the whole-slate weights vary wildly."""
    rng = np.random.default_rng(8)
    size, places, items = 200_000, 6, 4
    chance = rng.random((places, items)) * 0.3
    logged, policy = np.full((places, items), 1 / items), rng.dirichlet(np.full(items, 3.0), size=places)
    shown = rng.integers(0, items, (size, places))
    at = np.arange(places)
    clicks = (rng.random((size, places)) < chance[at, shown]).astype(float)
    by_place, whole = (
        slate_ips(clicks, policy[at, shown], logged[at, shown], model=model) for model in ("position", "standard")
    )
    truth = float(np.sum(policy * chance))
    assert abs(by_place.value - truth) < 4 * by_place.standard_error
    assert abs(whole.value - truth) < 4 * whole.standard_error
    assert by_place.standard_error < 0.6 * whole.standard_error


def test_a_bandit_s_own_log_judges_another_policy() -> None:
    """Thompson sampling learns while it logs; its propensities still give the value of always taking action 0 (0.3)."""
    rng, policy = np.random.default_rng(9), BetaThompson(3)
    chances, logs = np.array([0.3, 0.35, 0.4]), []
    for _ in range(60):
        choice = policy.choose(np.zeros((100, 0)), rng)
        rewards = (rng.random(100) < chances[choice.actions]).astype(float)
        logs.append((choice.actions, rewards, choice.propensities))
        policy.learn(np.zeros((100, 0)), choice.actions, rewards)
    actions, rewards, propensities = (np.concatenate(parts) for parts in zip(*logs, strict=True))
    found = ips(Log(actions, rewards, propensities), np.tile([1.0, 0.0, 0.0], (6_000, 1)))
    assert abs(found.value - 0.3) < 4 * found.standard_error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Log(np.array([0, 1]), np.zeros(2), np.array([0.5, 0.0])), "1 of 2 lie outside"),
        (lambda: Log(np.array([0, 1]), np.zeros(3), np.full(2, 0.5)), "expected equal"),
        (lambda: ips(LOG, POLICY * 2), "sum to 1"),
        (lambda: ips(LOG, POLICY[:, :1] * 4), "expected 0..0"),
        (lambda: ips(LOG, POLICY[:2]), r"\(4, K\)"),
        (lambda: clipped_ips(LOG, POLICY, bound=0), "bound 0"),
        (lambda: direct(LOG, POLICY, MODEL[:, :1]), "rewards_model"),
        (lambda: bootstrap(ips(LOG, POLICY), resamples=3, rng=np.random.default_rng(0)), "resamples 3"),
        (lambda: ridge_rewards(np.zeros((3, 1)), LOG, n_actions=2, rng=np.random.default_rng(0)), r"\(4, d\)"),
    ],
)
def test_logs_that_cannot_be_judged_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OffPolicyError, match=message):
        make()
