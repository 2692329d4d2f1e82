"""What friends took: worked by hand, by brute force, and as an answer of a model that learned of them."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError, InputError
from models.recommender.config import Config
from models.recommender.data import Dataset, prepare
from models.recommender.evaluate import evaluate
from models.recommender.histories import Histories
from models.recommender.predict import SOCIAL, Friend, RecommendInput, load
from models.recommender.requests import FRIENDS
from models.recommender.social import Company, Social
from models.recommender.social_fit import fit_social
from models.recommender.sparse_rows import SparseRows
from models.recommender.train import Trained, train

KINDS = 6


def histories(*items: list[int]) -> Histories:
    return Histories.of([np.asarray(each, dtype=np.int64) for each in items])


def friendships(pairs: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "customer_id": pa.array([a for a, _ in pairs], pa.string()),
            "friend_id": pa.array([b for _, b in pairs], pa.string()),
        }
    )


@pytest.fixture(scope="module")
def tables(model_cases: dict[str, ModuleType], synthetic: ModuleType) -> dict[str, Any]:
    """Customers of one favourite kind are friends of one another: what friends took tells the kind."""
    found = model_cases["recommender"].tables(synthetic, None)
    rows = found["interactions"]
    names, items = rows["customer_id"].to_pylist(), rows["item_id"].to_pylist()
    kind: dict[str, str] = {}
    for name, item in zip(names, items, strict=True):
        kind.setdefault(name, item[:2])
    groups = {each: [name for name in kind if kind[name] == each] for each in set(kind.values())}
    pairs = [
        (one, group[(at + step) % len(group)])
        for group in groups.values()
        for at, one in enumerate(group)
        for step in (1, 2, 3)
    ]
    return {**found, "friendships": friendships(pairs)}


@pytest.fixture(scope="module")
def cfg(model_cases: dict[str, ModuleType]) -> Config:
    return Config(**{**model_cases["recommender"].CONFIG, "social_kept": 1.5, "social_l2": 1.0})


@pytest.fixture(scope="module")
def data(tables: dict[str, Any], cfg: Config) -> Dataset:
    return prepare(tables, cfg)


@pytest.fixture(scope="module")
def trained(data: Dataset, cfg: Config) -> Trained:
    """The social part is put in by hand: whether it would be chosen is another question."""
    assert data.ties is not None
    social = fit_social(data.known, data.ties, len(data.items), cfg, seed=0, longest=3)
    assert social is not None
    from safetensors.numpy import save

    made = train(replace(data, ties=None), cfg, seed=1)
    return replace(made, files={**made.files, SOCIAL: save(social.arrays())})


def test_a_friendship_holds_in_both_directions_once_and_never_with_oneself(tables: dict[str, Any], cfg: Config) -> None:
    told = [
        ("c000", "c001"),
        ("c001", "c000"),
        ("c000", "c001"),
        ("c002", "c002"),
        ("c003", "nobody"),
        ("c005", "c004"),
    ]
    ties = prepare({**tables, "friendships": friendships(told)}, cfg).ties
    assert ties is not None
    assert [ties.take(np.array([at])).items.tolist() for at in range(6)] == [[1], [0], [], [], [5], [4]]


def test_no_friendship_that_counts_is_as_none(tables: dict[str, Any], cfg: Config) -> None:
    without = prepare({name: each for name, each in tables.items() if name != "friendships"}, cfg)
    lonely = prepare({**tables, "friendships": friendships([("c000", "c000"), ("c001", "nobody")])}, cfg)
    assert without.ties is None and lonely.ties is None
    assert without.fingerprint == lonely.fingerprint != prepare(tables, cfg).fingerprint


def test_friendships_are_checked(tables: dict[str, Any], cfg: Config) -> None:
    with pytest.raises(DataError, match="friendships"):
        prepare({**tables, "friendships": pa.table({"customer_id": ["c000"]})}, cfg)
    holes = pa.table({"customer_id": ["c000"], "friend_id": pa.nulls(1, pa.string())})
    with pytest.raises(DataError, match="friend_id"):
        prepare({**tables, "friendships": holes}, cfg)


def test_lists_of_friends_are_weighed_by_how_many_friends_they_have() -> None:
    """0 is a friend of 1 and 2, 1 of 0 alone, 2 of 0, 3, 4 and 5: half as much is said by 2, and by both together 1.5 ** 0.5."""
    ties = histories([1, 2], [0], [0, 3, 4, 5], [2], [2], [2])
    lists = histories([0], [1, 2], [2, 3], [], [], [])
    company = Company.among(np.array([0, 1]), ties, lists)
    both, one = 1.5**-0.5, 2**0.25
    expected = [[0, both, 1.5 * both, 0.5 * both], [2**-0.5 * one, 0, 0, 0]]
    np.testing.assert_allclose(company.sums(4), expected, rtol=1e-6)
    asked = Company.of([[(np.array([1, 2]), 1), (np.array([2, 3]), 4)], [(np.array([0]), 2)]])
    np.testing.assert_allclose(asked.sums(4), company.sums(4), rtol=1e-6)
    np.testing.assert_allclose(company.take(np.array([1, 0])).sums(4), company.sums(4)[::-1], rtol=1e-6)


def test_the_regression_is_that_of_lists_with_hidden_items() -> None:
    """Solved for customers, it must satisfy the normal equations of items: (G + penalties) B = X'X, by brute force."""
    rng = np.random.default_rng(0)
    lists = [np.flatnonzero(rng.random(9) < 0.5) for _ in range(40)]
    lists = [each if len(each) > 2 else np.arange(3) for each in lists]
    ties = histories(*[[(at + 1) % 40, (at - 1) % 40] for at in range(40)])
    known = Histories.of(lists)
    cfg = Config(
        social_kept=2.0, social_l2=3.0, linear_customers=1, social_neighbours=9, social_friends=0.7, min_judged=20
    )
    fitted = fit_social(known, ties, 9, cfg, seed=0, longest=5)
    assert fitted is not None
    X = known.matrix(9).toarray().astype(np.float64)
    F = Company.among(np.arange(40), ties, known).sums(9).astype(np.float64)
    kept = 2.0 / known.lengths.mean()
    ridge = np.diag((1 / kept - 1) * X.sum(axis=0) + 3.0)
    np.testing.assert_allclose(_dense(fitted.alone), np.linalg.solve(X.T @ X + ridge, X.T @ X), rtol=2e-3, atol=1e-5)
    strength = 0.7 * 40 / np.square(F).sum()
    both = np.hstack([X, F])
    penalty = np.block([[ridge, np.zeros((9, 9))], [np.zeros((9, 9)), np.eye(9) / strength]])
    expected = np.linalg.solve(both.T @ both + penalty, both.T @ X)
    np.testing.assert_allclose(np.vstack([_dense(fitted.own), _dense(fitted.friends)]), expected, rtol=2e-3, atol=1e-4)


def _dense(rows: SparseRows) -> np.ndarray:
    one = histories(*[[at] for at in range(len(rows.starts) - 1)])
    return rows.gathered(one, np.ones(len(one.items)))


def test_scores_add_up_over_own_items_and_friends() -> None:
    def rows(values: list[list[float]]) -> SparseRows:
        from scipy import sparse

        return SparseRows.of(sparse.csr_matrix(np.asarray(values, dtype=np.float32)))

    social = Social(
        alone=rows([[0, 9], [9, 0]]), own=rows([[0, 2], [3, 0]]), friends=rows([[0.5, 1], [0, 4]]),
        own_weight=10.0, direct=7.0, longest=1,
    )  # fmt: skip
    company = Company.of([[(np.array([1]), 4)], []])
    weight = 0.5**0.5  # of one friend who has four
    found = social.scores(histories([0], [1]), company)
    np.testing.assert_allclose(found, [[0.0, 10 * 2 + weight * (4 + 7)], [90, 0]], rtol=1e-6)
    own, told = social.shares(np.array([0]), company.take(np.array([0])), 1)
    assert own.tolist() == [20.0] and told == pytest.approx(11 * weight)
    assert social.answered(histories([0], [], [0, 1]), Company.of([[], [], []])).tolist() == [True, False, False]
    assert social.answered(histories([]), Company.of([[(np.array([1]), 1)]])).tolist() == [True]


def test_friends_move_answers_and_are_named(trained: Trained, tmp_path: Path) -> None:
    trained.save(tmp_path / "artifact")
    predictor = load(tmp_path / "artifact")
    friends = [Friend([f"k4-{at}", f"k4-{at + 1}", "new"], friends=3) for at in (1, 2, 3)]
    asked = RecommendInput([["k0-1"], ["k0-1"], []], k=5, friends=[[], friends, friends])
    reply = predictor.predict(asked)
    of_friends = np.char.startswith(reply.items, "k4").sum(axis=1)
    assert of_friends[0] < of_friends[1] and of_friends[2] >= 4
    assert reply.items[0].tolist() == predictor.predict(RecommendInput([["k0-1"]], k=5)).items[0].tolist()
    assert {each.item for each in predictor.reasons(["k0-1"], "k4-2", friends=friends)} >= {FRIENDS}
    assert FRIENDS not in {each.item for each in predictor.reasons(["k0-1"], "k0-2")}
    assert "k0-1" not in reply.items[1]


def test_long_histories_are_answered_as_if_there_were_no_friends(trained: Trained) -> None:
    history = ["k0-1", "k0-2", "k1-3", "k1-4", "k0-3"]
    friends = [[Friend(["k4-1", "k4-2"])]]
    predictor = trained.predictor()
    with_friends = predictor.predict(RecommendInput([history], k=7, friends=friends))
    np.testing.assert_array_equal(with_friends.items, predictor.predict(RecommendInput([history], k=7)).items)


@pytest.mark.parametrize(
    ("friends", "message"),
    [
        ("c001", "friends: expected a list of lists"),
        ([[], []], "friends: 2 lists for 1 customers"),
        (["c001"], r"friends\[0\]: expected a list of Friend, found str"),
        ([["c001"]], r"friends\[0\]\[0\]: expected a Friend, found str"),
        ([[Friend(["k0-1"], friends=0)]], r"friends\[0\]\[0\]: friends 0: expected a whole number from 1"),
        ([[Friend("k0-1")]], r"friends\[0\]\[0\]: expected a list of item names, found str"),
        ([[Friend([float("nan")])]], r"friends\[0\]\[0\]: nan: an item is named by text"),  # type: ignore[list-item]
        ([[Friend(["k0-1"])] * 1_001], r"friends\[0\]: 1001 friends: at most 1000"),
    ],
)
def test_hostile_friends_get_a_clear_error(trained: Trained, friends: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trained.predictor().predict(RecommendInput([["k0-1"]], friends=friends))


def test_a_report_says_what_friends_bring(trained: Trained, data: Dataset) -> None:
    report = evaluate(trained.predictor(), data, trials=1, seed=0)
    assert "without friends" in report.models()
    assert report.value("champion", "ndcg@10") != report.value("without friends", "ndcg@10")


def test_training_tells_with_friends_from_without(data: Dataset, cfg: Config, trained: Trained) -> None:
    """Whatever is decided about the social part, nothing else of the artifact moves."""
    made = train(data, cfg, seed=1)
    for name, content in made.files.items():
        assert name == SOCIAL or content == trained.files[name], name
    assert made.spec == trained.spec
