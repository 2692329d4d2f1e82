"""Assignment: the same arm everywhere, in the planned shares, unmoved by a ramp, independent between experiments."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.experiments.assignment import BUCKETS, OUTSIDE, AssignmentError, assign, buckets

UNITS = [f"customer-{number}" for number in range(20_000)]


def test_a_bucket_is_the_documented_hash() -> None:
    """Written out by hand, so that another system (a phone, the online shop) can compute the same arm."""
    salt = b"banner/arm"
    digest = hashlib.blake2b(len(salt).to_bytes(4, "big") + salt + b"c1", digest_size=8).digest()
    assert buckets(["c1"], "banner/arm").tolist() == [int.from_bytes(digest, "big") % BUCKETS]


def test_numbers_and_their_texts_are_the_same_unit() -> None:
    np.testing.assert_array_equal(buckets([1, 22], "e"), buckets(["1", "22"], "e"))


def test_shares_come_out_as_planned() -> None:
    found = np.bincount(assign(UNITS, "three arms", (0.2, 0.3, 0.5))) / len(UNITS)
    # Four standard deviations of a share of 0.5 of 20,000 units: 4 sqrt(0.25 / 20,000) = 0.014.
    np.testing.assert_allclose(found, [0.2, 0.3, 0.5], atol=0.014)


def test_two_experiments_are_independent() -> None:
    from scipy.stats import chi2_contingency

    first, second = assign(UNITS, "banner"), assign(UNITS, "price")
    crossed = np.bincount(first * 2 + second, minlength=4).reshape(2, 2)
    assert chi2_contingency(crossed).pvalue > 0.001


@settings(max_examples=40, deadline=None)
@given(
    ids=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=30),
    ramps=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    share=st.floats(0.01, 0.99),
    experiment=st.text(min_size=1, max_size=10),
)
def test_a_ramp_only_moves_units_from_outside_into_their_arm(
    ids: list[str], ramps: tuple[float, float], share: float, experiment: str
) -> None:
    low, high = sorted(ramps)
    shares = (share, 1 - share)
    before, after, full = (assign(ids, experiment, shares, ramp=ramp) for ramp in (low, high, 1.0))
    assert np.all(full != OUTSIDE)
    np.testing.assert_array_equal(after[after != OUTSIDE], full[after != OUTSIDE])
    np.testing.assert_array_equal(before[before != OUTSIDE], after[before != OUTSIDE])


def test_a_ramp_keeps_the_shares_of_the_arms() -> None:
    """Were the two hashes one, the first tenth of units would all be in A."""
    dealt = assign(UNITS, "banner", (0.5, 0.5), ramp=0.1)
    inside = dealt[dealt != OUTSIDE]
    assert inside.size / len(UNITS) == pytest.approx(0.1, abs=0.009)  # four standard deviations
    assert inside.mean() == pytest.approx(0.5, abs=0.045)


def test_order_and_company_do_not_matter() -> None:
    some = UNITS[:50]
    np.testing.assert_array_equal(assign(some[::-1], "e")[::-1], assign(some, "e"))
    assert assign([some[7]], "e")[0] == assign(some, "e")[7]


@pytest.mark.parametrize(
    ("shares", "ramp", "message"),
    [
        ((0.5, 0.6), 1.0, "sum to 1.1"),
        ((1.0,), 1.0, "two or more"),
        ((0.5, 0.5), 1.5, "ramp 1.5"),
        ((0.99999, 0.00001), 1.0, "below 1 / 10000"),
    ],
)
def test_what_cannot_be_dealt_is_refused(shares: tuple[float, ...], ramp: float, message: str) -> None:
    with pytest.raises(AssignmentError, match=message):
        assign(["a"], "e", shares, ramp=ramp)
    with pytest.raises(AssignmentError, match="salt"):
        buckets(["a"], "")
