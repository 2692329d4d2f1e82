"""Policies that learn while they act, behind one interface: epsilon-greedy, Thompson sampling and LinUCB.

`choose` returns actions with the probability of each, so that what they log can be judged by `off_policy` later; `learn`
takes rewards. Actions are drawn from the very probabilities that are returned, so the logged propensity is exact even where
Thompson's own probabilities are computed by quadrature. `state` and `restore` carry what was learnt as plain arrays, so
that it is stored without pickle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float, Ints
from models.experiments.winning import beta_wins, normal_wins

MAX_ACTIONS = 1_000
State = Mapping[str, npt.NDArray[Any]]


class BanditError(ValueError):
    """Contexts, rewards or a state that a policy refuses; the message names shapes, bound and remedy."""


@dataclass(frozen=True)
class Choice:
    """actions (N,) and probabilities (N, K) of all actions; `propensities` (N,) are those of the actions chosen."""

    actions: Ints
    probabilities: Float

    @property
    def propensities(self) -> Float:
        """Probability with which each chosen action was drawn, (N,)."""
        return np.asarray(np.take_along_axis(self.probabilities, self.actions[:, None], axis=1)[:, 0])


class Policy(Protocol):
    """Chooses one of K actions for each context (N, d), and learns from rewards (N,)."""

    def choose(self, contexts: Float, rng: np.random.Generator) -> Choice: ...
    def learn(self, contexts: Float, actions: Ints, rewards: Float) -> None: ...
    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class _Counting:
    """What policies without contexts share: pulls (K,) and summed rewards (K,)."""

    def __init__(self, n_actions: int) -> None:
        _check_actions(n_actions)
        self._arrays: dict[str, npt.NDArray[Any]] = {"pulls": np.zeros(n_actions), "gains": np.zeros(n_actions)}

    def learn(self, contexts: Float, actions: Ints, rewards: Float) -> None:
        """Add rewards (N,) of actions (N,); contexts (N, d) are not read."""
        pulls = self._arrays["pulls"]
        _check_feedback(contexts, actions, rewards, pulls.size)
        self._arrays["pulls"] = pulls + np.bincount(actions, minlength=pulls.size)
        self._arrays["gains"] = self._arrays["gains"] + np.bincount(actions, weights=rewards, minlength=pulls.size)

    def state(self) -> State:
        """Copies of what was learnt."""
        return {name: values.copy() for name, values in self._arrays.items()}

    def restore(self, state: State) -> None:
        """Take over what `state` returned; BanditError for other names or shapes."""
        self._arrays = _checked(state, self._arrays)


class EpsilonGreedy(_Counting):
    """The action of best mean reward, and with probability epsilon any. Ties (and untried actions) are drawn evenly."""

    def __init__(self, n_actions: int, *, epsilon: float = 0.1) -> None:
        super().__init__(n_actions)
        if not 0 <= epsilon <= 1:
            raise BanditError(f"epsilon {epsilon}: expected a probability inside [0, 1]")
        self._epsilon = epsilon

    def choose(self, contexts: Float, rng: np.random.Generator) -> Choice:
        """Exact probabilities: epsilon / K, plus (1 - epsilon) / ties for the best."""
        pulls, gains = self._arrays["pulls"], self._arrays["gains"]
        mean = np.divide(gains, pulls, out=np.full(pulls.size, np.inf), where=pulls > 0)
        best = mean == mean.max()
        row = self._epsilon / best.size + (1 - self._epsilon) * best / best.sum()
        return _draw(np.tile(row, (contexts.shape[0], 1)), rng)


class BetaThompson(_Counting):
    """Thompson sampling of rewards in {0, 1} or [0, 1] with Beta(1, 1) priors (Chapelle and Li 2011)."""

    def choose(self, contexts: Float, rng: np.random.Generator) -> Choice:
        """Probabilities of being the best by quadrature, off by at most 1 / 512 (see `winning`)."""
        pulls, gains = self._arrays["pulls"], self._arrays["gains"]
        row = beta_wins(1 + gains, 1 + pulls - gains)
        return _draw(np.tile(row, (contexts.shape[0], 1)), rng)

    def learn(self, contexts: Float, actions: Ints, rewards: Float) -> None:
        """As the base; rewards outside [0, 1] are refused, for a Beta posterior knows none."""
        if rewards.size and (rewards.min() < 0 or rewards.max() > 1):
            raise BanditError(f"rewards in [{rewards.min()}, {rewards.max()}]: expected [0, 1]: scale them")
        super().learn(contexts, actions, rewards)


class _Linear:
    """What linear policies share: for every action a ridge regression of rewards on contexts of width d.

    precision (K, d, d) starts as the identity times `prior`; shift (K, d) sums reward times context.
    """

    def __init__(self, n_actions: int, width: int, *, prior: float = 1.0) -> None:
        _check_actions(n_actions)
        if width < 1 or not prior > 0:
            raise BanditError(f"width {width}, prior {prior}: expected at least 1 and more than 0")
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "precision": np.tile(prior * np.eye(width), (n_actions, 1, 1)),
            "shift": np.zeros((n_actions, width)),
        }

    def learn(self, contexts: Float, actions: Ints, rewards: Float) -> None:
        """Add rewards (N,) of actions (N,) taken in contexts (N, d)."""
        precision, shift = self._arrays["precision"].copy(), self._arrays["shift"].copy()
        self._check_width(contexts)
        _check_feedback(contexts, actions, rewards, shift.shape[0])
        for action in np.unique(actions):
            rows = contexts[actions == action]
            precision[action] += rows.T @ rows
            shift[action] += rewards[actions == action] @ rows
        self._arrays = {"precision": precision, "shift": shift}

    def state(self) -> State:
        """Copies of what was learnt."""
        return {name: values.copy() for name, values in self._arrays.items()}

    def restore(self, state: State) -> None:
        """Take over what `state` returned; BanditError for other names or shapes."""
        self._arrays = _checked(state, self._arrays)

    def _scores(self, contexts: Float) -> tuple[Float, Float]:
        """Mean (N, K) and standard deviation (N, K), in units of the noise, of each action's expected reward."""
        self._check_width(contexts)
        inverse = np.linalg.inv(self._arrays["precision"])
        theta = np.einsum("kij,kj->ki", inverse, self._arrays["shift"])
        spread = np.einsum("ni,kij,nj->nk", contexts, inverse, contexts, optimize=True)
        return contexts @ theta.T, np.sqrt(np.maximum(spread, 0.0))

    def _check_width(self, contexts: Float) -> None:
        width = self._arrays["shift"].shape[1]
        if contexts.ndim != 2 or contexts.shape[1] != width or not np.isfinite(contexts).all():
            raise BanditError(f"contexts {contexts.shape}: expected finite values of shape (N, {width})")


class LinearThompson(_Linear):
    """Thompson sampling with a linear Gaussian reward per action (Agrawal and Goyal 2013); `noise` is its deviation."""

    def __init__(self, n_actions: int, width: int, *, noise: float = 1.0, prior: float = 1.0) -> None:
        super().__init__(n_actions, width, prior=prior)
        if not noise > 0:
            raise BanditError(f"noise {noise}: expected the standard deviation of a reward, more than 0")
        self._noise = noise

    def choose(self, contexts: Float, rng: np.random.Generator) -> Choice:
        """Probabilities of being the best by quadrature, off by at most 1 / 512 (see `winning`)."""
        mean, spread = self._scores(contexts)
        return _draw(normal_wins(mean, self._noise * spread), rng)


class LinUCB(_Linear):
    """The action of highest upper bound, mean + optimism x deviation (Li, Chu, Langford and Schapire, WWW 2010)."""

    def __init__(self, n_actions: int, width: int, *, optimism: float = 1.0, prior: float = 1.0) -> None:
        super().__init__(n_actions, width, prior=prior)
        if not optimism >= 0:
            raise BanditError(f"optimism {optimism}: expected deviations, 0 or more")
        self._optimism = optimism

    def choose(self, contexts: Float, rng: np.random.Generator) -> Choice:
        """Ties are drawn evenly; otherwise the probability is 1, and what it logs cannot judge another policy."""
        mean, spread = self._scores(contexts)
        bound = mean + self._optimism * spread
        best = bound == bound.max(axis=1, keepdims=True)
        return _draw(best / best.sum(axis=1, keepdims=True), rng)


def _draw(probabilities: Float, rng: np.random.Generator) -> Choice:
    edges = np.cumsum(probabilities, axis=1)
    point = rng.random((probabilities.shape[0], 1)) * edges[:, -1:]
    return Choice(np.sum(point >= edges, axis=1).astype(np.int64), probabilities)


def _check_actions(n_actions: int) -> None:
    if not 2 <= n_actions <= MAX_ACTIONS:
        raise BanditError(f"n_actions {n_actions}: expected 2 to {MAX_ACTIONS}")


def _check_feedback(contexts: Float, actions: Ints, rewards: Float, n_actions: int) -> None:
    size = contexts.shape[0]
    if actions.shape != (size,) or rewards.shape != (size,) or not np.isfinite(rewards).all():
        raise BanditError(
            f"contexts {contexts.shape}, actions {actions.shape}, rewards {rewards.shape}: expected (N, d), (N,), finite (N,)"
        )
    if size and not 0 <= actions.min() <= actions.max() < n_actions:
        raise BanditError(f"actions {actions.min()}..{actions.max()}: expected 0..{n_actions - 1}")


def _checked(state: State, like: State) -> dict[str, npt.NDArray[Any]]:
    shapes = {name: values.shape for name, values in like.items()}
    found = {name: np.shape(values) for name, values in state.items()}
    if found != shapes:
        raise BanditError(f"state {found}: expected {shapes}: restore into a policy made with the same arguments")
    copied = {name: np.array(values, dtype=np.float64) for name, values in state.items()}
    if not all(np.isfinite(values).all() for values in copied.values()):
        raise BanditError("state: expected finite values")
    return copied
