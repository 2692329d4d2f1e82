"""What the calendar tells of every day to come: holidays, long weekends, school breaks, the turn of the month."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.known_ahead import FAR_HOLIDAY_CAP_DAYS, HOLIDAY_CAP_DAYS, SCHOOL_CAP_DAYS
from features.sales import days_later

YEAR_DAYS = 364  # as the features of last year's sales: whole weeks, so that weekdays meet
SATURDAY = 5


def calendar_values(calendar: ir.Table) -> tuple[ir.Table, dict[str, Any]]:
    """The days (one row each, no gap) with helper columns, and the covariates as expressions over them."""
    days = _with_neighbours(_with_year_ago(calendar))
    one_day_off = (days.is_holiday | days.weekend).fill_null(False)

    def away(until: Any, since: Any, cap: int) -> Any:
        return ibis.least(until.delta(since, unit="day").fill_null(cap), cap)

    def flag(condition: Any) -> Any:
        return condition.fill_null(False).cast("float64")

    month_end = days_later(days_later(days.date.truncate("M"), ibis.literal(31)).truncate("M"), ibis.literal(-1))
    past, left = days.date.day() - 1, month_end.delta(days.date, unit="day")
    breaks = days.is_school_break
    values = {
        "is_holiday": flag(days.is_holiday),
        "is_school_break": flag(breaks),
        "days_to_holiday": away(days.next_holiday, days.date, HOLIDAY_CAP_DAYS),
        "days_since_holiday": away(days.date, days.last_holiday, HOLIDAY_CAP_DAYS),
        "days_to_holiday_far": away(days.next_holiday, days.date, FAR_HOLIDAY_CAP_DAYS),
        "days_since_holiday_far": away(days.date, days.last_holiday, FAR_HOLIDAY_CAP_DAYS),
        "is_holiday_eve": flag(days.holiday_after & ~days.is_holiday),
        "is_after_holiday": flag(days.holiday_before & ~days.is_holiday),
        "is_bridge_day": flag(days.off_before & days.off_after & ~one_day_off),
        "days_off_run": ibis.ifelse(one_day_off, days.next_work.delta(days.last_work, unit="day") - 1, 0),
        "holidays_in_week": days.holidays_in_week,
        "holidays_next_7": days.holidays_next_7,
        "is_holiday_year_ago": days.is_holiday_year_ago.cast("float64"),
        "holidays_in_week_year_ago": days.holidays_in_week_year_ago,
        "is_school_break_year_ago": days.is_school_break_year_ago.cast("float64"),
        "school_break_day": ibis.ifelse(breaks, days.date.delta(days.last_school, unit="day"), 0),
        "school_break_days_left": ibis.ifelse(breaks, days.next_school.delta(days.date, unit="day"), 0),
        "days_to_school_break": away(days.next_break, days.date, SCHOOL_CAP_DAYS),
        "days_since_school_break": away(days.date, days.last_break, SCHOOL_CAP_DAYS),
        "days_to_month_end": left,
        "days_from_month_turn": ibis.ifelse(past <= left, past, -(left + 1)),
    }
    return days, values


def _with_year_ago(calendar: ir.Table) -> ir.Table:
    """The calendar with its own days of 364 days before beside it; null where it does not go back so far."""
    days = calendar.select(
        "date",
        "is_holiday",
        "is_school_break",
        weekday=calendar.date.day_of_week.index(),
        weekend=calendar.date.day_of_week.index() >= SATURDAY,
    )
    days = days.mutate(monday=days_later(days.date, -days.weekday.cast("int64")))
    weeks = days.group_by("monday").agg(holidays_in_week=days.is_holiday.cast("int64").sum())
    days = days.left_join(weeks, "monday").drop("monday_right")
    ago = days.select(
        date=days_later(days.date, ibis.literal(YEAR_DAYS)),
        is_holiday_year_ago="is_holiday",
        is_school_break_year_ago="is_school_break",
        holidays_in_week_year_ago="holidays_in_week",
    )
    return days.left_join(ago, "date").drop("date_right")


def _with_neighbours(days: ir.Table) -> ir.Table:
    def day_where(condition: Any) -> Any:
        return ibis.ifelse(condition, days.date, ibis.null("date"))

    in_order = ibis.window(order_by=days.date)
    past = ibis.window(order_by=days.date, preceding=None, following=0)
    future = ibis.window(order_by=days.date, preceding=0, following=None)
    week_ahead = ibis.window(order_by=days.date, preceding=0, following=7)
    off = days.is_holiday | days.weekend
    return days.mutate(
        last_holiday=day_where(days.is_holiday).max().over(past),
        next_holiday=day_where(days.is_holiday).min().over(future),
        last_break=day_where(days.is_school_break).max().over(past),
        next_break=day_where(days.is_school_break).min().over(future),
        last_school=day_where(~days.is_school_break).max().over(past),
        next_school=day_where(~days.is_school_break).min().over(future),
        last_work=day_where(~off).max().over(past),
        next_work=day_where(~off).min().over(future),
        holiday_before=days.is_holiday.lag().over(in_order),
        holiday_after=days.is_holiday.lead().over(in_order),
        off_before=off.lag().over(in_order),
        off_after=off.lead().over(in_order),
        holidays_next_7=days.is_holiday.cast("int64").sum().over(week_ahead) - days.is_holiday.cast("int64"),
    )
