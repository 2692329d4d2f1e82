"""Ranks of held-out items and the scores they sum up to, worked by hand."""

import math

import numpy as np
import pytest

from models.common.ranking import best, ranks, summary


def test_ranks_count_ties_against_the_model() -> None:
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [5.0, 5.0, 5.0, 5.0]])
    assert ranks(scores, np.array([1, 1, 3])).tolist() == [2, 3, 4]


def test_a_barred_or_undefined_target_comes_last() -> None:
    scores = np.array([[3.0, -np.inf, 1.0], [1.0, np.nan, 0.0]])
    assert ranks(scores, np.array([1, 1])).tolist() == [3, 3]


def test_scores_of_four_ranks_by_hand() -> None:
    """HR@10: ranks 1, 3, 10 of four. NDCG@10: (1 + 1/log2(4) + 1/log2(11)) / 4. Recall@20: all but 21. Coverage: 3 of 50."""
    top = np.array([[0, 1, -1], [0, 2, 1], [0, 1, 2], [2, 1, 0]])
    scores = summary(np.array([1, 3, 10, 21]), top, 50)
    assert scores.hit_rate_10 == 0.75
    assert scores.ndcg_10 == pytest.approx((1.0 + 0.5 + 1.0 / math.log2(11)) / 4)
    assert scores.recall_20 == 0.75
    assert scores.coverage_10 == 3 / 50


def test_nobody_judged_scores_nothing() -> None:
    assert math.isnan(summary(np.zeros(0, dtype=np.int64), np.zeros((0, 10), dtype=np.int64), 5).hit_rate_10)


def test_best_items_stand_in_order_and_barred_places_are_empty() -> None:
    scores = np.array([[0.1, 0.5, 0.5, -np.inf], [-np.inf, -np.inf, 2.0, -np.inf]])
    assert best(scores, 3).tolist() == [[1, 2, 0], [2, -1, -1]]
    assert best(scores, 9).shape == (2, 4)


def test_best_of_many_items_are_those_of_a_full_sort() -> None:
    """More blocks than places: what a row's blocks rule out must not be among its best, ties and barred items included."""
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 40, (6, 64 * 30 + 17)).astype(np.float32)  # many ties
    scores[1] = rng.normal(size=scores.shape[1])
    scores[2, rng.random(scores.shape[1]) < 0.9] = -np.inf
    scores[3] = -np.inf
    scores[3, [5, 64 * 30 + 3]] = [1.0, 2.0]  # the last block is a short one
    scores[4, :] = 7.0
    for k in (1, 10, 29, 200, 1_500):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        barred = np.isneginf(np.take_along_axis(scores, order, axis=1))
        assert best(scores, k).tolist() == np.where(barred, -1, order).tolist()


def test_a_row_with_a_score_that_is_no_number_leaves_no_place_empty() -> None:
    scores = np.zeros((2, 64 * 20), dtype=np.float32)
    scores[1] = np.nan
    assert (best(scores, 5) >= 0).all() and best(scores, 5)[0].tolist() == [0, 1, 2, 3, 4]
