"""Exact Shapley values of feature groups against a reference row.

Shapley (1953); for models, Lundberg and Lee (2017). Groups instead of single features keep the 2^G coalitions few
and give a reader as many reasons as a person can take in; within a coalition absent groups take the reference values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_GROUPS = 10
Array = npt.NDArray[np.floating[Any]]


class ExplainError(ValueError):
    """Groups or shapes that cannot be explained; the message names the bound."""


@dataclass(frozen=True)
class GroupShapley:
    """values (N, G) in the unit of the prediction, base (N,) = prediction of the reference, prediction (N,).

    base + values.sum(axis=1) == prediction (efficiency). Of K predictions a row: (N, G, K), (N, K) and (N, K).
    """

    values: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]
    prediction: npt.NDArray[np.float64]


def group_shapley(
    predict: Callable[[npt.NDArray[np.float32]], Array],
    rows: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    groups: Sequence[Sequence[int]],
) -> GroupShapley:
    """Attribute predict(rows) - predict(reference) to groups of columns, exactly.

    predict: (M, F) -> (M,), or (M, K) for K predictions a row. rows (N, F), reference (F,) or (N, F), groups: disjoint
    column lists that cover all F, at most 10 (2^10 coalitions x N rows are predicted in one call). ExplainError otherwise.
    """
    n_rows, n_features = rows.shape
    _check_groups(groups, n_features)
    n_groups = len(groups)
    membership = np.zeros((n_groups, n_features), dtype=bool)
    for index, columns in enumerate(groups):
        membership[index, list(columns)] = True
    coalitions = np.arange(2**n_groups)
    present = (coalitions[:, None] >> np.arange(n_groups)) & 1 == 1  # (C, G)
    from_row = present.astype(np.uint8) @ membership.astype(np.uint8) > 0  # (C, F)
    base_rows = np.broadcast_to(reference, rows.shape)
    inputs = np.where(from_row[:, None, :], rows[None], base_rows[None])  # (C, N, F)
    outputs = np.asarray(predict(inputs.reshape(-1, n_features)), dtype=np.float64)
    outputs = outputs.reshape(-1, n_rows, *outputs.shape[1:])
    weight = np.array(
        [factorial(size) * factorial(n_groups - size - 1) / factorial(n_groups) for size in range(n_groups)]
    )
    size = present.sum(axis=1)
    values = np.empty((n_rows, n_groups, *outputs.shape[2:]))
    for index in range(n_groups):
        without = coalitions[~present[:, index]]
        gain = outputs[without + (1 << index)] - outputs[without]
        values[:, index] = np.tensordot(weight[size[without]], gain, axes=1)
    return GroupShapley(values=values, base=outputs[0], prediction=outputs[-1])


def _check_groups(groups: Sequence[Sequence[int]], n_features: int) -> None:
    if not 1 <= len(groups) <= MAX_GROUPS:
        raise ExplainError(
            f"{len(groups)} groups: expected 1 to {MAX_GROUPS}, for 2^groups coalitions are evaluated: merge groups"
        )
    columns = sorted(column for group in groups for column in group)
    if columns != list(range(n_features)):
        raise ExplainError(
            f"groups hold {len(columns)} columns: expected each of the {n_features} columns in exactly one group"
        )
