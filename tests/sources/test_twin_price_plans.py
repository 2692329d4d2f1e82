"""The twin's price list: what it announces comes true, in time for a forecast, and moves nothing else."""

from collections import defaultdict
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sources.twin.decisions import Decisions
from sources.twin.params import TwinParams
from sources.twin.world import World

TINY = TwinParams.size("tiny")
OPENING = TINY.assortment.model_copy(update={"opening_share": 0.5})
PARAMS = TINY.model_copy(update={"stores": 6, "assortment": OPENING})
CELL = ["store_id", "product_id"]


def lived(params: TwinParams, decisions: Decisions | None = None) -> dict[str, pa.Table]:
    world = World(params, 5)
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    for ahead in range(params.days):
        for name, table in world.advance(params.start + timedelta(days=ahead), decisions).items():
            parts[name].append(table)
    return {name: pa.concat_tables(each) for name, each in parts.items()}


@pytest.fixture(scope="module")
def plain() -> dict[str, pa.Table]:
    return lived(PARAMS)


def in_force(plans: pd.DataFrame, cells: pd.DataFrame) -> pd.Series:
    """The planned price of each row of `cells` (store_id, product_id, date), by the rule of the contract."""

    def latest(some: pd.DataFrame, by: list[str]) -> pd.Series:
        found = pd.merge_asof(
            cells.reset_index().sort_values("date"),
            some.sort_values("valid_from")[[*by, "valid_from", "base_price"]],
            left_on="date",
            right_on="valid_from",
            by=by,
        )
        return found.set_index("index").base_price.reindex(cells.index)

    own = latest(plans[plans.store_id.notna()], CELL)
    return own.fillna(latest(plans[plans.store_id.isna()], ["product_id"]))


def frame(table: pa.Table) -> pd.DataFrame:
    rows = table.to_pandas()
    dated = {name: pd.to_datetime(rows[name]) for name in ("date", "valid_from", "announced_on") if name in rows}
    return rows.assign(**dated)


def test_the_plan_says_what_every_shelf_says_later(plain: dict[str, pa.Table]) -> None:
    prices, plans = frame(plain["prices"]), frame(plain["price_plans"])
    assert (in_force(plans, prices[[*CELL, "date"]]) == prices.base_price).all()
    moved = prices.sort_values("date").groupby(CELL).base_price.nunique()
    assert (moved > 1).mean() > 0.9  # it has something to say
    begins = prices.groupby(CELL).date.min()
    assert begins.nunique() > 2  # of launches and openings too
    assert plans.store_id.isna().any() and plans.store_id.notna().any()
    assert not plans.plan_id.duplicated().any()


def test_prices_are_announced_their_notice_ahead(plain: dict[str, pa.Table]) -> None:
    plans = frame(plain["price_plans"])
    assert set((plans.valid_from - plans.announced_on).dt.days) == {PARAMS.promotions.price_notice_days}
    last = pd.Timestamp(PARAMS.last_day)
    assert plans.announced_on.max() <= last
    assert last + pd.Timedelta(days=42) < plans.valid_from.max()


def test_the_notice_moves_no_other_table_and_no_price(plain: dict[str, pa.Table]) -> None:
    sooner = PARAMS.promotions.model_copy(update={"price_notice_days": 7})
    other = lived(PARAMS.model_copy(update={"promotions": sooner}))
    for name, table in plain.items():
        assert table.equals(other[name]) == (name != "price_plans"), name
    planned, later = frame(plain["price_plans"]), frame(other["price_plans"])
    assert set(later.plan_id) < set(planned.plan_id)
    both = later.merge(planned, on="plan_id")
    assert (both.base_price_x == both.base_price_y).all() and (both.valid_from_x == both.valid_from_y).all()


def test_a_decided_price_changes_no_plan(plain: dict[str, pa.Table]) -> None:
    list_price = World(PARAMS, 5).catalogue.products.list_price
    decided = lived(PARAMS, Decisions(prices=np.tile(list_price * 2, (6, 1))))
    assert not pc.all(pc.equal(decided["prices"]["base_price"], plain["prices"]["base_price"])).as_py()
    assert decided["price_plans"].equals(plain["price_plans"])
