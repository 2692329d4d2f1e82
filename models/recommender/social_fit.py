"""Fitting the regression of customers of whom little is known, with friends and without: closed form.

Many customers have long lists; what somebody would want of whom few items are known is learned from them by hiding all but a
few of their items. Nothing is drawn: of a list of which each item is kept with probability p the expected Gram matrix is that of
the whole list with its diagonal divided by p (Steck 2020, "Autoencoders that don't overfit towards the identity"). The lists of
friends stand beside it unhidden. Solved for customers instead of items (the matrix inversion lemma), as there are fewer.
"""

from typing import TYPE_CHECKING

import numpy as np

from models.recommender.config import Config
from models.recommender.histories import Histories, Ints
from models.recommender.social import Company, Social
from models.recommender.sparse_rows import SparseRows

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

CHUNK_ROWS = 512


def fit_social(
    histories: Histories, ties: Histories, n_items: int, cfg: Config, *, seed: int, longest: int
) -> Social | None:
    """Fit on the customers with more than `cfg.social_kept` items; `ties` are the friends of each customer.

    None where fewer than `cfg.min_judged` of them have a friend whose list is known. At most `cfg.social_customers` take part,
    drawn by chance: the matrix to invert is dense.
    """
    long = np.flatnonzero(histories.lengths > cfg.social_kept)
    drawn = np.random.default_rng(seed).permutation(long)[: cfg.social_customers]
    customers = np.sort(drawn)
    company = Company.among(customers, ties, histories)
    if (company.lists.lengths > 0).sum() < cfg.min_judged:
        return None
    count = np.bincount(histories.items, minlength=n_items)
    items = np.flatnonzero(count >= cfg.linear_customers)
    items = np.sort(items[np.argsort(-count[items], kind="stable")[: cfg.social_items]])
    if not items.size:
        return None
    lists = histories.take(customers).matrix(n_items)[:, items].toarray()  # (U, I)
    kept = cfg.social_kept / float(histories.lengths[customers].mean())  # share of a list, below 1
    penalty = (1.0 / kept - 1.0) * lists.sum(axis=0) + cfg.social_l2
    scaled = lists / penalty.astype(np.float32)
    kernel = scaled @ lists.T
    told = company.sums(n_items)[:, items]
    friendly = told @ told.T
    strength = np.float32(cfg.social_friends * len(customers) / max(float(np.trace(friendly)), 1e-12))
    alone, both = _solved(kernel, lists), _solved(kernel + strength * friendly, lists)
    # Of a list of which all is known the share that is kept tells as much: the spreads are compared at one weight.
    spread = float(np.std(kernel @ alone)) / max(float(np.std(told)), 1e-12)
    return Social(
        alone=_rows(scaled, alone, items, n_items, cfg.social_neighbours),
        own=_rows(scaled, both, items, n_items, cfg.social_neighbours),
        friends=_rows(strength * told, both, items, n_items, cfg.social_neighbours),
        own_weight=1.0 / kept,
        direct=cfg.social_direct * spread,
        longest=longest,
    )


def _solved(kernel: "Floats", lists: "Floats") -> "Floats":
    """(kernel + 1)^-1 lists, (U, I)."""
    from scipy import linalg

    return np.asarray(linalg.solve(kernel + np.eye(len(kernel), dtype=np.float32), lists, assume_a="pos"))


def _rows(left: "Floats", right: "Floats", items: Ints, n_items: int, neighbours: int) -> SparseRows:
    """left' right (I, I), of each row the `neighbours` entries furthest from 0, some rows at a time."""
    from scipy import sparse

    k = min(neighbours, len(items))
    found = []
    for first in range(0, len(items), CHUNK_ROWS):
        block = left[:, first : first + CHUNK_ROWS].T @ right
        strongest = np.argpartition(-np.abs(block), k - 1, axis=1)[:, :k]
        found.append((strongest, np.take_along_axis(block, strongest, axis=1)))
    targets, values = (np.concatenate(each) for each in zip(*found, strict=True))
    matrix = sparse.csr_matrix(
        (values.ravel(), (np.repeat(items, k), items[targets.ravel()])), shape=(n_items, n_items), dtype=np.float32
    )
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return SparseRows.of(matrix)
