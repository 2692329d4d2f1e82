"""State of a series at the end of a period, against values worked by hand."""

import math
from datetime import date, timedelta

import ibis
import pyarrow as pa
import pytest

from features.engine import connect
from features.state import STATE_FEATURES, StateTables, state_feature_names, state_features

START = date(2024, 1, 1)  # a Monday


def sales_table(rows: dict[str, list[tuple[float | None, bool, bool]]], step: int = 1) -> ibis.Table:
    """Sales from (value, open, censored) per period, one list per series."""
    flat = [
        (name, START + timedelta(days=step * i), *row) for name, values in rows.items() for i, row in enumerate(values)
    ]
    return ibis.memtable(
        pa.table(
            {
                "series_id": [r[0] for r in flat],
                "period_start": pa.array([r[1] for r in flat], pa.date32()),
                "value": pa.array([r[2] for r in flat], pa.float64()),
                "unit": ["units"] * len(flat),
                "open": [r[3] for r in flat],
                "censored": [r[4] for r in flat],
            }
        )
    )


def with_series(sales: ibis.Table) -> StateTables:
    """The sales beside the series that they begin; all of one product, store, category and region."""
    text = ibis.literal("one")
    series = sales.group_by("series_id").agg(started_on=sales.period_start.min(), ended_on=ibis.null("date"))
    return StateTables(sales, series.mutate(store_id=text, product_id=text, category=text, region=text))


def states(
    sales: ibis.Table, frequency: str = "daily", **options: object
) -> dict[tuple[str, date], dict[str, float | None]]:
    rows = (
        connect(memory_limit_gb=1)
        .to_pyarrow(state_features(with_series(sales), frequency=frequency, **options))
        .to_pylist()
    )
    return {(row["series_id"], row["origin"]): row for row in rows}


def day(number: int) -> date:
    return START + timedelta(days=number)


def test_means_skip_closed_days_and_the_uncensored_mean_skips_stock_outs() -> None:
    # Values 1..9, the third day closed (its value must not count), the fifth stocked out.
    values = [(float(i + 1), i != 2, i == 4) for i in range(9)]
    state = states(sales_table({"a": values}))[("a", day(8))]
    assert state["level_7"] == pytest.approx((4 + 5 + 6 + 7 + 8 + 9) / 6)  # days 3..9, the closed 3 left out
    assert state["level_28"] == pytest.approx((1 + 2 + 4 + 5 + 6 + 7 + 8 + 9) / 8)
    assert state["level_uncensored_28"] == pytest.approx((1 + 2 + 4 + 6 + 7 + 8 + 9) / 7)
    assert state["open_share_28"] == pytest.approx(8 / 9)
    assert state["censored_share_28"] == pytest.approx(1 / 8)
    assert state["max_28"] == 9
    assert state["median_28"] == pytest.approx(5.5)
    mean = 42 / 8
    deviation = math.sqrt(sum((v - mean) ** 2 for v in (1, 2, 4, 5, 6, 7, 8, 9)) / 7)
    assert state["std_28"] == pytest.approx(deviation)
    assert state["age_periods"] == 9
    assert state["trend_7_28"] == pytest.approx(6.5 / 5.25)


def test_last_values_are_raw_and_a_closed_day_is_null() -> None:
    state = states(sales_table({"a": [(float(i + 1), i != 2, False) for i in range(9)]}))[("a", day(8))]
    assert [state[f"last_{k}"] for k in range(1, 8)] == [9, 8, 7, 6, 5, 4, None]


def test_phases_follow_the_weekday_of_the_step() -> None:
    # Three weeks with value = 10 * week + weekday; the last Tuesday (day 15) closed, the last Wednesday censored.
    values = [(10.0 * (i // 7) + i % 7, i != 15, i == 16) for i in range(21)]
    state = states(sales_table({"a": values}))[("a", day(20))]  # a Sunday: step 1 is a Monday
    assert [state[f"season_last_{j}"] for j in range(7)] == [20, 11, 22, 23, 24, 25, 26]
    assert state["season_mean_0"] == pytest.approx((0 + 10 + 20) / 3)
    assert state["season_mean_1"] == pytest.approx((1 + 11) / 2)  # the closed Tuesday
    assert state["season_mean_2"] == pytest.approx((2 + 12) / 2)  # the censored Wednesday
    midweek = states(sales_table({"a": values}))[("a", day(17))]  # a Thursday: step 1 is a Friday
    assert midweek["season_last_0"] == 14 and midweek["season_last_6"] == 23


def test_season_mean_looks_back_eight_weeks_and_no_further() -> None:
    values = [(1000.0 if i < 7 else 2.0, True, False) for i in range(63)]
    assert states(sales_table({"a": values}))[("a", day(62))]["season_mean_0"] == 2.0


def test_year_ago_daily_is_the_mean_of_the_week_that_the_steps_repeat() -> None:
    values = [(float(i), True, False) for i in range(400)]
    state = states(sales_table({"a": values}), origins=[day(399)])[("a", day(399))]
    # Step 1 is day 400; 364 days before lies day 36: the week 36..42 has mean 39, the seventh week 42 more.
    assert state["year_ago_1"] == 39.0
    assert state["year_ago_7"] == 39.0 + 42
    assert state["trend_year"] == pytest.approx((399 - 13.5) / (399 - 364 - 13.5))


def test_weekly_windows_are_named_by_days_and_year_ago_by_step() -> None:
    values = [(float(i), True, False) for i in range(60)]
    state = states(sales_table({"a": values}, step=7), "weekly")[("a", START + timedelta(weeks=59))]
    assert state["level_7"] == 59
    assert state["level_28"] == pytest.approx((56 + 57 + 58 + 59) / 4)
    assert [state[f"year_ago_{h}"] for h in (1, 2, 52)] == [8, 9, 59]  # step 1 is week 60, 52 weeks before is week 8
    assert state["last_8"] == 52
    assert "season_mean_0" not in state


def test_intermittent_series() -> None:
    values = [(v, True, False) for v in (0.0, 3.0, 0.0, 0.0, 5.0, 0.0, 0.0)]
    by_origin = states(sales_table({"a": values}))
    assert by_origin[("a", day(0))]["periods_since_sale"] is None
    state = by_origin[("a", day(6))]
    assert state["periods_since_sale"] == 2
    assert state["zero_share_28"] == pytest.approx(5 / 7)
    assert state["mean_nonzero_91"] == 4
    assert state["scale"] == pytest.approx(8 / 7)
    assert by_origin[("a", day(0))]["scale"] == pytest.approx(0.1)  # nothing sold yet: the floor, never zero


def test_a_gap_counts_as_closed_so_that_offsets_stay_periods() -> None:
    dense = sales_table({"a": [(float(i), i not in (3, 4), False) for i in range(10)]})
    gappy = dense.filter(dense.open)
    filled = states(dense)
    assert filled[("a", day(4))]["last_1"] is None
    # A series has a state where it has a row: whether it goes on after a gap is not known within the gap.
    assert states(gappy) == {key: row for key, row in filled.items() if key[1] not in (day(3), day(4))}


def test_series_do_not_touch_and_origins_restrict_rows_only() -> None:
    rows = {"a": [(1.0, True, False)] * 30, "b": [(100.0, True, False)] * 20}
    everything = states(sales_table(rows))
    assert len(everything) == 50
    assert everything[("b", day(19))]["level_28"] == 100.0
    some = states(sales_table(rows), origins=[day(5), day(25)])
    assert some == {key: everything[key] for key in (("a", day(5)), ("b", day(5)), ("a", day(25)))}
    pairs = ibis.memtable(pa.table({"series_id": ["b"], "origin": pa.array([day(5)], pa.date32())}))
    assert states(sales_table(rows), origins=pairs) == {("b", day(5)): everything[("b", day(5))]}


def test_nothing_after_the_origin_moves_a_state() -> None:
    cutoff = 60
    calm = [(float(i % 7), i % 11 != 3, i % 13 == 5) for i in range(90)]
    wild = [row if i <= cutoff else (9999.0 + i, not row[1], not row[2]) for i, row in enumerate(calm)]
    before, after = states(sales_table({"a": calm})), states(sales_table({"a": wild}))
    visible = [key for key in before if key[1] <= day(cutoff)]
    assert len(visible) == cutoff + 1
    assert all(before[key] == after[key] for key in visible)
    # The same comparison does catch a leak: features that see one day too much move.
    leaked_before, leaked_after = before[("a", day(cutoff + 1))], after[("a", day(cutoff + 1))]
    assert leaked_before["level_7"] != leaked_after["level_7"]


def test_registry_names_units_and_columns_agree() -> None:
    names = [spec.name for spec in STATE_FEATURES]
    assert len(names) == len(set(names))
    assert all(
        spec.meaning
        and spec.unit
        in {"sales", "share", "ratio", "periods", "days", "count", "flag", "currency", "Cel", "mm", "code"}
        for spec in STATE_FEATURES
    )
    for frequency, step in (("daily", 1), ("weekly", 7)):
        sales = sales_table({"a": [(1.0, True, False)]}, step)
        columns = state_features(with_series(sales), frequency=frequency).columns
        assert tuple(columns) == ("series_id", "origin", *state_feature_names(frequency))
    assert {f"year_ago_{h}" for h in range(1, 53)} <= set(state_feature_names("weekly"))
    assert not {"year_ago_8", "last_8"} & set(state_feature_names("daily"))
