"""Probability that each of K independent posteriors is the largest: the propensities of Thompson sampling.

P(a is largest) = integral over u in (0, 1) of prod_b F_b(Q_a(u)), b other than a, with distribution functions F and
quantiles Q. The integrand rises within [0, 1], so the midpoint rule with J nodes is off by at most 1 / (2 J), whatever the
posteriors (then the K values are scaled to sum to 1): a stated bound, where Monte Carlo has an error of its own and gives 0
to actions that can be drawn.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float

NODES = 256
FLOOR = 1e-9  # a probability that is drawn from is never exactly 0: logs divide by it
CHUNK_CELLS = 2_000_000


def beta_wins(alpha: Float, beta: Float) -> Float:
    """Win probabilities (K,) of Beta(alpha, beta) posteriors, alpha and beta (K,) > 0."""
    from scipy.special import betainc, betaincinv

    u = _midpoints()
    wins = np.empty(alpha.size)
    for action in range(alpha.size):
        points = betaincinv(alpha[action], beta[action], u)
        below = betainc(alpha[:, None], beta[:, None], points[None, :])  # (K, J)
        below[action] = 1.0
        wins[action] = np.prod(below, axis=0).mean()
    return _normalised(wins)


def normal_wins(mean: Float, deviation: Float) -> Float:
    """Win probabilities (N, K) of independent normals, mean and deviation (N, K), deviation >= 0."""
    from scipy.special import ndtr, ndtri

    z = ndtri(_midpoints())
    spread = np.maximum(deviation, 1e-12 * (1 + np.abs(mean)))
    n_rows, n_actions = mean.shape
    wins = np.empty((n_rows, n_actions))
    step = max(1, CHUNK_CELLS // (n_actions * NODES))
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        centre, width = mean[rows], spread[rows]
        for action in range(n_actions):
            points = centre[:, action, None] + width[:, action, None] * z  # (n, J)
            below = ndtr((points[:, None, :] - centre[:, :, None]) / width[:, :, None])  # (n, K, J)
            below[:, action] = 1.0
            wins[rows, action] = np.prod(below, axis=1).mean(axis=1)
    return _normalised(wins)


def _midpoints() -> Float:
    return (np.arange(NODES) + 0.5) / NODES


def _normalised(wins: npt.NDArray[Any]) -> Float:
    kept = np.maximum(wins, FLOOR)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))
