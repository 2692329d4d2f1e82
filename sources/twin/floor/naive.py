"""The named naive method that checkout must beat: the bill is what the exit's antenna read.

It is told by the truth when each visit's persons passed the exit, which flatters it: on the floor nobody says who leaves. Frozen
band: it bills a share of baskets exactly that lies inside `params.NAIVE_BAND`.
"""

from collections import Counter

import numpy as np

from sources.twin.floor.observed import Observed
from sources.twin.floor.truth import FloorTruth

_PASS_S = 1.5  # about a passing


def bills_by_exit_tags(observed: Observed, truth: FloorTruth) -> dict[str, dict[str, int]]:
    """Packages by product_id of each visit: every tag that was read while one of its persons passed."""
    product = dict(zip(observed.tags["epc"].to_pylist(), observed.tags["product_id"].to_pylist(), strict=True))
    at_s, epc = observed.exit_reads["at_s"].to_numpy(), observed.exit_reads["epc"].to_pylist()
    bills: dict[str, dict[str, int]] = {}
    for visit in truth.visits:
        read: set[str] = set()
        for person in visit.people:
            first, last = np.searchsorted(at_s, [person.leaves_s - _PASS_S, person.leaves_s + _PASS_S])
            read.update(epc[int(first) : int(last)])
        bills[visit.visit_id] = dict(Counter(product[each] for each in read))
    return bills
