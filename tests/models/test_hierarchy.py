"""Sums of forecasts: they add up, and their intervals are worked by hand and cover what they say where all is known."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from models.common import metrics
from models.forecaster.hierarchy import (
    INDEPENDENT,
    TOGETHER,
    Z_80,
    Level,
    Levels,
    Members,
    Spread,
    aggregate,
    fit_spread,
    group_sums,
)


def keys(*columns: list[str | None], names: tuple[str, ...] = ("store_id", "product_id", "category", "region")) -> dict:
    return {name: np.asarray(values, dtype=object) for name, values in zip(names, columns, strict=False)}


def level(codes: list[int]) -> Level:
    return Level("store", np.asarray(codes), tuple(f"g{at}" for at in range(max(codes) + 1)))


def members(*rows: tuple[float, float, float, float], counts: bool = False) -> Members:
    mean, q10, q50, q90 = np.asarray(rows)[:, :, None].transpose(1, 0, 2)
    return Members(mean, q10, q50, q90, counts)


TWO = members((10.0, 7.0, 10.0, 14.0), (20.0, 16.0, 20.0, 23.0))  # widths 3, 4 below and 4, 3 above


def test_levels_have_the_groups_of_their_keys() -> None:
    found = Levels.of(
        keys(
            ["A", "A", "B", "B", "B"], ["p", "q", "p", "q", "r"], ["x", "x", "x", "x", "y"], ["N", "N", "S", "N", "S"]
        ),
        5,
    )
    assert found.names == ("total", "region", "store", "category", "product", "store x category")
    by_name = {each.name: each for each in found}
    assert by_name["total"].codes.tolist() == [0] * 5
    assert by_name["store"].labels == ("A", "B") and by_name["store"].codes.tolist() == [0, 0, 1, 1, 1]
    assert by_name["store x category"].labels == ("A|x", "B|x", "B|y")
    assert by_name["store x category"].codes.tolist() == [0, 0, 1, 1, 2]
    assert by_name["product"].take(np.array([4, 0])).codes.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (keys(), ("total",)),
        (keys(["A", "B", "C"]), ("total",)),  # as many stores as series
        (keys(["A", "A", "A"]), ("total",)),  # one store
        (keys(["A", "A", "B"], ["p", "q", None]), ("total", "store")),  # a product is not known
        (keys(["A", "A", "B"], ["p", "q", "p"], ["x", "x", "x"]), ("total", "store", "product")),  # one category
        (keys(["A", "A", "B"], ["p", "q", "q"], ["y", "y", "x"], ["N", "N", "S"]), ("total", "region", "product")),
    ],
)
def test_levels_that_say_nothing_of_their_own_are_left_out(given: dict, names: tuple[str, ...]) -> None:
    assert Levels.of(given, 3).names == names


def test_one_series_has_no_sums() -> None:
    assert Levels.of(keys(["A"]), 1).names == ()


def test_widths_of_two_members_by_hand() -> None:
    both = level([0, 0])
    alone = aggregate(TWO, both, INDEPENDENT)
    assert (alone.mean[0, 0], alone.q50[0, 0]) == (30.0, 30.0)
    assert (alone.q10[0, 0], alone.q90[0, 0]) == pytest.approx((25.0, 35.0))  # sqrt(9 + 16) on both sides
    together = aggregate(TWO, both, TOGETHER)
    assert (together.q10[0, 0], together.q90[0, 0]) == pytest.approx((23.0, 37.0))  # the members' quantiles added up
    half = aggregate(TWO, both, Spread(rho=0.5, low=2.0, high=1.0))
    width = math.sqrt(0.5 * 25 + 0.5 * 49)
    assert (half.q10[0, 0], half.q90[0, 0]) == pytest.approx((30 - 2 * width, 30 + width))


def test_the_median_nears_the_mean_as_independent_members_grow_many() -> None:
    skewed = (10.0, 6.0, 9.0, 12.0)
    four, codes = members(*[skewed] * 4), level([0] * 4)
    assert aggregate(four, codes, TOGETHER).q50[0, 0] == pytest.approx(36.0)  # the medians add up
    assert aggregate(four, codes, INDEPENDENT).q50[0, 0] == pytest.approx(39.0)  # the gap stays that of one


def test_a_sum_of_one_member_is_that_member_and_closed_members_are_none() -> None:
    closed = (0.0, 0.0, 0.0, 0.0)
    three = members((0.2, -0.3, 0.1, 0.9), (5.0, 2.0, 4.0, 9.0), closed, counts=True)
    found = aggregate(three, level([0, 1, 1]), Spread(rho=0.3, low=2.0, high=2.0))
    np.testing.assert_allclose(np.stack([found.q10, found.q50, found.q90])[:, :, 0].T, [[-0.3, 0.1, 0.9], [2, 4, 9]])
    assert aggregate(three, level([0, 1, 1]), TOGETHER, non_negative=True).q10[0, 0] == 0.0
    shut = aggregate(members(closed, closed), level([0, 0]), TOGETHER)
    assert shut.mean[0, 0] == shut.q10[0, 0] == shut.q90[0, 0] == 0.0


def test_a_count_varies_at_least_as_a_poisson_one() -> None:
    rare = members(*[(0.04, 0.0, 0.0, 0.0)] * 100, counts=True)  # nine days in ten and more nothing is sold
    found = aggregate(rare, level([0] * 100), INDEPENDENT)
    assert found.mean[0, 0] == pytest.approx(4.0)
    assert found.q90[0, 0] - found.q50[0, 0] == pytest.approx(Z_80 * 2.0)


def test_means_add_up_at_every_level() -> None:
    rng = np.random.default_rng(1)
    mean = rng.gamma(1.0, 3.0, (24, 7))
    said = Members(mean, mean * 0.5, mean * 0.9, mean * 1.6, counts=False)
    given = keys(*(rng.integers(0, n, 24).astype(str).tolist() for n in (4, 8, 3, 2)))
    sums = {each.name: aggregate(said, each, Spread(rho=0.1)) for each in Levels.of(given, 24)}
    assert len(sums) == 6
    for name, found in sums.items():
        np.testing.assert_allclose(found.mean.sum(axis=0), mean.sum(axis=0), rtol=1e-12, err_msg=name)
        assert (found.q10 <= found.q50).all() and (found.q50 <= found.q90).all()
    store = np.unique(given["store_id"], return_inverse=True)[1]
    for code in range(4):
        assert sums["store"].mean[code].tolist() == np.add.reduce(mean[store == code], axis=0).tolist()


def _panel(rng: np.random.Generator, n_cells: int, sizes: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Values (N, C) around 10 per unit of size: `share` of the variance common to all members of a cell."""
    common = rng.normal(size=(1, n_cells))
    own = rng.normal(size=(sizes.size, n_cells))
    deviation = 2.0 * sizes[:, None]
    return 10.0 * sizes[:, None] + deviation * (math.sqrt(share) * common + math.sqrt(1 - share) * own), deviation


@pytest.mark.parametrize("sampled", [1.0, 0.3])
def test_sums_cover_80_percent_where_independence_and_added_quantiles_do_not(sampled: float) -> None:
    rng = np.random.default_rng(11)
    sizes = rng.lognormal(0.0, 0.7, 60)
    group = np.arange(60) % 6

    def said(deviation: np.ndarray, n_cells: int) -> Members:
        mean = np.repeat(10.0 * sizes[:, None], n_cells, axis=1)
        width = np.repeat(Z_80 * deviation, n_cells, axis=1)
        return Members(mean, mean - width, mean, mean + width, counts=False)

    value, deviation = _panel(rng, 120, sizes, share=0.15)
    known = said(deviation, 120)
    row, cell = np.nonzero(rng.random(value.shape) < sampled)
    flat = Members(*(each[row, cell] for each in (known.mean, known.q10, known.q50, known.q90)), counts=False)
    spread = fit_spread(flat, value[row, cell], group[row], cell)
    assert spread.rho == pytest.approx(0.15, abs=0.06)
    assert spread.low == pytest.approx(1.0, abs=0.2) and spread.high == pytest.approx(1.0, abs=0.2)

    fresh, _ = _panel(rng, 1_000, sizes, share=0.15)
    actual = group_sums(fresh, group, 6)
    coverage = {}
    for name, used in (("fitted", spread), ("independent", INDEPENDENT), ("added up", TOGETHER)):
        sums = aggregate(said(deviation, 1_000), level(group.tolist()), used)
        coverage[name] = metrics.coverage(actual, sums.q10, sums.q90)
    assert coverage["fitted"] == pytest.approx(0.8, abs=0.05)
    assert coverage["independent"] < 0.70 and coverage["added up"] > 0.95, coverage


def test_too_few_sums_are_taken_as_if_all_erred_together() -> None:
    one = np.ones(10)
    few = fit_spread(Members(one, one, one, one, counts=False), one, np.arange(10), np.arange(10))
    assert few == Spread() and (few.rho, few.sums) == (1.0, 0)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Spread(rho=1.5)
