"""What is on its way to a shelf and when the next order goes out, told from deliveries: by hand, and beside the twin's books."""

from datetime import timedelta

import numpy as np
import pytest

from orchestration.fresh_orders import filled_to, orders_of
from orchestration.fresh_twin import LAID_OVER, fresh_params
from sources.twin.stock import FRESH_DAYS
from sources.twin.world import World


def orders(
    received: list[int], closing: list[int], *, level: int = 10, every: int = 1, lead: int = 1
) -> tuple[int, int, int]:
    """Units today and tomorrow and nights to wait, of one cell."""
    days = [np.array(each).reshape(-1, 1, 1) for each in (received, closing)]
    found = orders_of(*days, np.array([[level]]), every=np.array([every]), lead=np.array([lead]))
    return found.today.item(), found.tomorrow.item(), found.wait.item()


def test_a_good_of_every_day_is_filled_up_over_night() -> None:
    assert orders([5, 6, 7], [4, 3, 2]) == (8, 0, 0)
    assert orders([5, 6, 7], [4, 3, 12]) == (0, 0, 0)


def test_a_good_that_comes_every_third_day_waits_for_its_night() -> None:
    # It came on days 0 and 3, ordered on the nights before: the next order goes out on night 5.
    assert orders([9, 0, 0, 8], [8, 5, 3, 7], every=3) == (0, 0, 1)  # the morning of day 4: one night on
    assert orders([9, 0, 0, 8, 0], [8, 5, 3, 7, 4], every=3) == (0, 0, 0)  # day 5: tonight
    assert orders([9, 0, 0, 8, 0, 0], [8, 5, 3, 7, 4, 1], every=3) == (9, 0, 2)  # day 6: it is here, 10 less 1


def test_a_good_of_two_mornings_has_two_orders_on_their_way() -> None:
    # Orders fill up to 20: on night 0 what is left, 6, tomorrow's 7 and day 2's 7; on night 1, 5 + 7 + 8.
    received, closing = [9, 7, 7, 8], [6, 5, 4, 3]
    grid = [np.array(each).reshape(-1, 1, 1) for each in (received, closing)]
    assert filled_to(*grid, np.array([[10]])).item() == 20
    # Night 2: 4 left, 8 came on day 3, so 8 come on day 4, today; night 3: 3 left, 8 today, so 9 tomorrow.
    assert orders(received, closing, lead=2) == (8, 9, 0)


def test_a_good_of_two_mornings_every_other_day() -> None:
    # Ordered on nights 0 and 2 for days 2 and 4; the last one came on day 4.
    received, closing = [0, 0, 6, 0, 7], [2, 1, 5, 3, 8]
    # 2 + 0 + 6 and 5 + 0 + 7 were filled up to: 10 in the middle. Day 5: nothing today; tomorrow 10 less the 8 left.
    assert orders(received, closing, every=2, lead=2) == (0, 2, 1)


def test_what_never_came_is_due_when_it_is_ordered_every_day() -> None:
    assert orders([0, 0], [4, 4]) == (6, 0, 0)
    assert orders([0, 0], [4, 4], every=3) == (0, 0, 0)


def test_the_rhythm_of_the_deliveries_is_the_twins() -> None:
    """Nights to wait as the shop's own books have them, and what comes near what was ordered, leads of two mornings and all."""
    params = fresh_params({**LAID_OVER, "products": 96, "stores": 3})
    world = World(params, 5, tables=("inventory",), keep_truth=False)
    received, closing = [], []
    for number in range(70):
        world.advance(world.params.start + timedelta(days=number))
        assert world.outcome is not None
        received.append(world.outcome.stock.received)
        closing.append(world.outcome.stock.closing)
    products, books = world.catalogue.products, world.books()
    lead = np.maximum(products.lead_time_days, 1)
    own = np.flatnonzero((products.shelf_life_days <= 30) & (lead <= 2))
    every = np.where(products.shelf_life_days <= FRESH_DAYS, 1, params.stock.review_days)[own]
    on_sale = books.on_sale[:, own]
    units = (np.array(each)[:, :, own] for each in (received, closing))
    told = orders_of(*units, books.levels[:, own], every=every, lead=lead[own])
    rare = on_sale & (every > 1) & (np.array(received)[-14:, :, own] > 0).any(axis=0)
    assert rare.sum() > 20 and books.wait[:, own][rare].max() > 0
    assert (told.wait == books.wait[:, own])[rare].mean() > 0.95
    for guess, true in ((told.today, books.stock[:, own, 0]), (told.tomorrow, books.coming[:, own] * (lead[own] > 1))):
        assert true[on_sale].sum() > 0
        assert np.abs(guess - true)[on_sale].sum() < 0.35 * true[on_sale].sum()
        assert guess[on_sale].sum() == pytest.approx(true[on_sale].sum(), rel=0.2)
