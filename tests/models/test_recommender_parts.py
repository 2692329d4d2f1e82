"""Parts of the recommender: worked by hand, by brute force, or by what their optimum must satisfy."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.recommender.candidates import FEATURES, Parts, describe
from models.recommender.config import Config
from models.recommender.data import Dataset, prepare
from models.recommender.histories import Histories, padded
from models.recommender.linear import _cuts, attribute_rows, fit_item_weights
from models.recommender.mixing import choose_mix
from models.recommender.ranker import fit_ranker
from models.recommender.sequence import _windows
from models.recommender.sparse_rows import SparseRows

A, B, C, D = range(4)


def histories(*items: list[int]) -> Histories:
    return Histories.of([np.asarray(each, dtype=np.int64) for each in items])


@pytest.fixture(scope="module")
def data(model_cases: dict[str, ModuleType], synthetic: ModuleType) -> Dataset:
    case = model_cases["recommender"]
    cfg = Config(**case.CONFIG)
    return prepare(case.tables(synthetic, cfg), cfg)


def test_every_cut_of_a_history_is_a_row() -> None:
    """a b c: a | b c and b a | c; what is nearer to the cut weighs more."""
    before, after = _cuts(histories([A, B, C], [D]), 4, Config(linear_past_decay=0.7, linear_future_decay=0.5))
    np.testing.assert_allclose(before.toarray(), [[1, 0, 0, 0], [0.7, 1, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(after.toarray(), [[0, 1, 0.5, 0], [0, 0, 1, 0]], rtol=1e-6)


def test_cuts_reach_no_further_than_the_longest_length() -> None:
    before, after = _cuts(
        histories([A, B, C, D]), 4, Config(max_length=2, linear_past_decay=1.0, linear_future_decay=1.0)
    )
    assert before.toarray().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]]
    assert after.toarray().tolist() == [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]]


def test_weights_are_the_ridge_solution_without_a_diagonal(data: Dataset) -> None:
    """At the optimum (G + l2) W - R is a diagonal matrix (the multipliers), and the diagonal of W is 0."""
    cfg = Config(threads=1, linear_neighbours=5_000, linear_customers=1, linear_l2=3.0)
    found = _dense(fit_item_weights(data, data.known, cfg))
    before, after = (part.toarray().astype(np.float64) for part in _cuts(data.known, len(data.items), cfg))
    whole = data.known.matrix(len(data.items)).toarray().astype(np.float64)
    told = data.attributes.toarray().astype(np.float64)
    shared = cfg.linear_symmetric * whole.T @ whole
    shared += cfg.linear_attributes * told @ np.diag(told.sum(axis=0) ** -0.7) @ told.T
    left = (before.T @ before + shared + cfg.linear_l2 * np.eye(len(found))) @ found - (before.T @ after + shared)
    assert np.abs(np.diag(found)).max() == 0.0
    assert np.abs(left - np.diag(np.diag(left))).max() < 1e-2 < np.abs(np.diag(left)).max()


def test_rare_items_stay_out_and_few_weights_are_kept(data: Dataset) -> None:
    count = np.bincount(data.known.items, minlength=len(data.items))
    least = int(np.median(count))
    cfg = Config(threads=1, linear_customers=least, linear_neighbours=7)
    found = _dense(fit_item_weights(data, data.known, cfg))
    assert not found[count < least].any() and not found[:, count < least].any()
    assert (found != 0).sum(axis=1).max() == 7


def test_sparse_rows_multiply_as_dense_ones_do() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.random(6, 9, 0.4, format="csr", random_state=0, dtype=np.float32)
    matrix.sort_indices()
    rows, dense = SparseRows.of(matrix), matrix.toarray()
    taken = histories([0, 3], [], [5, 1, 2])
    weights = rng.random(5).astype(np.float32)
    wanted = np.stack([weights[:2] @ dense[[0, 3]], np.zeros(9), weights[2:] @ dense[[5, 1, 2]]])
    np.testing.assert_allclose(rows.gathered(taken, weights), wanted, rtol=1e-5, atol=1e-7)
    asked, vectors = rng.integers(0, 6, (3, 4)), rng.random((3, 9)).astype(np.float32)
    wanted = np.einsum("ncw,nw->nc", dense[asked], vectors)
    np.testing.assert_allclose(rows.products(asked, vectors), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(rows.column(np.array([4, 0, 4]), 3), dense[[4, 0, 4], 3])
    nothing = SparseRows.of(sparse.csr_matrix((6, 0), dtype=np.float32))  # items of which nothing is known
    assert nothing.gathered(taken, weights).shape == (3, 0)
    assert not nothing.products(asked, np.zeros((3, 0))).any()


def test_newest_items_are_padded_on_the_right() -> None:
    grid, lengths = padded(histories([A, B, C, D], [B], []), 3)
    assert grid.tolist() == [[B, C, D], [B, 0, 0], [0, 0, 0]]
    assert lengths.tolist() == [3, 1, 0]


def test_long_histories_are_cut_from_their_end_and_share_an_item() -> None:
    cut = _windows(histories([0, 1, 2, 3, 4, 5, 6], [7], [8, 9]), 3)
    pieces = [cut.items[a:b].tolist() for a, b in zip(cut.starts, cut.starts[1:], strict=False)]
    assert pieces == [[3, 4, 5, 6], [0, 1, 2, 3], [8, 9]]


def test_attributes_are_cosines(data: Dataset) -> None:
    """Items of one kind have but the kind: cosine 1 with each other, 0 with other kinds."""
    rows = _dense(attribute_rows(data))
    kind = np.array([name[:2] for name in data.items])
    np.testing.assert_allclose(rows @ rows.T, kind[:, None] == kind[None, :], atol=1e-6)


class Knower:
    """A predictor of which one part knows the next item and the other is noise."""

    def __init__(self, data: Dataset, part: str) -> None:
        rng = np.random.default_rng(0)
        n_items = len(data.items)
        theirs = data.train.take(data.judged)
        next_item = {self._key(theirs, row): item for row, item in enumerate(data.validation_items.tolist())}
        self.noise = rng.normal(size=(len(data.judged) + 1, n_items)).astype(np.float32)
        self.popularity, self.part = np.zeros(n_items, dtype=np.float32), part
        self.next_item = next_item

    @staticmethod
    def _key(theirs: Histories, row: int) -> bytes:
        return theirs.items[theirs.starts[row] : theirs.starts[row + 1]].tobytes()

    def _say(self, part: str, theirs: Histories) -> Any:
        if part != self.part:
            return self.noise[: len(theirs)].copy()
        scores = np.zeros((len(theirs), len(self.popularity)), dtype=np.float32)
        following = [self.next_item[self._key(theirs, row)] for row in range(len(theirs))]
        scores[np.arange(len(theirs)), following] = 10.0
        return scores

    def sequence(self, theirs: Histories) -> Any:
        return self._say("sequence", theirs)

    def log_linear(self, theirs: Histories) -> Any:
        return self._say("linear", theirs)


@pytest.mark.parametrize("part", ["sequence", "linear"])
def test_the_mix_goes_to_the_part_that_knows(data: Dataset, part: str) -> None:
    mix, reached = choose_mix(Knower(data, part), data, Config(mix_candidates=20), seed=0)  # type: ignore[arg-type]
    _, nothing = choose_mix(Knower(data, "neither"), data, Config(mix_candidates=20), seed=0)  # type: ignore[arg-type]
    assert getattr(mix, part) > 0 and reached > 0.8
    assert nothing < 0.3


def test_features_of_candidates_by_hand() -> None:
    """Two items of one customer with one in the history; the empty third place says nothing."""
    parts = Parts(
        mix=np.array([[-np.inf, 5.0, 3.0]], dtype=np.float32),
        sequence=np.array([[9.0, np.log(3.0), 0.0]], dtype=np.float32),
        linear=np.array([[0.0, -1.0, -0.5]], dtype=np.float32),
        popularity=np.array([0.1, 0.2, 0.3], dtype=np.float32),
    )
    attributes = SparseRows.of(sparse.csr_matrix(np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], dtype=np.float32)))
    found = describe(np.array([[1, 2, -1]]), parts, histories([0]), attributes, decay=0.5)
    named = dict(zip(FEATURES, np.moveaxis(found[0], 1, 0), strict=True))
    assert named["mix"].tolist() == [0.0, -2.0, 0.0]
    np.testing.assert_allclose(named["sequence"], [np.log(0.75), np.log(0.25), 0.0], rtol=1e-5)
    np.testing.assert_allclose(named["attributes"], [1.0, 0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(named["place by linear"], [np.log(2.0), 0.0, 0.0], rtol=1e-6)  # the second is first
    assert not found[0, 2].any()


def test_the_ranker_learns_what_the_mix_does_not_know() -> None:
    """The item taken is the one with the highest `attributes`; the mix is noise: of ten it would find one in ten."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(600, 10, len(FEATURES))).astype(np.float32)
    items = np.tile(np.arange(10), (600, 1))
    target = features[:, :, FEATURES.index("attributes")].argmax(axis=1)
    cfg = Config(threads=1, ranker_epochs=15, batch=64)
    ranker = fit_ranker(features[:400], items[:400], target[:400], cfg, seed=0)
    assert ranker is not None and ranker.losses[-1] < ranker.losses[0]
    import onnxruntime

    session = onnxruntime.InferenceSession(ranker.graph, providers=["CPUExecutionProvider"])
    scores = session.run(["Y"], {"X": features[400:]})[0]
    assert (scores.argmax(axis=1) == target[400:]).mean() > 0.7
    assert fit_ranker(features[:150], items[:150], target[:150], cfg, seed=0) is None


def _dense(rows: SparseRows) -> Any:
    return sparse.csr_matrix(
        (rows.values, rows.targets, rows.starts), shape=(len(rows.starts) - 1, rows.width)
    ).toarray()
