"""Which arm a unit belongs to, from its id alone: no table to look up, the same answer on every machine and day.

Two hashes a unit, both salted with the experiment's name: one says whether it takes part at the present ramp, the other
which arm is its own. Because they are independent, a higher ramp only moves units from outside into the arm that was always
theirs, and because the name is in the salt, one experiment's arms are evenly spread over another's.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
BUCKETS = 10_000
OUTSIDE = -1


class AssignmentError(ValueError):
    """Shares, a ramp or ids that cannot be assigned by; the message names value, bound and remedy."""


def buckets(unit_ids: Iterable[object], salt: str) -> Ints:
    """Bucket 0..9999 of each unit id, (N,): the first 8 bytes of BLAKE2b over the salt and the id, modulo 10,000.

    The salt's length comes first, so that no (salt, id) reads like another. About a microsecond an id: a cryptographic
    hash has no array form, and weaker ones correlate between salts.
    """
    if not salt:
        raise AssignmentError("salt '': expected the name of the experiment")
    encoded = salt.encode()
    start = hashlib.blake2b(len(encoded).to_bytes(4, "big") + encoded, digest_size=8)

    def digest(unit_id: object) -> int:
        state = start.copy()
        state.update(str(unit_id).encode())
        return int.from_bytes(state.digest(), "big") % BUCKETS

    return np.fromiter((digest(unit_id) for unit_id in unit_ids), dtype=np.int64)


def assign(
    unit_ids: Iterable[Any], experiment: str, shares: Sequence[float] = (0.5, 0.5), *, ramp: float = 1.0
) -> Ints:
    """Index of each unit's arm, (N,), or -1 for units outside at this ramp.

    shares: of each arm among those who take part, sum 1, in steps of 1 / 10,000. ramp: share of units that take part, [0, 1].
    """
    edges = _edges(shares)
    if not 0 <= ramp <= 1:
        raise AssignmentError(f"ramp {ramp}: expected a share of units inside [0, 1]")
    ids = list(unit_ids)
    arm = np.searchsorted(edges, buckets(ids, f"{experiment}/arm"), side="right")
    inside = buckets(ids, f"{experiment}/ramp") < round(ramp * BUCKETS)
    return np.where(inside, arm, OUTSIDE).astype(np.int64)


def _edges(shares: Sequence[float]) -> Ints:
    if len(shares) < 2 or not all(share > 0 for share in shares) or abs(math.fsum(shares) - 1) > 1e-9:
        raise AssignmentError(
            f"shares {list(shares)} sum to {math.fsum(shares)}: expected two or more positive ones, sum 1"
        )
    edges = [round(total * BUCKETS) for total in itertools.accumulate(shares)]
    if any(after <= before for before, after in itertools.pairwise([0, *edges])):
        raise AssignmentError(f"shares {list(shares)}: the smallest is below 1 / {BUCKETS}, the width of a bucket")
    return np.asarray(edges[:-1], dtype=np.int64)
