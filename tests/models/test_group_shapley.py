"""Shapley values: by hand for a game with an interaction, and the axioms for random functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.common.explain import ExplainError, group_shapley


def test_by_hand_with_an_interaction() -> None:
    # f = 2a + 3b + a*b against (0, 0): the interaction 1*2 is shared equally.
    rows = np.array([[1.0, 2.0]], dtype=np.float32)
    result = group_shapley(
        lambda X: 2 * X[:, 0] + 3 * X[:, 1] + X[:, 0] * X[:, 1], rows, np.zeros(2, dtype=np.float32), [[0], [1]]
    )
    assert result.values == pytest.approx(np.array([[2 + 1, 6 + 1]]))
    assert result.base == pytest.approx([0.0])
    assert result.prediction == pytest.approx([10.0])


def test_three_players_by_hand() -> None:
    # All three are needed: each gets a third.
    rows = np.ones((1, 3), dtype=np.float32)
    result = group_shapley(lambda X: X.prod(axis=1), rows, np.zeros(3, dtype=np.float32), [[0], [1], [2]])
    assert result.values == pytest.approx(np.full((1, 3), 1 / 3))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_axioms(seed: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(2 * n_groups, 2 * n_groups))

    def curved(X: np.ndarray) -> np.ndarray:
        return np.tanh(X @ weights).sum(axis=1)

    def linear(X: np.ndarray) -> np.ndarray:
        return X @ weights[0]

    rows = rng.normal(size=(3, 2 * n_groups)).astype(np.float32)
    reference = rng.normal(size=2 * n_groups).astype(np.float32)
    groups = [[2 * g, 2 * g + 1] for g in range(n_groups)]
    both = group_shapley(lambda X: curved(X) + linear(X), rows, reference, groups)
    one, two = group_shapley(curved, rows, reference, groups), group_shapley(linear, rows, reference, groups)
    # efficiency
    np.testing.assert_allclose(both.base + both.values.sum(axis=1), both.prediction, atol=1e-9)
    np.testing.assert_allclose(both.prediction, curved(rows) + linear(rows), atol=1e-9)
    # additivity
    np.testing.assert_allclose(both.values, one.values + two.values, atol=1e-9)
    # a linear function gives each group its own difference
    own = (rows - reference) * weights[0]
    np.testing.assert_allclose(two.values, own.reshape(3, n_groups, 2).sum(axis=2), atol=1e-6)


def test_symmetry_and_null_player() -> None:
    rng = np.random.default_rng(1)
    column = rng.normal(size=(4, 1)).astype(np.float32)
    rows = np.hstack([column, column, rng.normal(size=(4, 1)).astype(np.float32)])
    result = group_shapley(lambda X: np.exp(X[:, 0] + X[:, 1]), rows, np.zeros(3, dtype=np.float32), [[0], [1], [2]])
    np.testing.assert_allclose(result.values[:, 0], result.values[:, 1], atol=1e-9)
    np.testing.assert_allclose(result.values[:, 2], 0.0, atol=1e-12)


def test_groups_must_cover_every_column_once_and_be_few() -> None:
    rows, reference = np.zeros((1, 3), dtype=np.float32), np.zeros(3, dtype=np.float32)
    with pytest.raises(ExplainError, match="each of the 3 columns"):
        group_shapley(lambda X: X[:, 0], rows, reference, [[0], [1]])
    with pytest.raises(ExplainError, match="each of the 3 columns"):
        group_shapley(lambda X: X[:, 0], rows, reference, [[0, 1], [1, 2]])
    wide = np.zeros((1, 11), dtype=np.float32)
    with pytest.raises(ExplainError, match="11 groups: expected 1 to 10"):
        group_shapley(lambda X: X[:, 0], wide, wide[0], [[i] for i in range(11)])
