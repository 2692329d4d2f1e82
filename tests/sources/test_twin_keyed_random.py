"""Draws by key: quality, independence of what else is drawn, and counts against SciPy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sources.twin.keyed_random import KeyedRandom, _mix, negative_binomial


def test_finaliser_gives_the_published_splitmix64_sequence() -> None:
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        states = np.array([golden, golden + golden], dtype=np.uint64)
    assert [hex(int(b)) for b in _mix(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_a_draw_hangs_on_its_key_alone() -> None:
    random = KeyedRandom(7)
    grid = random.uniform("x", np.arange(5)[:, None], np.arange(9)[None, :])
    assert grid.shape == (5, 9)
    assert grid[3, 8] == random.uniform("x", 3, 8)
    assert np.array_equal(grid[:, :4], KeyedRandom(7).uniform("x", np.arange(5)[:, None], np.arange(4)[None, :]))


def test_domain_seed_and_order_of_ids_matter() -> None:
    draws = {
        float(KeyedRandom(seed).uniform(domain, *ids))
        for seed in (1, 2)
        for domain in ("a", "b")
        for ids in ((1, 2), (2, 1), (1,), (12,), (-1, 2))
    }
    assert len(draws) == 20


def test_uniforms_fill_the_unit_interval_evenly_and_neighbours_are_unrelated() -> None:
    u = KeyedRandom(3).uniform("even", np.arange(200)[:, None], np.arange(500)[None, :])
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.001
    for a, b in ((u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u[1:, 1:], u[:-1, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


def test_normals_are_standard() -> None:
    z = KeyedRandom(3).normal("z", np.arange(100_000))
    assert stats.kstest(z, "norm").pvalue > 0.001


def test_integers_cover_their_range_evenly() -> None:
    n = KeyedRandom(3).integers("n", -2, 3, np.arange(50_000))
    values, counts = np.unique(n, return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert stats.chisquare(counts).pvalue > 0.001


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0.01, 300), st.floats(0.3, 60))
def test_counts_invert_the_distribution_function(u: float, mean: float, shape: float) -> None:
    count = int(negative_binomial(np.array([u]), np.array([mean]), np.array([shape]))[0])
    distribution = stats.nbinom(shape, shape / (shape + mean))
    # The smallest count whose distribution function reaches u, rounding aside.
    assert distribution.cdf(count) >= u - 1e-9
    assert count == 0 or distribution.cdf(count - 1) < u + 1e-9


def test_counts_have_the_stated_mean_and_variance() -> None:
    u = KeyedRandom(5).uniform("nb", np.arange(200_000))
    counts = negative_binomial(u, np.full(u.shape, 6.0), np.full(u.shape, 4.0))
    assert abs(counts.mean() - 6.0) < 0.05
    assert abs(counts.var() / (6.0 + 36.0 / 4.0) - 1) < 0.02


def test_counts_never_fall_when_the_mean_rises() -> None:
    u = KeyedRandom(5).uniform("nb", np.arange(20_000))
    low = negative_binomial(u, np.full(u.shape, 2.0), np.full(u.shape, 5.0))
    high = negative_binomial(u, np.full(u.shape, 2.5), np.full(u.shape, 5.0))
    assert (high >= low).all()
    assert (high > low).any()


def test_counts_end_at_the_extreme_of_u() -> None:
    u = np.array([1.0 - 2.0**-53])
    count = negative_binomial(u, np.array([1000.0]), np.array([60.0]))[0]
    assert 1000 < count < 5000
