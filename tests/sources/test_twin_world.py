"""The world's bookkeeping, keyed independence, decisions and checkpoints."""

from collections import defaultdict
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks.contracts import load_contract
from sources.twin.customers.schemas import ONLINE_SCHEMAS
from sources.twin.decisions import DecisionError
from sources.twin.params import DemandParams, DirtParams, TwinParams
from sources.twin.source import TwinSource
from sources.twin.tables import SCHEMAS
from sources.twin.world import World

CLEAN = DirtParams(**dict.fromkeys(DirtParams.model_fields, 0.0))
PARAMS = TwinParams.size("tiny").model_copy(update={"days": 120, "dirt": CLEAN})
CELL = ["store_id", "product_id", "date"]


def run(params: TwinParams, seed: int = 11, days: int | None = None) -> dict[str, pd.DataFrame]:
    world = World(params, seed)
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    for ahead in range(days or params.days):
        day = params.start + timedelta(days=ahead)
        for name, table in world.advance(day).items():
            parts[name].append(table)
    tables = {name: pa.concat_tables(p).to_pandas() for name, p in parts.items()}
    tables |= {name: table.to_pandas() for name, table in world.static_tables().items()}
    tables["truth"] = world.truth().expected_demand.to_pandas()
    return tables


@pytest.fixture(scope="module")
def plain() -> dict[str, pd.DataFrame]:
    return run(PARAMS)


def test_columns_and_types_are_the_contracts() -> None:
    for name in SCHEMAS.keys() - ONLINE_SCHEMAS.keys():  # those of the online shop: test_online_shop.py
        schema = SCHEMAS[name]
        assert schema.names == list(load_contract(f"{name}_raw").arrow_schema().names)
        strict = load_contract(name).arrow_schema()
        assert [strict.field(n).type for n in schema.names] == schema.types


def test_stock_balances_and_sales_stay_within_it(plain: dict[str, pd.DataFrame]) -> None:
    rows = plain["inventory"].merge(plain["truth"], on=CELL, validate="one_to_one")
    assert len(rows) == len(plain["inventory"]) == len(plain["truth"]) > 3000
    available = rows.opening_units + rows.received_units
    assert (available - rows.sold_units - rows.wasted_units == rows.closing_units).all()
    assert (rows[["opening_units", "received_units", "sold_units", "wasted_units", "closing_units"]] >= 0).all(
        axis=None
    )
    assert (rows.sold_units == np.minimum(rows.demanded_units, available)).all()
    assert (rows.stocked_out == (rows.sold_units == available)).all()
    assert 0.01 < (rows.demanded_units > rows.sold_units).mean() < 0.10


def test_a_day_opens_with_what_the_day_before_closed_with(plain: dict[str, pd.DataFrame]) -> None:
    rows = plain["inventory"].sort_values(CELL)
    grouped = rows.groupby(["store_id", "product_id"])
    before = grouped.closing_units.shift()
    assert (rows.opening_units[before.notna()] == before[before.notna()]).all()
    assert (grouped.date.diff().dropna() == pd.Timedelta(days=1)).all()


def test_fresh_goods_leave_the_shelf_in_time(plain: dict[str, pd.DataFrame]) -> None:
    rows = plain["inventory"].merge(plain["products"], on="product_id").sort_values(CELL)
    fresh = rows[rows.shelf_life_days <= 20]
    assert fresh.wasted_units.sum() > 0
    # What is left in the evening came within the last shelf life less one day: all older units are sold or wasted.
    for (_, _), cell in fresh.groupby(["store_id", "product_id"]):
        keeps = int(cell.shelf_life_days.iloc[0])
        recent = cell.received_units.rolling(keeps - 1).sum().to_numpy() if keeps > 1 else np.zeros(len(cell))
        assert (cell.closing_units.to_numpy()[keeps:] <= recent[keeps:]).all()
    ended = rows[rows.date == rows.ended_on]
    lasting = rows[(rows.shelf_life_days > 30) & (rows.date != rows.ended_on)]
    assert (ended.closing_units == 0).all()
    assert lasting.wasted_units.sum() == 0


def test_receipts_add_up_to_stock_movements_at_shelf_prices(plain: dict[str, pd.DataFrame]) -> None:
    sales = plain["transactions"][lambda t: t.kind == "sale"].assign(date=lambda t: t.sold_at.dt.date)
    units = sales.groupby(CELL).units.sum()
    moved = plain["inventory"].set_index(CELL).sold_units
    assert units.equals(moved[moved > 0].astype(units.dtype).rename("units").sort_index())
    priced = sales.merge(plain["prices"], on=CELL, validate="many_to_one")
    assert len(priced) == len(sales)
    assert (priced.unit_price == priced.price).all()
    assert (plain["prices"].price <= plain["prices"].base_price).all()


def test_receipts_are_well_formed(plain: dict[str, pd.DataFrame]) -> None:
    lines = plain["transactions"].merge(plain["stores"], on="store_id")
    assert not lines.duplicated(["transaction_id", "line_no"]).any()
    sizes = lines.groupby("transaction_id").line_no.agg(["min", "max", "count"])
    assert (sizes["min"] == 1).all()
    assert (sizes["max"] == sizes["count"]).all()
    assert (sizes["count"] > 1).mean() > 0.3
    for column in ("store_id", "customer_id", "sold_at", "recorded_at", "kind"):
        assert (lines.groupby("transaction_id")[column].nunique(dropna=False) == 1).all()
    delay = lines.recorded_at - lines.sold_at
    assert delay.min() > pd.Timedelta(0)
    assert delay.max() < pd.Timedelta(days=7)
    hours = {"super": (8, 21), "express": (6, 23), "unmanned": (0, 24), "online": (0, 24)}
    for kind, (opens, closes) in hours.items():
        assert lines.sold_at[lines.format == kind].dt.hour.between(opens, closes - 1).all()
    assert 0.5 < lines.customer_id.notna().mean() < 0.7


def test_returns_undo_an_earlier_sale_once(plain: dict[str, pd.DataFrame]) -> None:
    lines = plain["transactions"]
    returns, sales = lines[lines.kind == "return"], lines[lines.kind == "sale"]
    key = ["transaction_id", "line_no"]
    both = returns.merge(
        sales, left_on=["original_transaction_id", "original_line_no"], right_on=key, suffixes=("", "_sale")
    )
    assert len(both) == len(returns) > 50
    assert not returns.duplicated(["original_transaction_id", "original_line_no"]).any()
    for column in ("store_id", "product_id", "unit_price"):
        assert (both[column] == both[f"{column}_sale"]).all()
    assert both.units.le(both.units_sale).all()
    waits = (both.sold_at.dt.normalize() - both.sold_at_sale.dt.normalize()).dt.days
    assert waits.between(1, PARAMS.transactions.return_within_days).all()
    assert 0.010 < len(returns) / len(sales) < 0.020


def test_products_are_sold_only_between_launch_and_end() -> None:
    params = PARAMS.model_copy(update={"products": 60, "days": 200})
    tables = run(params, seed=2)
    rows = tables["inventory"].merge(tables["products"], on="product_id")
    assert (rows.date >= rows.launched_on).all()
    assert (rows.ended_on.isna() | (rows.date <= rows.ended_on)).all()
    assert (tables["products"].launched_on > params.start).any()
    assert (tables["products"].ended_on <= params.last_day).any()
    clearance = tables["promotions"][lambda t: t.kind == "clearance"].merge(tables["products"], on="product_id")
    assert len(clearance) > 0
    assert (clearance.ends_on == clearance.ended_on).all()


def test_promotions_lower_the_price_they_announce(plain: dict[str, pd.DataFrame]) -> None:
    promotions, prices = plain["promotions"], plain["prices"]
    assert not promotions.promotion_id.duplicated().any()
    expected = prices[CELL].assign(depth=0.0)
    for promotion in promotions.itertuples():
        here = (expected.product_id == promotion.product_id) & expected.date.between(
            promotion.starts_on, promotion.ends_on
        )
        if promotion.store_id is not None:
            here &= expected.store_id == promotion.store_id
        expected.loc[here, "depth"] = np.maximum(expected.depth[here], promotion.discount_fraction)
    assert 0.03 < (expected.depth > 0).mean() < 0.3
    assert np.allclose(prices.price, prices.base_price * (1 - expected.depth), atol=0.00501)
    assert (prices.price < prices.base_price).equals(expected.depth > 0)


def without_rivalry(params: TwinParams) -> TwinParams:
    return params.model_copy(update={"demand": DemandParams(cannibalisation=0.0)})


def rows_of(tables: dict[str, pd.DataFrame], column: str, values: set[str]) -> dict[str, pd.DataFrame]:
    kept = {n: t[t[column].isin(values)].reset_index(drop=True) for n, t in tables.items() if column in t}
    return {n: t for n, t in kept.items() if len(t)}


def test_one_more_product_leaves_the_others_as_they_were() -> None:
    params = without_rivalry(PARAMS)
    old = run(params, days=60)
    new = run(params.model_copy(update={"products": 13}), days=60)
    ids = set(old["products"].product_id)
    assert set(new["products"].product_id) - ids == {"P00013"}
    assert "P00013" in set(new["transactions"].product_id)
    for name, table in rows_of(new, "product_id", ids).items():
        pd.testing.assert_frame_equal(table, old[name])
    for name in ("weather", "weather_forecast", "social_heat", "stores", "calendar"):
        pd.testing.assert_frame_equal(new[name], old[name])


def test_one_more_store_leaves_the_others_as_they_were() -> None:
    old = run(PARAMS, days=60)
    new = run(PARAMS.model_copy(update={"stores": 4}), days=60)
    ids = set(old["stores"].store_id)
    assert "S0004" in set(new["transactions"].store_id)
    for name, table in rows_of(new, "store_id", ids).items():
        # What holds in all stores names none.
        plans = name in {"promotions", "price_plans"}
        same = old[name][old[name].store_id.notna()].reset_index(drop=True) if plans else old[name]
        pd.testing.assert_frame_equal(table, same)


def test_one_more_domain_moves_nothing() -> None:
    """Other tables than transactions do not depend on whether transactions are made at all."""
    params = PARAMS.model_copy(update={"days": 20})
    whole = World(params, 4)
    some = World(params, 4, tables={"inventory", "prices"})
    for ahead in range(20):
        day = params.start + timedelta(days=ahead)
        all_tables, few = whole.advance(day), some.advance(day)
        assert set(few) == {"inventory", "prices"}
        for name, table in few.items():
            assert table.equals(all_tables[name])


def test_a_restored_world_lives_the_same_days_again() -> None:
    world = World(PARAMS, 11)
    days = [PARAMS.start + timedelta(days=n) for n in range(40)]
    for day in days[:25]:
        world.advance(day)
    state = world.state.copy()
    first = [world.advance(day) for day in days[25:]]
    other = World(PARAMS, 11)
    for again in (world, other):
        again.restore(state)
        for day, tables in zip(days[25:], first, strict=True):
            repeated = again.advance(day)
            assert all(repeated[name].equals(table) for name, table in tables.items())


def test_truth_must_be_kept_to_be_told() -> None:
    with pytest.raises(DecisionError, match="keeps no truth"):
        World(PARAMS, 1, keep_truth=False).truth()
    with pytest.raises(DecisionError, match=r"'sales'.*not made day by day"):
        World(PARAMS, 1, tables={"sales"})


def test_keys_reach_every_store_region_and_product(plain: dict[str, pd.DataFrame]) -> None:
    assert set(plain["weather"].region) == set(plain["stores"].region)
    assert set(plain["social_heat"].category) == set(plain["products"].category)
    assert set(plain["inventory"].product_id) <= set(plain["products"].product_id)
    assert (plain["products"].unit_cost < plain["products"].list_price).all()


def test_source_days_are_the_worlds_days() -> None:
    params = PARAMS.model_copy(update={"days": 3})
    world = World(params, 11)
    for day, tables in TwinSource(params, 11).days():
        made = world.advance(day)
        assert all(table.equals(made[name]) for name, table in tables.items())


@given(
    stores=st.integers(1, 5),
    products=st.integers(1, 9),
    categories=st.integers(1, 8),
    regions=st.integers(1, 4),
    baskets=st.floats(1, 20_000),
    shares=st.tuples(*[st.floats(0, 0.15)] * 6),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=15, deadline=None)
def test_any_world_keeps_its_books(stores, products, categories, regions, baskets, shares, seed) -> None:
    params = TwinParams(
        stores=stores,
        products=products,
        categories=categories,
        regions=regions,
        days=6,
        dirt=DirtParams(**dict(zip(DirtParams.model_fields, shares, strict=True))),
        transactions=PARAMS.transactions.model_copy(update={"baskets_per_store_day": baskets}),
    )
    world = World(params, seed)
    for ahead in range(6):
        tables = world.advance(params.start + timedelta(days=ahead))
        assert {name: table.schema for name, table in tables.items()} == {n: SCHEMAS[n] for n in tables}
        stock = world.outcome.stock
        assert (stock.opening + stock.received - stock.sold - stock.wasted == stock.closing).all()
        assert (np.minimum(world.outcome.demanded, stock.opening + stock.received) == stock.sold)[
            world.outcome.active
        ].all()
        lines = tables["transactions"].to_pandas()
        dirt = world.outcome.dirt_rows.to_pandas()
        copies = lines.duplicated(["transaction_id", "line_no"])
        assert copies.sum() == (dirt.kind == "duplicates").sum()
        assert lines.store_id.isna().sum() + lines.product_id.isna().sum() == (dirt.kind == "missing_keys").sum()
        assert lines.units[(lines.kind == "sale") & ~copies].sum() == stock.sold.sum()
