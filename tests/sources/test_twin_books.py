"""What a shop's records say in the morning, and orders that leave out what will spoil: worked through whole worlds."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from sources.twin.decisions import Decisions
from sources.twin.params import TwinParams
from sources.twin.world import World


def world(seed: int = 7, **stock: Any) -> World:
    tiny = TwinParams.size("tiny")
    params = tiny.model_copy(
        update={
            "products": 32,
            "days": 80,
            "stock": tiny.stock.model_copy(update={"short_delivery_share": 0.0, **stock}),
        }
    )
    return World(params, seed, tables=("prices",), keep_truth=False)


def live(of: World, days: int, prices: Any = None) -> list[Any]:
    """Outcomes of the next days, each with the books of its morning."""
    told = []
    for _ in range(days):
        books = of.books()
        day = of.params.start + timedelta(days=of.state.next_day - of._start)
        of.advance(day, Decisions(prices=None if prices is None else prices(books)))
        assert of.outcome is not None
        told.append((books, of.outcome))
    return told


@pytest.mark.parametrize("expects", [False, True])
def test_books_tell_what_the_day_then_finds(expects: bool) -> None:
    lived = live(world(expects_spoilage=expects), 60)
    for number, (books, outcome) in enumerate(lived):
        on = books.on_sale & (outcome.stock.opening > 0)  # a first delivery is in no book
        met = (outcome.stock.opening + outcome.stock.received)[on]
        np.testing.assert_array_equal(books.stock.sum(axis=2)[on], met)
        np.testing.assert_array_equal(books.planned()[on], outcome.price[on])
        # What is promised for tomorrow's promotions is what tomorrow's books say, as far as it was announced.
        if number + 1 < len(lived):
            known, later = books.discount[1], lived[number + 1][0].discount[0]
            assert (known <= later + 1e-12).all() and ((known > 0) == (later > 0)).mean() > 0.99
        ordered = outcome.ordered > 0
        assert (books.wait[ordered] == 0).all()


def test_goods_of_a_day_come_every_day_once_spoilage_is_expected() -> None:
    share = {}
    for expects in (False, True):
        of = world(24, expects_spoilage=expects)
        short = (of.catalogue.products.shelf_life_days == 1) & (of.catalogue.products.lead_time_days == 2)
        assert short.any()
        lived = live(of, 60)[20:]
        none = [(outcome.ordered[:, short][books.on_sale[:, short]] == 0).mean() for books, outcome in lived]
        wasted = sum(int(outcome.stock.wasted.sum()) for _, outcome in lived)
        share[expects] = (float(np.mean(none)), wasted)
    assert share[True][0] < 0.2 < share[False][0]
    assert share[True][1] != share[False][1]


def test_days_marked_down_do_not_teach_the_shop_its_usual_sales() -> None:
    """Half price brings many more customers; the order levels stay, and so they do for what nobody marked down."""

    def halved(books: Any) -> Any:
        prices = np.full(books.base.shape, np.nan)
        prices[:, 0] = np.round(books.base[:, 0] / 2, 2)
        return prices

    plain, marked = world(), world()
    live(plain, 30), live(marked, 30)
    before = marked.books().levels
    told = live(marked, 20, halved)
    live(plain, 20)
    sold = np.sum([outcome.stock.sold[:, 0].sum() for _, outcome in told])
    assert sold > 0
    np.testing.assert_array_equal(marked.books().levels[:, 0], before[:, 0])
    np.testing.assert_array_equal(marked.books().levels[:, 1:], plain.books().levels[:, 1:])
    assert (plain.books().levels != before).any()
