"""Cleaning of sales that come as series: tags for the gate, then, of what was good, a regular grid of periods."""

from typing import Any, Final, Literal

import ibis

from features.cleaning import ContractLike, tag_table

Frequency = Literal["daily", "weekly"]
Absent = Literal["zero", "closed", "missing"]

_PERIOD_DAYS: Final = {"daily": 1, "weekly": 7}
_NOT_A_VALUE: Final = ("nan", "na", "n/a", "null", "none", "-")
_CLOSED_SHARE: Final = 0.05  # a weekday with rows in at most this share of its weeks is a closed one ...
_LIVELY_SHARE: Final = 0.5  # ... where some other weekday has rows in at least this share: a slow mover has none
_FEWEST_WEEKS: Final = 4


def tag_sales(raw: ibis.Table, contract: ContractLike, *, frequency: Frequency) -> ibis.Table:
    """Raw sales rows cast and tagged; one row out for every row in.

    `unit` becomes `units` or an upper-case currency; a missing `open` means open, a missing `censored` not censored;
    the usual spellings of a missing number are nulls. A weekly row on another weekday than the rest of its series has
    no period: its `period_start` is null and spelt in `_type_errors`.
    """
    text = raw.value.cast("string").strip()
    rows = tag_table(raw.mutate(value=text.lower().isin(_NOT_A_VALUE).ifelse(ibis.null("string"), text)), contract)
    unit = rows.unit.lower()
    unread_open = rows["_type_errors"].contains("open=").fill_null(False)
    rows = rows.mutate(
        unit=unit.isin(["unit", "units"]).ifelse("units", rows.unit.upper()),
        open=unread_open.ifelse(ibis.null("boolean"), rows.open.fill_null(True)),
        censored=rows.censored.fill_null(False),
    )
    return _refuse_stray_weekdays(rows) if frequency == "weekly" else rows


def densify(
    clean: ibis.Table,
    series: ibis.Table,
    *,
    frequency: Frequency,
    absent: Absent | None = None,
    delivered: ibis.Table | None = None,
) -> ibis.Table:
    """One row per series and period between its first and its last, in the columns of the contract `sales`.

    What a period without a row means is said by `absent`, or else by the first rule that fits: a weekday on which the
    series, or its whole store, has rows in at most 5 % of the weeks while another has them in half -> closed; units,
    and no explicit zero in the whole table -> zero, up to the table's last period; else missing (null, open). A period
    in `delivered` (series_id, period_start: every row before the gate) but not in `clean` held a bad row: missing.
    A closed period has no value.
    """
    rows = clean.select("series_id", "period_start", "value", "unit", "open", "censored")
    grid = _grid(rows, frequency, absent)
    present = rows.select(
        "value", "open", "censored", row_series="series_id", row_period="period_start", found=ibis.literal(True)
    )
    cells = grid.left_join(present, [grid.series_id == present.row_series, grid.period_start == present.row_period])
    cells = cells.drop("row_series", "row_period").mutate(found=cells.found.fill_null(False))
    cells = _mark_bad(cells, delivered)
    cells = _mark_closed(cells, series, absent, frequency)
    zero = cells.zero_rule & ~cells.bad & ~cells.closed
    shut = cells.found.ifelse(~cells.open.fill_null(True), cells.closed & ~cells.bad)
    held = (shut & (cells.value == 0)).fill_null(False).ifelse(ibis.null("float64"), cells.value)
    return cells.select(
        "series_id",
        "period_start",
        value=cells.found.ifelse(held, zero.ifelse(0.0, ibis.null("float64"))),
        unit="series_unit",
        open=~shut,
        censored=cells.censored.fill_null(False),
    )


def _refuse_stray_weekdays(rows: ibis.Table) -> ibis.Table:
    dated = rows.mutate(_weekday=rows.period_start.day_of_week.index())
    often = dated.filter(dated["_weekday"].notnull()).group_by(["series_id", "_weekday"]).agg(_times=ibis._.count())
    first = ibis.window(group_by="series_id", order_by=[often["_times"].desc(), often["_weekday"]])
    usual = often.mutate(_rank=ibis.row_number().over(first)).filter(lambda t: t["_rank"] == 0)
    usual = usual.select(usual_series="series_id", usual_weekday="_weekday")
    joined = dated.left_join(usual, dated.series_id == usual.usual_series)
    stray = (joined["_weekday"] != joined.usual_weekday).fill_null(False)
    note = stray.ifelse("period_start=" + joined.period_start.cast("string"), ibis.null("string"))
    return joined.mutate(
        period_start=stray.ifelse(ibis.null("date"), joined.period_start),
        _type_errors=ibis.literal("; ").join([joined["_type_errors"], note]).nullif(""),
    ).drop("_weekday", "usual_series", "usual_weekday")


def _grid(rows: ibis.Table, frequency: Frequency, absent: Absent | None) -> ibis.Table:
    """(series_id, period_start, series_unit, zero_rule, in_span): every period a series is answerable for."""
    step = _PERIOD_DAYS[frequency]
    table = rows.agg(table_last=rows.period_start.max(), table_zeros=(rows.value == 0).sum().fill_null(0))
    spans = rows.group_by("series_id").agg(
        first=rows.period_start.min(), last=rows.period_start.max(), series_unit=rows.unit.max()
    )
    spans = spans.cross_join(table)
    by_rule = (spans.series_unit == "units") & (spans.table_zeros == 0)
    spans = spans.mutate(zero_rule=by_rule if absent is None else ibis.literal(absent == "zero"))
    own = spans.last.delta(spans.first, unit="day") // step
    whole = spans.table_last.delta(spans.first, unit="day") // step
    spans = spans.mutate(own_steps=own, steps=spans.zero_rule.ifelse(whole, own))
    periods = spans.mutate(offset=ibis.range(0, spans.steps + 1).unnest())
    return periods.select(
        "series_id",
        "series_unit",
        "zero_rule",
        period_start=(periods.first + (periods.offset * step).as_interval("D")).cast("date"),
        in_span=periods.offset <= periods.own_steps,
    )


def _mark_bad(cells: ibis.Table, delivered: ibis.Table | None) -> ibis.Table:
    if delivered is None:
        return cells.mutate(bad=ibis.literal(False))
    given = delivered.select(given_series="series_id", given_period="period_start").distinct()
    joined = cells.left_join(given, [cells.series_id == given.given_series, cells.period_start == given.given_period])
    return joined.mutate(bad=joined.given_period.notnull() & ~joined.found).drop("given_series", "given_period")


def _mark_closed(cells: ibis.Table, series: ibis.Table, absent: Absent | None, frequency: Frequency) -> ibis.Table:
    """Adds `closed`: whether a period would be closed if it has no row."""
    if absent is not None or frequency == "weekly":
        return cells.mutate(closed=ibis.literal(absent == "closed"))
    stores = series.select(store_series="series_id", pool=series.store_id.fill_null("*"))
    cells = cells.left_join(stores, cells.series_id == stores.store_series).drop("store_series")
    cells = cells.mutate(pool=cells.pool.fill_null("*"), weekday=cells.period_start.day_of_week.index())
    spans = cells.filter(cells.in_span)
    own = _closed_weekdays(spans.select("weekday", "found", owner="series_id"))
    days = spans.group_by(["pool", "period_start"]).agg(weekday=spans.weekday.max(), found=spans.found.any())
    shared = _closed_weekdays(days.select("weekday", "found", owner="pool"))
    joined = _join_weekdays(_join_weekdays(cells, own, "series_id", "own_closed"), shared, "pool", "pool_closed")
    return joined.mutate(closed=joined.own_closed | joined.pool_closed).drop(
        "own_closed", "pool_closed", "pool", "weekday"
    )


def _closed_weekdays(days: ibis.Table) -> ibis.Table:
    """(owner, weekday) of the weekdays on which an owner is shut."""
    shares = days.group_by(["owner", "weekday"]).agg(share=days.found.cast("float64").mean(), weeks=days.count())
    shares = shares.mutate(liveliest=shares.share.max().over(ibis.window(group_by="owner")))
    return shares.filter(
        shares.share <= _CLOSED_SHARE, shares.liveliest >= _LIVELY_SHARE, shares.weeks >= _FEWEST_WEEKS
    ).select("owner", "weekday")


def _join_weekdays(cells: ibis.Table, shut: ibis.Table, owner: str, name: str) -> Any:
    days = shut.select(shut_owner="owner", shut_weekday="weekday")
    joined = cells.left_join(days, [cells[owner] == days.shut_owner, cells.weekday == days.shut_weekday])
    return joined.mutate(**{name: joined.shut_owner.notnull()}).drop("shut_owner", "shut_weekday")
