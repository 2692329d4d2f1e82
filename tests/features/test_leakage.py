"""Nothing that happens after a day moves a training row of that day: the whole room on the tiny twin."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from features.cleaning_transactions import tag_transactions
from features.covariates import build_covariates
from features.engine import connect
from features.known_future import covariate_names, known_future
from features.sales import daily_sales
from features.state import StateTables, state_features
from sources.open import TwinOptions, open_source
from sources.twin.params import TwinParams
from sources.twin.source import TwinSource

HORIZON = 14


@dataclass(frozen=True)
class Rows:
    """State by (series, origin), known future by (series, origin, step)."""

    state: dict[tuple[str, date], dict[str, Any]]
    ahead: dict[tuple[str, date, int], dict[str, Any]]


@pytest.fixture(scope="module")
def twin() -> dict[str, ibis.Table]:
    tiny = TwinParams.size("tiny")
    # Prices are announced within the horizon, so that an origin could see one too early.
    soon = tiny.promotions.model_copy(update={"price_notice_days": 7})
    source = TwinSource(tiny.model_copy(update={"promotions": soon}), 11)
    tables = {name: source.read(name).read_all() for name in sorted(source.tables)}
    con = connect(memory_limit_gb=1)
    lines = ibis.memtable(tables["transactions"])
    clean = lines.filter(lines.kind.isin(["sale", "return"])).select(
        "store_id",
        "product_id",
        "kind",
        units=lines.units.cast("int64"),
        cancelled_units=ibis.literal(0),
        cancelled_same_day_units=ibis.literal(0),
        sold_on=lines.sold_at.cast("timestamp").date(),
    )
    tables["transactions"] = con.to_pyarrow(clean)
    return {name: ibis.memtable(table) for name, table in tables.items()}


def build(tables: dict[str, ibis.Table], origins: list[date], end: date) -> Rows:
    con = connect(memory_limit_gb=1)
    built = daily_sales(
        tables["transactions"],
        products=tables["products"],
        stores=tables["stores"],
        inventory=tables["inventory"],
        end=end,
    )
    sales = con.create_table("sales", built.sales)
    series = con.create_table("series", built.series)
    covariates = con.create_table(
        "covariates",
        build_covariates(
            calendar=tables["calendar"],
            weather_forecast=tables["weather_forecast"],
            promotions=tables["promotions"],
            products=tables["products"],
            price_plans=tables["price_plans"],
            sales_days=(date(2024, 1, 1), end),
        ),
    )
    beside = {name: tables[name] for name in ("prices", "promotions", "inventory", "weather", "social_heat")}
    state = con.create_table(
        "state", state_features(StateTables(sales, series, **beside), frequency="daily", origins=origins)
    )
    names = covariate_names(covariates)
    ahead = known_future(
        covariates, series, state.select("series_id", "origin"), horizon=HORIZON, frequency="daily", names=names
    )
    return Rows(
        {(r["series_id"], r["origin"]): r for r in con.to_pyarrow(state).to_pylist()},
        {(r["series_id"], r["origin"], r["step"]): r for r in con.to_pyarrow(ahead).to_pylist()},
    )


def perturb(tables: dict[str, ibis.Table], cutoff: date) -> dict[str, ibis.Table]:
    """Another future: other sales and stock after the cutoff, other plans and forecasts issued after it."""
    day = ibis.literal(cutoff)
    sold, stock, shelf = tables["transactions"], tables["inventory"], tables["prices"]
    plans, forecast, listed = tables["promotions"], tables["weather_forecast"], tables["price_plans"]
    sky, talk = tables["weather"], tables["social_heat"]
    return tables | {
        "transactions": sold.mutate(units=ibis.ifelse(sold.sold_on > day, sold.units * 7 + 3, sold.units)),
        "inventory": stock.mutate(
            stocked_out=ibis.ifelse(stock.date > day, ~stock.stocked_out, stock.stocked_out),
            closing_units=ibis.ifelse(stock.date > day, stock.closing_units + 7, stock.closing_units),
        ),
        "prices": shelf.mutate(
            price=ibis.ifelse(shelf.date > day, shelf.price / 3, shelf.price),
            base_price=ibis.ifelse(shelf.date > day, shelf.base_price * 2, shelf.base_price),
        ),
        "price_plans": listed.mutate(
            base_price=ibis.ifelse(listed.announced_on > day, listed.base_price * 2, listed.base_price)
        ),
        "weather": sky.mutate(temp_c=ibis.ifelse(sky.date > day, sky.temp_c + 30, sky.temp_c)),
        "social_heat": talk.mutate(heat=ibis.ifelse(talk.date > day, talk.heat * 9, talk.heat)),
        "promotions": plans.mutate(
            discount_fraction=ibis.ifelse(plans.announced_on > day, 0.9, plans.discount_fraction),
            kind=ibis.ifelse(plans.announced_on > day, "clearance", plans.kind),
        ),
        "weather_forecast": forecast.mutate(
            temp_c=ibis.ifelse(forecast.issued_on > day, forecast.temp_c + 40, forecast.temp_c)
        ),
    }


def moved(before: dict[Any, Any], after: dict[Any, Any], keep: Any) -> int:
    wanted = [key for key in before if keep(key)]
    assert wanted and set(wanted) == {key for key in after if keep(key)}
    return sum(before[key] != after[key] for key in wanted)


def test_another_future_moves_no_row_of_the_past_and_a_planted_leak_is_caught(twin: dict[str, ibis.Table]) -> None:
    last = connect().execute(twin["inventory"].date.max())
    last = last.date() if hasattr(last, "date") else last
    cutoff = last - timedelta(days=30)
    origins = [cutoff - timedelta(days=d) for d in (0, 1, 9, 40)]
    later = [cutoff + timedelta(days=d) for d in (8, 20)]
    calm = build(twin, origins + later, last)
    other_world = perturb(twin, cutoff)
    other = build(other_world, origins + later, last)

    assert moved(calm.state, other.state, lambda key: key[1] <= cutoff) == 0
    assert moved(calm.ahead, other.ahead, lambda key: key[1] <= cutoff) == 0
    # After the cutoff the same comparison sees the other future at once: it is not blind.
    assert moved(calm.state, other.state, lambda key: key[1] > cutoff) > 0
    assert moved(calm.ahead, other.ahead, lambda key: key[1] > cutoff) > 0
    planned = [{key: row["planned_price"] for key, row in rows.ahead.items()} for rows in (calm, other)]
    assert moved(*planned, lambda key: key[1] > cutoff) > 0

    # Planted leaks: sales booked a week early, and forecasts and prices that claim an issue date before the cutoff.
    def leak(tables: dict[str, ibis.Table]) -> dict[str, ibis.Table]:
        sold, forecast, listed = tables["transactions"], tables["weather_forecast"], tables["price_plans"]
        return tables | {
            "transactions": sold.mutate(sold_on=(sold.sold_on - ibis.interval(days=7)).cast("timestamp").cast("date")),
            "weather_forecast": forecast.mutate(
                issued_on=(forecast.issued_on - ibis.interval(days=7)).cast("timestamp").cast("date")
            ),
            "price_plans": listed.mutate(
                announced_on=(listed.announced_on - ibis.interval(days=20)).cast("timestamp").cast("date")
            ),
        }

    leaky, leaky_other = build(leak(twin), origins, last), build(leak(other_world), origins, last)
    assert moved(leaky.state, leaky_other.state, lambda key: key[1] <= cutoff) > 0
    assert moved(leaky.ahead, leaky_other.ahead, lambda key: key[1] <= cutoff) > 0
    planned = [{key: row["planned_price"] for key, row in rows.ahead.items()} for rows in (leaky, leaky_other)]
    assert moved(*planned, lambda key: key[1] <= cutoff) > 0


def cleaned(lines: ibis.Table) -> ibis.Table:
    """Lines as they go on from cleaning, held in memory."""
    tagged = tag_transactions(lines, load_contract("transactions"))
    return ibis.memtable(connect(memory_limit_gb=1).to_pyarrow(tagged.filter(tagged["_class"] == "row")))


def test_returns_after_a_day_move_no_state_of_it_and_subtracting_them_is_caught(twin: dict[str, ibis.Table]) -> None:
    source = open_source("twin", twin=TwinOptions(size="tiny", seed=11))
    raw = ibis.memtable(source.read("transactions").read_all())
    sales = raw.filter(raw.kind == "sale", raw.line_no == 1)
    at_once = sales.filter(sales.transaction_id.hexdigest("md5").startswith("0")).mutate(
        transaction_id=ibis.literal("now-") + sales.transaction_id,
        kind=ibis.literal("return"),
        original_transaction_id=sales.transaction_id,
        original_line_no=sales.line_no,
    )
    lines = raw.union(at_once)  # the twin's customers come back on later days only
    last = connect().execute(twin["inventory"].date.max())
    last = last.date() if hasattr(last, "date") else last
    cutoff = last - timedelta(days=30)
    origins = [cutoff - timedelta(days=d) for d in (0, 1, 9, 40)]
    known = lines.filter((lines.kind != "return") | (lines.sold_at.cast("timestamp").date() <= ibis.literal(cutoff)))
    calm, other = cleaned(lines), cleaned(known)
    past = [
        connect().to_pyarrow(t.filter(t.sold_on <= ibis.literal(cutoff)).aggregate(
            later=t.cancelled_units.sum(), same_day=t.cancelled_same_day_units.sum()
        )).to_pylist()[0]
        for t in (calm, other)
    ]  # fmt: skip
    assert past[0]["later"] > past[1]["later"] > past[1]["same_day"] == past[0]["same_day"] > 0

    def states(transactions: ibis.Table) -> dict[tuple[str, date], dict[str, Any]]:
        return build(twin | {"transactions": transactions}, origins, last).state

    assert moved(states(calm), states(other), lambda key: key[1] <= cutoff) == 0
    leaky, leaky_other = (states(t.mutate(cancelled_same_day_units=t.cancelled_units)) for t in (calm, other))
    assert moved(leaky, leaky_other, lambda key: key[1] <= cutoff) > 0


def test_the_twins_units_are_all_in_the_grid(twin: dict[str, ibis.Table]) -> None:
    built = daily_sales(twin["transactions"], products=twin["products"], stores=twin["stores"])
    con = connect(memory_limit_gb=1)
    rows = con.to_pyarrow(built.sales.aggregate(units=built.sales.value.sum(), rows=built.sales.count())).to_pylist()[0]
    lines, life = twin["transactions"], twin["products"].select("product_id", "launched_on", "ended_on")
    in_life = lines.filter(lines.kind == "sale", lines.store_id.notnull()).inner_join(life, "product_id")
    in_life = in_life.filter(
        in_life.sold_on >= in_life.launched_on,
        in_life.ended_on.isnull() | (in_life.sold_on <= in_life.ended_on),
    )
    assert rows["units"] == con.to_pyarrow(in_life.aggregate(n=in_life.units.sum())).to_pylist()[0]["n"]
    assert rows["rows"] > 1_000
    columns: pa.Schema = built.sales.schema().to_pyarrow()
    assert columns.names == ["series_id", "period_start", "value", "unit", "open", "censored"]
