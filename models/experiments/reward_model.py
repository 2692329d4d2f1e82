"""A reward model for off-policy estimates: ridge regression for each action, cross-fitted.

Every row is predicted by a model that has not seen it, so that the doubly robust estimate stays unbiased and its interval
honest (Chernozhukov et al. 2018, "Double/debiased machine learning").
"""

import numpy as np

from models.experiments.moments import Float
from models.experiments.off_policy import Log, OffPolicyError


def ridge_rewards(
    contexts: Float, log: Log, *, n_actions: int, rng: np.random.Generator, folds: int = 3, penalty: float = 1.0
) -> Float:
    """Expected reward of every action, (N, K), from contexts (N, d) and the log; an unseen action gets the mean reward.

    penalty: prior rows of weight towards the mean reward; the intercept carries it too, so that rare actions stay near it.
    """
    size = log.actions.size
    if contexts.ndim != 2 or contexts.shape[0] != size or not np.isfinite(contexts).all():
        raise OffPolicyError(f"contexts {contexts.shape}: expected finite values of shape ({size}, d)")
    if not 2 <= folds <= size or not penalty > 0:
        raise OffPolicyError(f"folds {folds}, penalty {penalty}: expected 2 to {size} folds and a penalty above 0")
    design = np.hstack([np.ones((size, 1)), contexts])
    fold = rng.permutation(size) % folds
    found = np.empty((size, n_actions))
    for held in range(folds):
        seen = fold != held
        level = float(log.rewards[seen].mean())
        for action in range(n_actions):
            rows = seen & (log.actions == action)
            x, r = design[rows], log.rewards[rows] - level
            theta = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ r)
            found[~seen, action] = level + design[~seen] @ theta
    return found
