"""Planned base prices as covariates known ahead, against days worked by hand."""

from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from pydantic import ValidationError

from features.covariates import build_covariates
from features.engine import connect
from features.known_ahead import PRICE_AHEAD_DAYS
from features.known_future import known_future
from models.forecaster.config import Config

FIRST = date(2025, 3, 1)
SERIES = ibis.memtable(
    pa.table(
        {
            "series_id": ["S1/P1", "S2/P1"],
            "store_id": ["S1", "S2"],
            "product_id": ["P1", "P1"],
            "category": ["tea", "tea"],
            "region": ["north", "north"],
        }
    )
)


def d(number: int) -> date:
    """Day 1 is the first day with sales; earlier ones are 0 and below."""
    return FIRST + timedelta(days=number - 1)


def plans(*rows: tuple[str, str | None, int, float, int]) -> ibis.Table:
    """(product, store or None, first day, base price, day of announcement)."""
    return ibis.memtable(
        pa.table(
            {
                "product_id": [row[0] for row in rows],
                "store_id": pa.array([row[1] for row in rows], pa.string()),
                "valid_from": pa.array([d(row[2]) for row in rows], pa.date32()),
                "base_price": [row[3] for row in rows],
                "announced_on": pa.array([d(row[4]) for row in rows], pa.date32()),
            }
        )
    )


def fetch(expression: ibis.Table) -> list[dict[str, Any]]:
    return connect(memory_limit_gb=1).to_pyarrow(expression).to_pylist()


def built(plan: ibis.Table, last: int = 60) -> ibis.Table:
    return build_covariates(price_plans=plan, sales_days=(d(1), d(last)))


def ahead(covariates: ibis.Table, origin: int, series: str = "S1/P1", horizon: int = 42) -> dict[int, float | None]:
    """Planned price by day number, as seen at the end of day `origin`."""
    pairs = ibis.memtable(pa.table({"series_id": [series], "origin": pa.array([d(origin)], pa.date32())}))
    rows = fetch(known_future(covariates, SERIES, pairs, horizon=horizon, frequency="daily", names=["planned_price"]))
    return {origin + row["step"]: row["planned_price"] for row in rows}


def test_a_price_holds_until_the_next_one_that_was_announced() -> None:
    covariates = built(plans(("P1", None, -400, 2.0, -450), ("P1", None, 20, 2.2, 10)))
    unaware, aware = ahead(covariates, 9), ahead(covariates, 10)
    assert set(unaware.values()) == {2.0}
    assert {n: price for n, price in aware.items() if price != 2.0} == dict.fromkeys(range(20, 53), 2.2)
    assert set(ahead(covariates, 60).values()) == {2.2}  # as far as anybody forecasts from the last day


def test_a_stores_own_price_goes_before_that_of_the_chain() -> None:
    covariates = built(plans(("P1", None, 1, 2.0, -9), ("P1", "S2", 6, 1.8, 3), ("P1", None, 8, 2.4, 3)))
    assert [ahead(covariates, 3, "S1/P1")[n] for n in (5, 6, 8)] == [2.0, 2.0, 2.4]
    assert [ahead(covariates, 3, "S2/P1")[n] for n in (5, 6, 8)] == [2.0, 1.8, 1.8]
    assert [ahead(covariates, 2, "S2/P1")[n] for n in (5, 6, 8)] == [2.0, 2.0, 2.0]


def test_a_plan_that_was_mended_counts_from_the_day_it_was_mended() -> None:
    covariates = built(plans(("P1", None, 1, 2.0, -9), ("P1", None, 20, 2.2, 5), ("P1", None, 20, 2.1, 12)))
    assert (ahead(covariates, 11)[20], ahead(covariates, 12)[20]) == (2.2, 2.1)


def test_a_price_announced_later_for_an_earlier_day_does_not_hide_the_one_after_it() -> None:
    covariates = built(plans(("P1", None, 1, 2.0, -9), ("P1", None, 30, 2.5, 2), ("P1", None, 15, 2.2, 6)))
    assert [ahead(covariates, 6)[n] for n in (14, 15, 29, 30)] == [2.0, 2.2, 2.2, 2.5]
    assert [ahead(covariates, 5)[n] for n in (14, 15, 29, 30)] == [2.0, 2.0, 2.0, 2.5]


def test_a_list_of_several_prices_announced_at_once() -> None:
    covariates = built(plans(("P1", None, 1, 2.0, -9), ("P1", None, 10, 2.2, -9), ("P1", None, 20, 2.4, -9)))
    assert [ahead(covariates, 1)[n] for n in (9, 10, 19, 20)] == [2.0, 2.2, 2.2, 2.4]
    rows = fetch(covariates)
    assert len({(row["period_start"], row["known_from"]) for row in rows}) == len(rows)


def test_what_nobody_can_see_is_not_there() -> None:
    rows = fetch(built(plans(("P1", None, -400, 2.0, -450), ("P1", None, 20, 2.2, -60)), last=60))
    days = {(row["value"], row["period_start"]) for row in rows}
    # Announced more than a forecast ahead: the price before it ends on the day, and nothing is told of the years before.
    assert days == {(2.0, d(n)) for n in range(1, 20)} | {(2.2, d(n)) for n in range(20, 61 + PRICE_AHEAD_DAYS)}


def test_a_further_day_of_sales_leaves_the_rows_that_were_there() -> None:
    plan = plans(("P1", None, -400, 2.0, -450), ("P1", "S1", 20, 2.2, 10))
    before, after = ({tuple(row.items()) for row in fetch(built(plan, last))} for last in (30, 31))
    assert before < after
    assert {dict(row)["period_start"] for row in after - before} == {d(31 + PRICE_AHEAD_DAYS)}


def test_a_product_without_a_plan_has_no_price() -> None:
    covariates = built(plans(("P2", None, 1, 2.0, -9), ("P1", None, 12, 3.0, 5)))
    known = ahead(covariates, 6)
    assert (known[11], known[12]) == (None, 3.0)
    assert set(ahead(covariates, 4).values()) == {None}


def test_price_plans_need_the_days_that_they_are_told_for() -> None:
    with pytest.raises(ValueError, match="sales_days"):
        build_covariates(price_plans=plans(("P1", None, 1, 2.0, -9)))


def test_prices_are_told_as_far_as_anybody_forecasts() -> None:
    assert Config(horizon=PRICE_AHEAD_DAYS).horizon == PRICE_AHEAD_DAYS
    with pytest.raises(ValidationError, match="horizon"):
        Config(horizon=PRICE_AHEAD_DAYS + 1)
