"""Exact Shapley values of what the trees, the network and the effects say together, in units of a typical day.

The effects multiply what the models say, so that their logarithms by group stand beside the features as one column each,
which is 0 where the group is absent: a coalition then has the features and the effects of the same groups.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from models.common.explain import Array, GroupShapley, group_shapley

Float32 = npt.NDArray[np.float32]
_EXPLAINED_SERIES = 8  # whose sequences are explained at once: each becomes one for every coalition of groups


def explain_rows(
    predict: Callable[[Float32], Array],
    X: Float32,
    parts: Array,
    reference: Float32,
    groups: Sequence[Sequence[int]],
) -> GroupShapley:
    """Of predict(X) * exp(parts.sum(axis=1)): X (R, F), parts (R, G), reference (F,), groups: columns of X by group."""
    n_features = X.shape[1]
    if not parts.any():
        return group_shapley(predict, X, reference, groups)
    joined = np.concatenate([X, parts.astype(np.float32)], axis=1)

    def multiplied(rows: Float32) -> Array:
        said = predict(np.ascontiguousarray(rows[:, :n_features]))
        return np.asarray(said * np.exp(rows[:, n_features:].astype(np.float64).sum(axis=1)))

    return group_shapley(multiplied, joined, _with_absent(reference, len(groups)), _with_parts(groups, n_features))


def explain_effects(parts: Array) -> GroupShapley:
    """Of exp(parts.sum(axis=1)) alone, parts (R, G)."""
    groups = [[at] for at in range(parts.shape[1])]
    return group_shapley(
        lambda rows: np.exp(rows.astype(np.float64).sum(axis=1)),
        parts.astype(np.float32),
        np.zeros(parts.shape[1], dtype=np.float32),
        groups,
    )


def explain_sequences(
    predict: Callable[[Float32], Array],
    X: Float32,
    parts: Array,
    reference: Float32,
    groups: Sequence[Sequence[int]],
    chosen: npt.NDArray[np.int64],
) -> tuple[Array, Array]:
    """base (R,) and values (R, G) of a network that answers (N, H) for X (N, H, F), at the steps `chosen` (K,), R = N * K.

    parts (N, H, G). A group is absent or present in all steps of a sequence at once. Columns of X beyond those of
    `reference` tell which series it is: they are never absent, so that a series is compared with itself on a typical day.
    """
    n_series, width, n_features = X.shape
    n_groups, n_told = parts.shape[2], n_features - reference.size
    groups = [[*groups[0], *range(reference.size, n_features)], *groups[1:]]
    joined = np.concatenate([X, parts.astype(np.float32)], axis=2).reshape(n_series, -1)
    size = n_features + n_groups
    own = _with_parts(groups, n_features)
    columns = [[at * size + column for at in range(width) for column in group] for group in own]

    def multiplied(rows: Float32) -> Array:
        grid = rows.reshape(-1, width, size)
        said = predict(np.ascontiguousarray(grid[:, :, :n_features]))
        factor = np.exp(grid[:, :, n_features:].astype(np.float64).sum(axis=2))
        return np.asarray((said * factor)[:, chosen - 1])

    typical = _with_absent(np.concatenate([reference, np.zeros(n_told, dtype=np.float32)]), n_groups)
    absent = np.tile(typical, (n_series, width, 1))
    absent[:, :, reference.size : n_features] = X[:, :, reference.size :]
    absent = absent.reshape(n_series, -1)
    parts_of = [slice(start, start + _EXPLAINED_SERIES) for start in range(0, n_series, _EXPLAINED_SERIES)]
    found = [group_shapley(multiplied, joined[part], absent[part], columns) for part in parts_of]
    base = np.concatenate([part.base for part in found])  # (N, K)
    values = np.concatenate([part.values for part in found])  # (N, G, K)
    return base.ravel(), values.transpose(0, 2, 1).reshape(-1, n_groups)


def _with_absent(reference: Float32, n_groups: int) -> Float32:
    return np.concatenate([reference, np.zeros(n_groups, dtype=np.float32)])


def _with_parts(groups: Sequence[Sequence[int]], n_features: int) -> list[list[int]]:
    return [[*columns, n_features + at] for at, columns in enumerate(groups)]
