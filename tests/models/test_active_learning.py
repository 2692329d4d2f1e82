"""What to label next: doubt and distances worked by hand, every picture once, one seed one choice."""

from types import ModuleType
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.active_learning.analyse import Analysis, analyse
from models.active_learning.config import Config, Strategy
from models.active_learning.data import Dataset, prepare
from models.active_learning.report import report, selection
from models.active_learning.selection import Pool, _Products, coverage, pool_of, select
from models.active_learning.uncertainty import MEASURES, doubt_of_boxes, entropy, least_confidence, margin
from models.common.protocols import DataError

STRATEGIES = get_args(Strategy)


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["active_learning"]


def choose(pool: Pool, strategy: str, count: int, seed: int = 0, **knobs: Any) -> list[int]:
    cfg = Config.model_validate({"strategy": strategy, "count": count, **knobs})
    return select(pool, cfg, np.random.default_rng(seed)).tolist()


def line(free: list[float], labelled: list[float], doubt: list[float] | None = None) -> Pool:
    """A pool on a line."""
    told = np.ones(len(free)) if doubt is None else np.array(doubt)
    return Pool(np.array(free)[:, None], np.reshape(np.array(labelled), (-1, 1)), None, dict.fromkeys(MEASURES, told))


def test_doubt_of_classes_by_hand() -> None:
    chances = np.array([[0.5, 0.3, 0.2], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(margin(chances), [0.8, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(least_confidence(chances), [0.75, 0.75, 0.0, 1.0])
    # -(0.5 ln 0.5 + 0.3 ln 0.3 + 0.2 ln 0.2) / ln 3 and ln 2 / ln 3
    np.testing.assert_allclose(entropy(chances), [0.937231, 0.630930, 0.0, 1.0], atol=1e-6)
    assert all((measure(np.ones((2, 1))) == 0).all() for measure in MEASURES.values())


def test_doubt_of_boxes_sums_over_a_picture() -> None:
    """Margins 1, 0.2 and 0.2: of the first picture 1.2, of the second 0.2, the third has no box."""
    found = doubt_of_boxes(np.array([0.5, 0.9, 0.9]), np.array([0, 0, 1]), 3, "margin")
    np.testing.assert_allclose(found, [1.0, 1 / 6, 0.0])
    assert (doubt_of_boxes(np.zeros(0), np.zeros(0, np.int64), 2, "entropy") == 0).all()


def test_the_most_doubtful_come_first_and_ties_by_chance() -> None:
    pool = line([0.0] * 6, [], [0.2, 0.9, 0.5, 0.9, 0.9, 0.1])
    picks = {tuple(choose(pool, "margin", 4, seed)) for seed in range(20)}
    assert all(set(found[:3]) == {1, 3, 4} and found[3] == 2 for found in picks)
    assert len(picks) > 1


def test_coreset_takes_the_farthest_from_all_that_is_known() -> None:
    """Of 0 labelled: 11 is 11 away; then 5 is 5 from the nearest; then 2 is 2; 1 and 10 are 1 away, the first wins."""
    free = [1.0, 2.0, 10.0, 11.0, 5.0]
    assert [free[row] for row in choose(line(free, [0.0]), "coreset", 5)] == [11.0, 5.0, 2.0, 1.0, 10.0]
    # Nothing is labelled: the one nearest to the mean of 5.8, then the farthest from it.
    assert [free[row] for row in choose(line(free, []), "coreset", 2)] == [5.0, 11.0]
    # 0 + 1 + 2 from 0, 1 from 11, 5 from 5: with 11 and 5 chosen the others lie 1, 2 and 1 from what is known.
    assert coverage(line(free, [0.0]), np.array([3, 4])) == pytest.approx((1 + 2 + 1) / 5)


def test_badge_measures_gradients_and_asks_at_most_once_about_what_is_certain() -> None:
    draw = np.random.default_rng(5)
    chances, embeddings = draw.dirichlet([1.0] * 4, 30), draw.normal(size=(30, 6))
    left = chances - np.eye(4)[chances.argmax(axis=1)]
    written_out = np.stack([np.outer(a, b).ravel() for a, b in zip(left, embeddings, strict=True)])
    for row in (0, 7):
        np.testing.assert_allclose(
            _Products(left, embeddings).squared_to(row), ((written_out - written_out[row]) ** 2).sum(axis=1), atol=1e-12
        )
    certain = np.arange(30) % 3 > 0
    chances[certain] = np.eye(4)[0]
    pool = pool_of(embeddings, chances, np.zeros(30, bool))
    found = choose(pool, "badge", 10)
    assert certain[found].sum() <= 1 < certain[choose(pool, "random", 10)].sum()  # their gradients are all zero
    assert found[0] == np.where(certain, 0, (written_out**2).sum(axis=1)).argmax()
    with pytest.raises(DataError, match="strategy badge: 0 pictures have class probabilities"):
        choose(line([0.0, 1.0], []), "badge", 1)


def test_mix_asks_once_about_pictures_that_are_alike() -> None:
    """Three copies each at 0 and at 9 are doubtful, those at 0 more so; at 50 a model is sure."""
    free = [0.0, 0.1, 0.2, 9.0, 9.1, 9.2, 50.0, 50.1]
    pool = line(free, [], [0.9, 0.95, 0.9, 0.7, 0.75, 0.7, 0.01, 0.01])
    assert sorted(choose(pool, "margin", 2)) != [1, 4]  # both of one heap
    assert choose(pool, "mix", 2, candidates=3) == [1, 4]
    # Without doubt to tell them apart, one of each of the three heaps.
    assert sorted(int(free[row] // 9) for row in choose(line(free, []), "mix", 3)) == [0, 1, 5]


@settings(max_examples=40, deadline=None)
@given(
    strategy=st.sampled_from(STRATEGIES),
    free=st.integers(0, 25),
    labelled=st.integers(0, 5),
    count=st.integers(1, 30),
    distinct=st.integers(1, 4),
    seed=st.integers(0, 3),
)
def test_every_picture_once_as_many_as_asked_and_the_same_again(
    strategy: str, free: int, labelled: int, count: int, distinct: int, seed: int
) -> None:
    """Also where most pictures are copies of others, and the budget is more than the pool."""
    draw = np.random.default_rng(seed)
    everything = draw.integers(0, distinct, (free + labelled, 2)).astype(float)
    chances = np.eye(3)[draw.integers(0, 3, free + labelled)] * 0.7 + 0.1
    pool = pool_of(everything, chances, np.arange(free + labelled) >= free)
    found = choose(pool, strategy, count, seed)
    assert len(found) == len(set(found)) == min(count, free)
    assert set(found) <= set(range(free))
    assert found == choose(pool, strategy, count, seed)


def analysed(tables: dict[str, Any], **knobs: Any) -> Analysis:
    cfg = Config.model_validate({"count": 12, **knobs})
    return analyse(prepare(tables, cfg), cfg, seed=1)


def test_the_report_tells_doubt_and_diversity_beside_chance(case: ModuleType) -> None:
    tables = case.tables(None, None)
    found = analysed(tables)
    said = report(found)
    assert said.champion == "mix" and said.value("random", "pictures") == 12
    assert said.value("mix", "mean doubt") > said.value("random", "mean doubt")
    listed = selection(found)
    assert listed["rank"].to_pylist() == list(range(1, 13))
    assert not set(listed["image_id"].to_pylist()) & {f"p{i:02}" for i in range(10)}  # those are labelled
    assert listed["doubt"].to_pylist() == sorted(listed["doubt"].to_pylist(), reverse=True)
    spread = report(analysed(tables, strategy="coreset"))
    name = "distance to the nearest chosen"
    assert spread.value("coreset", name) > spread.value("random", name)
    assert spread.notes == ("12 of 50 unlabelled pictures, by coreset; 10 are labelled.",)


def test_without_a_model_and_beyond_the_pool_the_notes_say_so(case: ModuleType) -> None:
    tables = {"pictures": case.tables(None, None)["pictures"]}
    notes = report(analysed(tables, count=70)).notes
    assert notes[1].startswith("70 were asked for") and notes[2].startswith("No model was asked")
    seen = {
        **tables,
        "predictions": case.boxes([("p20", 0.5), ("p20", 0.5), ("p21", 0.5), ("p22", 0.99), ("p01", 0.5)]),
    }
    found = analysed(seen, strategy="margin", count=3)
    assert [found.data.image_ids[row] for row in found.chosen] == ["p20", "p21", "p22"]
    assert report(found).notes[1] == "In 47 pictures of the pool the model sees nothing: they count as free of doubt."


def prepared(tables: dict[str, Any], **knobs: Any) -> Dataset:
    return prepare(tables, Config(**knobs))


def test_probabilities_are_brought_to_one_and_labelled_pictures_need_none(case: ModuleType) -> None:
    ids = ["a", "b", "c"]
    pictures = case.pictures(ids, np.eye(3), [False, True, False])
    data = prepared({"pictures": pictures, "predictions": case.whole(["a", "c"], np.array([[0.2, 0.2], [0.9, 0.1]]))})
    assert data.pool.probabilities is not None and data.image_ids == ("a", "c")
    np.testing.assert_allclose(data.pool.probabilities, [[0.5, 0.5], [0.9, 0.1]])
    np.testing.assert_allclose(data.pool.doubt["margin"], [1.0, 0.2])


def test_wrong_tables_are_refused(case: ModuleType) -> None:
    sound = case.tables(None, None)
    pictures, predictions = sound["pictures"], sound["predictions"]
    ids = ["a", "b"]
    ragged = pa.table({"image_id": ids, "embedding": [[1.0], [1.0, 2.0]], "is_labelled": [False, False]})
    text = pa.table({"image_id": ids, "embedding": ["x", "y"], "is_labelled": [False, False]})
    for message, tables in (
        (r"lists of \[1, 2\] numbers", {"pictures": ragged}),
        ("embedding: type string", {"pictures": text}),
        ("1 numbers are null or not finite", {"pictures": case.pictures(ids, np.array([[np.nan], [0]]), [0, 0])}),
        ("1 rows are of a picture named before", {"pictures": case.pictures(["a", "a"], np.eye(2), [0, 0])}),
        ("1 of 50 pictures of the pool have none", {**sound, "predictions": predictions.slice(0, 59 * 3)}),
        ("180 rows of whole pictures, 1 of boxes", {
            **sound, "predictions": pa.concat_tables([predictions, case.boxes([("p20", 0.5)])])}),
        ("1 rows are null or outside 0 to 1", {"pictures": pictures, "predictions": case.boxes([("p20", 1.5)])}),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            prepared(tables)
    with pytest.raises(DataError, match="60 pictures, at most 59"):
        prepared(sound, max_pictures=59)
