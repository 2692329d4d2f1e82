"""Covariates of the calendar, of weather forecasts and of promotions, against days worked by hand."""

from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from features.covariates import COVARIATE_DEFAULTS, KNOWN_AHEAD, build_covariates
from features.engine import connect
from features.known_future import known_future

FIRST = date(2024, 12, 1)  # a Sunday


def d(number: int) -> date:
    """The day of December 2024 (beyond 31: of the months after it)."""
    return FIRST + timedelta(days=number - 1)


def days(*numbers: int) -> pa.Array:
    return pa.array([d(n) for n in numbers], pa.date32())


def fetch(expression: ibis.Table) -> list[dict[str, Any]]:
    return connect(memory_limit_gb=1).to_pyarrow(expression).to_pylist()


def by_name(covariates: ibis.Table, period: int) -> dict[str, float]:
    return {row["name"]: row["value"] for row in fetch(covariates) if row["period_start"] == d(period)}


def calendar(holidays: set[int], breaks: set[int], last: int = 90, first: int = 1) -> ibis.Table:
    span = range(first, last + 1)
    return ibis.memtable(
        pa.table(
            {
                "date": days(*span),
                "is_holiday": [n in holidays for n in span],
                "is_school_break": [n in breaks for n in span],
            }
        )
    )


def test_christmas_by_hand() -> None:
    # Wednesday 25 and Thursday 26 December and Wednesday 1 January (32); school is out from Monday 23 to Sunday 5 (36).
    covariates = build_covariates(calendar=calendar({25, 26, 32}, set(range(23, 37))))
    friday = by_name(covariates, 27)
    assert friday["is_bridge_day"] == 1 and friday["is_after_holiday"] == 1 and friday["days_off_run"] == 0
    assert friday["days_to_holiday"] == 5 and friday["days_since_holiday"] == 1
    assert friday["holidays_in_week"] == 2 and friday["holidays_next_7"] == 1
    assert friday["school_break_day"] == 5 and friday["school_break_days_left"] == 10
    assert friday["days_to_month_end"] == 4 and friday["days_from_month_turn"] == -5
    eve, first_day = by_name(covariates, 24), by_name(covariates, 25)
    assert eve["is_holiday_eve"] == 1 and eve["is_bridge_day"] == 0 and eve["is_holiday"] == 0
    assert first_day["days_off_run"] == 2 and first_day["is_holiday_eve"] == 0 and first_day["is_holiday"] == 1
    new_year = by_name(covariates, 32)
    assert (new_year["days_off_run"], new_year["days_from_month_turn"], new_year["days_to_month_end"]) == (1, 0, 30)
    saturday = by_name(covariates, 28)
    assert saturday["days_off_run"] == 2 and saturday["is_bridge_day"] == 0
    early, late = by_name(covariates, 2), by_name(covariates, 44)
    assert (early["days_to_holiday"], early["days_to_holiday_far"], early["days_to_school_break"]) == (14, 23, 21)
    assert (late["days_since_holiday"], late["days_since_holiday_far"], late["days_since_school_break"]) == (12, 12, 8)
    assert (late["days_to_holiday"], late["days_to_holiday_far"]) == (14, 60)
    assert early["school_break_day"] == 0 and early["school_break_days_left"] == 0


def test_last_years_calendar_is_that_of_the_same_weekday_and_unknown_before_the_table() -> None:
    covariates = build_covariates(calendar=calendar({25, 26}, set(range(23, 37)), last=400))
    same = by_name(covariates, 25 + 364)
    assert same["is_holiday_year_ago"] == 1 and same["is_holiday"] == 0
    assert same["holidays_in_week_year_ago"] == 2 and same["is_school_break_year_ago"] == 1
    assert "is_holiday_year_ago" not in by_name(covariates, 364)


def test_a_weather_forecast_is_seen_beside_its_own_issue_alone() -> None:
    forecast = ibis.memtable(
        pa.table(
            {
                "region": ["north"] * 4,
                "issued_on": days(1, 1, 1, 2),
                "date": days(2, 3, 4, 4),
                "temp_c": [10.0, 16.0, 25.0, 0.0],
                "rain_mm": [1.0, 2.0, 4.0, 8.0],
            }
        )
    )
    rows = {
        (r["period_start"], r["known_from"], r["name"]): r["value"]
        for r in fetch(build_covariates(weather_forecast=forecast))
    }
    first = {name: value for (day, known, name), value in rows.items() if (day, known) == (d(4), d(1))}
    assert first["forecast_temp_to_issue"] == pytest.approx(25 - 17) and first["forecast_temp_mean_3"] == 17
    assert first["forecast_rain_sum_3"] == 7 and first["forecast_lead_days"] == 3
    assert (first["forecast_heating"], first["forecast_cooling"]) == (0, 3)
    second = {name: value for (day, known, name), value in rows.items() if (day, known) == (d(4), d(2))}
    assert (second["forecast_temp_mean_3"], second["forecast_rain_sum_3"], second["forecast_heating"]) == (0, 8, 15)


def promotions(*rows: tuple[str, str | None, int, int, float, int, str]) -> ibis.Table:
    names = ("product_id", "store_id", "starts_on", "ends_on", "discount_fraction", "announced_on", "kind")
    kinds = (pa.string(), pa.string(), pa.date32(), pa.date32(), pa.float64(), pa.date32(), pa.string())
    columns = {
        name: pa.array([d(row[i]) if kind == pa.date32() else row[i] for row in rows], kind)
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    return ibis.memtable(pa.table(columns))


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
PRODUCTS = ibis.memtable(pa.table({"product_id": ["P1", "P2", "P3"], "category": ["tea", "tea", "milk"]}))


def ahead(covariates: ibis.Table, origin: int, horizon: int = 40) -> dict[tuple[str, int], dict[str, Any]]:
    """By series and day number; the names that the room documents for promotions."""
    names = [spec.name for spec in KNOWN_AHEAD if "promotions" in spec.needs]
    pairs = ibis.memtable(pa.table({"series_id": ["S1/P1", "S2/P1"], "origin": days(origin, origin)}))
    rows = fetch(known_future(covariates, SERIES, pairs, horizon=horizon, frequency="daily", names=names))
    return {(r["series_id"], origin + r["step"]): r for r in rows}


def test_the_phase_of_a_promotion_as_announced() -> None:
    plan = promotions(("P1", None, 10, 12, 0.2, 3, "price_cut"), ("P1", None, 20, 24, 0.3, 8, "multibuy"))
    covariates = build_covariates(promotions=plan)
    known = ahead(covariates, 8)
    row = known["S1/P1", 11]
    assert (row["promo_depth"], row["promo_day"], row["promo_days_left"], row["promo_length"]) == (0.2, 2, 2, 3)
    assert (row["days_to_next_promo"], row["days_after_promo"]) == (9, 28)
    between = known["S1/P1", 15]
    assert (between["promo_day"], between["promo_days_left"], between["promo_length"]) == (0, 0, 0)
    assert (between["days_to_next_promo"], between["days_after_promo"]) == (5, 3)
    assert known["S1/P1", 24]["promo_days_left"] == 1 and known["S1/P1", 26]["days_after_promo"] == 2
    assert known["S1/P1", 26]["days_to_next_promo"] == 28
    # The day before, the second promotion is not announced: nothing of it shows.
    before = ahead(covariates, 7)
    assert (before["S1/P1", 11]["days_to_next_promo"], before["S1/P1", 15]["days_to_next_promo"]) == (28, 28)
    assert before["S1/P1", 22]["promo_day"] == 0 and before["S1/P1", 22]["days_after_promo"] == 10


def test_a_stores_own_promotion_and_one_everywhere_are_seen_together() -> None:
    plan = promotions(("P1", "S1", 20, 22, 0.2, 3, "price_cut"), ("P1", None, 12, 13, 0.4, 5, "clearance"))
    covariates = build_covariates(promotions=plan)
    known = ahead(covariates, 6)
    assert (known["S1/P1", 10]["days_to_next_promo"], known["S2/P1", 10]["days_to_next_promo"]) == (2, 2)
    assert (known["S1/P1", 15]["days_to_next_promo"], known["S2/P1", 15]["days_to_next_promo"]) == (5, 28)
    assert (known["S1/P1", 15]["days_after_promo"], known["S2/P1", 15]["days_after_promo"]) == (2, 2)
    assert (known["S1/P1", 13]["promo_day"], known["S2/P1", 13]["promo_day"]) == (2, 2)
    own = ahead(covariates, 4)  # the one everywhere is not announced yet
    assert (own["S1/P1", 10]["days_to_next_promo"], own["S2/P1", 10]["days_to_next_promo"]) == (10, 28)


def test_promotions_of_the_category_count_as_they_are_announced() -> None:
    plan = promotions(
        ("P1", None, 10, 12, 0.2, 3, "price_cut"),
        ("P2", None, 11, 13, 0.4, 5, "price_cut"),
        ("P3", None, 11, 13, 0.9, 3, "price_cut"),  # of another category
        ("P2", "S1", 11, 13, 0.9, 3, "price_cut"),  # of one store
    )
    covariates = build_covariates(promotions=plan, products=PRODUCTS)
    early, late = ahead(covariates, 4), ahead(covariates, 5)
    assert [(early["S1/P1", n]["category_promos"], early["S1/P1", n]["category_promo_depth"]) for n in (10, 11, 13)] == [
        (1, 0.2), (1, 0.2), (0, 0)
    ]  # fmt: skip
    assert [(late["S2/P1", n]["category_promos"], late["S2/P1", n]["category_promo_depth"]) for n in (10, 11, 13)] == [
        (1, 0.2), (2, 0.4), (1, 0.4)
    ]  # fmt: skip


def test_every_name_is_documented_once_and_what_is_absent_has_its_default() -> None:
    names = [spec.name for spec in KNOWN_AHEAD]
    assert len(names) == len(set(names)) and all(spec.meaning and spec.unit for spec in KNOWN_AHEAD)
    made = build_covariates(
        calendar=calendar({5}, {6}, last=400),
        weather_forecast=ibis.memtable(
            pa.table({"region": ["north"], "issued_on": days(1), "date": days(2), "temp_c": [1.0], "rain_mm": [0.0]})
        ),
        promotions=promotions(("P1", None, 30, 31, 0.2, 3, "price_cut"), ("P1", "S1", 60, 61, 0.2, 3, "price_cut")),
        products=PRODUCTS,
        price_plans=ibis.memtable(
            pa.table(
                {
                    "product_id": ["P1"],
                    "store_id": pa.array([None], pa.string()),
                    "valid_from": days(5),
                    "base_price": [2.0],
                    "announced_on": days(1),
                }
            )
        ),
        sales_days=(d(1), d(31)),
    )
    rows = fetch(made)
    assert {row["name"] for row in rows} == set(names)
    scopes = {spec.name: spec.scope for spec in KNOWN_AHEAD}
    assert all(row["scope"] in scopes[row["name"]] for row in rows)
    assert len(rows) == len(
        {(r["scope"], r["scope_value"], r["period_start"], r["name"], r["known_from"]) for r in rows}
    )
    assert {name for name in names if name in COVARIATE_DEFAULTS} == {
        s.name for s in KNOWN_AHEAD if "promotions" in s.needs
    }
