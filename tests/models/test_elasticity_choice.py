"""Choices among items: beside statsmodels, beside the truth of a made-up panel, and worked by hand."""

from typing import Any

import numpy as np
import pytest

from models.common.protocols import DataError
from models.elasticity.choice import (
    Choices,
    as_table,
    fit_choice,
    item_elasticities,
    log_likelihood,
    loyalty,
    prepare_choices,
    probabilities,
)

ITEMS = ("a", "b", "c")


def wide(seed: int = 0, households: int = 150, each: int = 20, spread: float = 1.5) -> dict[str, Any]:
    """Households with tastes of their own for three items; a price coefficient of -2 and one of display of 0.8."""
    rng = np.random.default_rng(seed)
    n = households * each
    taste = np.repeat(np.array([0.0, 0.5, -0.5]) + rng.normal(0, spread, (households, 3)), each, axis=0)
    price = rng.uniform(1, 3, (n, 3))
    shown = (rng.random((n, 3)) < 0.2).astype(float)
    utility = taste - 2 * price + 0.8 * shown + rng.gumbel(size=(n, 3))
    chosen = (utility == utility.max(axis=1, keepdims=True)).astype(int)
    who = np.repeat([f"h{number:03d}" for number in range(households)], each)
    return {
        "customer_id": who,
        "occasion": np.arange(n),
        "item_id": ITEMS,
        "price": price,
        "chosen": chosen,
        "shown": shown,
    }


@pytest.fixture(scope="module")
def data() -> Choices:
    return prepare_choices(as_table(wide()), facts=("shown",))


def test_without_loyalty_it_is_the_conditional_logit_of_statsmodels(data: Choices) -> None:
    from statsmodels.discrete.conditional_models import ConditionalLogit

    ours = fit_choice(data, loyal=False)
    rows = data.seen
    n = int(rows.sum())
    X = np.concatenate(
        [np.tile(np.eye(3)[:, 1:], (n, 1)), data.price[rows].reshape(-1, 1), data.facts[rows].reshape(-1, 1)], axis=1
    )
    taken = np.eye(3)[data.chosen[rows]].ravel()
    peer = ConditionalLogit(taken, X, groups=np.repeat(np.arange(n), 3)).fit(disp=0)
    np.testing.assert_allclose(ours.values, peer.params, atol=1e-3)
    assert ours.names == ("constant of b", "constant of c", "price", "shown")


def test_loyalty_finds_the_price_and_foretells_better(data: Choices) -> None:
    """Without tastes the price looks weaker than it is (a mixture is flatter than its parts); past choices tell of tastes."""
    standard, ours = fit_choice(data, loyal=False), fit_choice(data)
    truth = -2.0
    away = [abs(each.values[each.names.index("price")] - truth) for each in (ours, standard)]
    assert away[0] < 0.7 * away[1]
    held = ~data.seen
    assert held.mean() == pytest.approx(0.2)
    assert log_likelihood(ours, data, held) > log_likelihood(standard, data, held) + 0.05
    np.testing.assert_allclose(probabilities(ours, data).sum(axis=1), 1)


def test_loyalty_of_nobody_brings_nothing() -> None:
    same = prepare_choices(as_table(wide(1, spread=0.0)), facts=("shown",))
    standard, ours = fit_choice(same, loyal=False), fit_choice(same)
    held = ~same.seen
    assert log_likelihood(ours, same, held) == pytest.approx(log_likelihood(standard, same, held), abs=0.01)


def test_loyalty_by_hand() -> None:
    """Training knows a, a, b of the first household and c of the second: shares 1/2, 1/4, 1/4."""
    rows = {
        "customer_id": ["x"] * 4 + ["y"], "occasion": [4, 7, 9, 12, 1], "item_id": ITEMS, "price": np.ones((5, 3)),
        "chosen": np.eye(3, dtype=int)[[0, 0, 1, 2, 2]],
    }  # fmt: skip
    told = prepare_choices(as_table(rows), test_share=0.25)
    assert told.seen.tolist() == [True, True, True, False, True]
    found = loyalty(told, 0.5)
    np.testing.assert_allclose(found[0], [0.5, 0.25, 0.25])
    np.testing.assert_allclose(found[1], [0.75, 0.125, 0.125])
    np.testing.assert_allclose(found[2], [0.875, 0.0625, 0.0625])
    np.testing.assert_allclose(found[3], [0.4375, 0.53125, 0.03125])
    np.testing.assert_allclose(found[4], [0.5, 0.25, 0.25])


def test_elasticities_are_those_of_a_step_in_price_and_their_intervals_hold_the_truth(data: Choices) -> None:
    model = fit_choice(data)
    found = item_elasticities(model, data)
    dearer = Choices(**{**data.__dict__, "price": data.price * [1.001, 1, 1]})
    before, after = (probabilities(model, each)[:, 0].sum() for each in (data, dearer))
    assert found.value[0] == pytest.approx(-(np.log(after) - np.log(before)) / np.log(1.001), rel=1e-2)
    assert (found.low < found.value).all() and (found.value < found.high).all()
    covered = 0
    for seed in range(12):
        plain = prepare_choices(as_table(wide(seed + 10, households=60, spread=0.0)), facts=("shown",))
        model = fit_choice(plain, loyal=False)
        at = model.names.index("price")
        covered += abs(model.values[at] + 2) < 1.96 * model.covariance[at, at] ** 0.5
    assert covered >= 9


def test_the_held_out_choices_do_not_move_what_was_learnt(data: Choices) -> None:
    other = Choices(**{**data.__dict__, "chosen": np.where(data.seen, data.chosen, (data.chosen + 1) % 3)})
    first, second = fit_choice(data), fit_choice(other)
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price": np.zeros((3000, 3))}, "price: 0, must be above 0"),
        ({"chosen": np.ones((3000, 3), dtype=int)}, "must be 1"),
    ],
)
def test_impossible_panels_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepare_choices(as_table({**wide(), **change}))


def test_an_occasion_without_a_row_for_some_item_is_refused() -> None:
    table = as_table(wide(households=2, each=2))
    for rows in (table.slice(1), table.take([0, 1, 3, 4, 5, 2 + 3, *range(6, 12)])):
        with pytest.raises(DataError, match="occasion"):
            prepare_choices(rows)
    with pytest.raises(DataError, match="price"):
        prepare_choices(table.drop_columns(["price"]))
