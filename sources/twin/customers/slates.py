"""Whether slates can be shown."""

import numpy as np

from sources.twin.customers.protocol import Requests, Slates
from sources.twin.decisions import DecisionError


def check_slates(slates: Slates, requests: Requests, policy: str) -> None:
    """Raise `DecisionError` for the first slate that cannot be shown, naming value, bound and remedy."""
    items, shares = slates.items, slates.propensities
    wanted, known = (len(requests), requests.slate_size), len(requests.available)
    for name, grid in (("items", items), ("propensities", shares)):
        if grid.shape != wanted:
            raise DecisionError(
                f"policy {policy!r} returned {name} of shape {grid.shape}, asked were {wanted}; give slate_size items for "
                "each request"
            )
    if not np.issubdtype(items.dtype, np.integer):
        raise DecisionError(f"policy {policy!r} returned items of type {items.dtype}; give whole numbers of items")
    unknown = (items < 0) | (items >= known)
    if unknown.any():
        row, position = _first(unknown)
        raise DecisionError(
            f"policy {policy!r} shows item {items[row, position]} in request {row}, outside 0..{known - 1}; give the "
            "item's number"
        )
    gone = ~requests.available[items]
    if gone.any():
        row, position = _first(gone)
        raise DecisionError(
            f"policy {policy!r} shows item {items[row, position]} in request {row}, which is not available; choose where "
            "requests.available holds"
        )
    ordered = np.sort(items, axis=1)
    twice = ordered[:, 1:] == ordered[:, :-1]
    if twice.any():
        row, position = _first(twice)
        raise DecisionError(
            f"policy {policy!r} shows item {ordered[row, position]} twice in request {row}; show each item once a slate"
        )
    wrong = ~((shares > 0) & (shares <= 1))
    if wrong.any():
        row, position = _first(wrong)
        raise DecisionError(
            f"policy {policy!r} gives propensity {shares[row, position]:g} in request {row} at position {position}, outside "
            "(0, 1]; give the chance of that item at that position, 1 where nothing is drawn"
        )


def _first(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, int]:
    row, column = (int(i[0]) for i in np.nonzero(mask))
    return row, column
