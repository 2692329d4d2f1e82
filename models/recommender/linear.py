"""What items have in common, as one sparse matrix: a ridge regression of what customers took next on what they took before.

Every history is cut at every place. The items before the cut, weighted by age, are the regressors, those after it, weighted
by how soon they came, the targets (the session-linear model of Choi et al. 2021, "Session-aware linear item-item models").
Beside it stands the symmetric regression of histories on themselves (EASE, Steck 2019), which knows more pairs but no
order, and that of the items' attributes, which knows items that hardly anybody took. All share one matrix to invert.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.common.torch_control import torch_controlled
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Histories, Ints
from models.recommender.sparse_rows import SparseRows

if TYPE_CHECKING:
    import torch
    from scipy import sparse

Floats = npt.NDArray[np.float32]

ATTRIBUTE_POWER = (
    0.7  # of the number of items that share an attribute: between one weight for all (0) and one vote each (1)
)


def fit_item_weights(data: Dataset, histories: Histories, cfg: Config) -> SparseRows:
    """Fit on `histories`; of what each item says the `cfg.linear_neighbours` largest weights are kept.

    Of a catalogue with more than `cfg.linear_items` items those that most customers took stand in the regression, for the
    matrix to invert is dense. No item recommends itself (the diagonal is held at 0 by its Lagrange multipliers, as EASE does).
    """
    import torch
    from scipy import sparse

    n_items = len(data.items)
    kept = _regressed(histories, n_items, cfg)
    before, after = _cuts(histories, n_items, cfg)
    before, after, whole = before[:, kept], after[:, kept], histories.matrix(n_items)[:, kept]
    common = cfg.linear_symmetric * (whole.T @ whole)
    attributes = data.attributes[kept]
    shared = cfg.linear_attributes * _each_attribute(attributes) @ attributes.T  # (A, I): times attributes, (I, I)
    with torch_controlled(cfg.threads, seed=0):
        gram = torch.from_numpy((before.T @ before + common + attributes @ shared).toarray())
        gram.diagonal().add_(cfg.linear_l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        del gram
        # The right-hand side is sparse but for the attributes, and that part is of low rank: never multiplied out.
        found = _times_sparse(inverse, before.T @ after + common)
        if attributes.shape[1]:
            found += _times_sparse(_times_sparse(inverse, attributes), shared)
        found -= inverse * (found.diagonal() / inverse.diagonal())
        found.fill_diagonal_(0.0)  # what rounding left of it
        del inverse
        strongest = found.abs().topk(min(cfg.linear_neighbours, len(kept)), dim=1).indices.numpy()
    values = np.take_along_axis(found.numpy(), strongest, axis=1)
    rows = np.repeat(kept, strongest.shape[1])
    matrix = sparse.csr_matrix(
        (values.ravel(), (rows, kept[strongest.ravel()])), shape=(n_items, n_items), dtype=np.float32
    )
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return SparseRows.of(matrix)


def attribute_rows(data: Dataset) -> SparseRows:
    """What each item is (I, A): its attributes by how rare they are (idf), each row of length 1: products are cosines."""
    from scipy import sparse

    holders = np.asarray(data.attributes.sum(axis=0)).ravel()
    rare = sparse.diags(np.log(max(len(data.items), 2) / np.maximum(holders, 1.0)))
    weighted = (data.attributes @ rare).tocsr()
    norm = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    rows = (sparse.diags(1.0 / np.where(norm > 0, norm, 1.0)) @ weighted).tocsr()
    rows.sort_indices()
    return SparseRows.of(rows)


def _cuts(histories: Histories, n_items: int, cfg: Config) -> "tuple[sparse.csr_matrix, sparse.csr_matrix]":
    """Every cut of every history as a row (C, I) of what lies before it and one of what comes after, `cfg.max_length` each."""
    from scipy import sparse

    lengths = histories.lengths
    cuts = np.maximum(lengths - 1, 0)  # before the second item, before the third, ...
    owner = np.repeat(np.arange(len(histories)), cuts)
    place = np.arange(cuts.sum()) - np.repeat(np.cumsum(cuts) - cuts, cuts) + 1  # items before the cut
    past, coming = np.minimum(place, cfg.max_length), np.minimum(lengths[owner] - place, cfg.max_length)

    def rows(counts: Ints, first: Ints, step: int, decay: float) -> "sparse.csr_matrix":
        starts = np.concatenate([[0], np.cumsum(counts)])
        distance = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        at = np.repeat(first, counts) + step * distance
        weight = np.power(np.float64(decay), distance).astype(np.float32)
        return sparse.csr_matrix((weight, histories.items[at], starts), shape=(len(counts), n_items))

    here = histories.starts[owner] + place
    return rows(past, here - 1, -1, cfg.linear_past_decay), rows(coming, here, 1, cfg.linear_future_decay)


def _regressed(histories: Histories, n_items: int, cfg: Config) -> Ints:
    """Items that stand in the regression, ascending: taken by `cfg.linear_customers` or more, and of these the most taken."""
    count = np.bincount(histories.items, minlength=n_items)
    enough = np.flatnonzero(count >= min(cfg.linear_customers, int(count.max(initial=0))))
    return np.sort(enough[np.argsort(-count[enough], kind="stable")[: cfg.linear_items]])


def _each_attribute(attributes: "sparse.csr_matrix") -> "sparse.dia_matrix":
    """Weight of each attribute on a diagonal (A, A): the more items have it, the less it tells."""
    from scipy import sparse

    holders = np.asarray(attributes.sum(axis=0)).ravel()
    return sparse.diags(np.power(np.maximum(holders, 1.0), -ATTRIBUTE_POWER).astype(np.float32))


def _times_sparse(dense: "torch.Tensor", matrix: "sparse.csr_matrix") -> "torch.Tensor":
    """dense (I, J) times a sparse matrix (J, K): (I, K)."""
    import torch

    turned = matrix.T.tocsr().astype(np.float32)
    turned.sort_indices()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR support a beta; the product is checked by our tests
        left = torch.sparse_csr_tensor(turned.indptr, turned.indices, turned.data, turned.shape)
        return (left @ dense.T).T
