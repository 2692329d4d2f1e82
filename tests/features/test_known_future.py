"""Covariates as known at the origin, against cases worked by hand."""

from datetime import date, timedelta

import ibis
import pyarrow as pa

from features.covariates import build_covariates, calendar_covariates, promotion_covariates, weather_covariates
from features.engine import connect
from features.known_ahead import KNOWN_AHEAD
from features.known_future import covariate_names, covariate_scopes, known_future

DAY = pa.date32()


def d(day: int) -> date:
    return date(2024, 3, 1) + timedelta(days=day - 1)


def table(**columns: tuple[pa.DataType, list]) -> ibis.Table:
    return ibis.memtable(pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()}))


def fetch(expression: ibis.Table) -> list[dict]:
    return connect(memory_limit_gb=1).to_pyarrow(expression).to_pylist()


def covariates(*rows: tuple[str, str, date, str, float, date]) -> ibis.Table:
    kinds = (pa.string(), pa.string(), DAY, pa.string(), pa.float64(), DAY)
    names = ("scope", "scope_value", "period_start", "name", "value", "known_from")
    return table(**{n: (k, [r[i] for r in rows]) for i, (n, k) in enumerate(zip(names, kinds, strict=True))})


SERIES = table(
    series_id=(pa.string(), ["S1/P1", "S2/P1"]),
    store_id=(pa.string(), ["S1", "S2"]),
    product_id=(pa.string(), ["P1", "P1"]),
    category=(pa.string(), ["tea", "tea"]),
    region=(pa.string(), ["north", None]),
)


def origins(*pairs: tuple[str, date]) -> ibis.Table:
    return table(series_id=(pa.string(), [p[0] for p in pairs]), origin=(DAY, [p[1] for p in pairs]))


def look_ahead(covs: ibis.Table, *pairs: tuple[str, date], horizon: int = 3, names=None, **options) -> dict:
    names = names or sorted({r["name"] for r in fetch(covs)})
    rows = fetch(
        known_future(covs, SERIES, origins(*pairs), horizon=horizon, frequency="daily", names=names, **options)
    )
    return {(r["series_id"], r["origin"], r["step"]): r for r in rows}


def test_the_latest_forecast_issued_by_the_origin_and_nothing_later() -> None:
    forecast = table(
        region=(pa.string(), ["north"] * 3),
        issued_on=(DAY, [d(1), d(3), d(4)]),
        date=(DAY, [d(5)] * 3),
        temp_c=(pa.float64(), [10.0, 12.0, 14.0]),
        rain_mm=(pa.float64(), [0.0, 1.0, 2.0]),
    )
    seen = look_ahead(weather_covariates(forecast), ("S1/P1", d(2)), ("S1/P1", d(3)), ("S1/P1", d(4)), ("S2/P1", d(4)))
    assert seen[("S1/P1", d(2), 3)]["forecast_temp_c"] == 10.0  # issued on the 1st; that of the 3rd is not out yet
    assert seen[("S1/P1", d(3), 2)]["forecast_temp_c"] == 12.0  # issued on the day of the origin: known at its end
    assert seen[("S1/P1", d(4), 1)]["forecast_temp_c"] == 14.0
    assert seen[("S1/P1", d(4), 1)]["forecast_rain_mm"] == 2.0
    assert seen[("S1/P1", d(4), 2)]["forecast_temp_c"] is None  # nobody forecast that day
    assert seen[("S2/P1", d(4), 1)]["forecast_temp_c"] is None  # a store without a region has no weather
    assert seen[("S1/P1", d(4), 2)]["period_start"] == d(6)
    assert len(seen) == 4 * 3


def promotions(*rows: tuple[str, str | None, date, date, float, date, str]) -> ibis.Table:
    names = ("product_id", "store_id", "starts_on", "ends_on", "discount_fraction", "announced_on", "kind")
    kinds = (pa.string(), pa.string(), DAY, DAY, pa.float64(), DAY, pa.string())
    return table(**{n: (k, [r[i] for r in rows]) for i, (n, k) in enumerate(zip(names, kinds, strict=True))})


def test_a_promotion_is_visible_from_its_announcement_only() -> None:
    covs = promotion_covariates(promotions(("P1", None, d(5), d(6), 0.3, d(4), "price_cut")))
    seen = look_ahead(covs, ("S1/P1", d(3)), ("S1/P1", d(4)))
    assert [seen[("S1/P1", d(3), h)]["promo_depth"] for h in (1, 2, 3)] == [0.0, 0.0, 0.0]
    assert [seen[("S1/P1", d(4), h)]["promo_depth"] for h in (1, 2, 3)] == [0.3, 0.3, 0.0]


def test_a_stores_own_promotion_never_hides_a_deeper_one_everywhere() -> None:
    covs = promotion_covariates(
        promotions(
            ("P1", "S1", d(5), d(7), 0.2, d(1), "multibuy"),
            ("P1", None, d(6), d(6), 0.4, d(3), "clearance"),
            ("P1", None, d(7), d(7), 0.1, d(1), "price_cut"),
        )
    )
    early = look_ahead(covs, ("S1/P1", d(2)), ("S2/P1", d(2)), horizon=5)
    late = look_ahead(covs, ("S1/P1", d(3)), ("S2/P1", d(3)), horizon=5)
    assert [early[("S1/P1", d(2), h)]["promo_depth"] for h in (3, 4, 5)] == [0.2, 0.2, 0.2]
    assert [early[("S2/P1", d(2), h)]["promo_depth"] for h in (3, 4, 5)] == [0.0, 0.0, 0.1]
    assert [late[("S1/P1", d(3), h)]["promo_depth"] for h in (2, 3, 4)] == [0.2, 0.4, 0.2]
    assert [late[("S2/P1", d(3), h)]["promo_depth"] for h in (2, 3, 4)] == [0.0, 0.4, 0.1]
    assert [late[("S1/P1", d(3), h)]["promo_multibuy"] for h in (1, 2, 3, 4)] == [0.0, 1.0, 1.0, 1.0]
    assert [late[("S1/P1", d(3), h)]["promo_clearance"] for h in (2, 3, 4)] == [0.0, 1.0, 0.0]
    assert [early[("S1/P1", d(2), h)]["promo_clearance"] for h in (3, 4, 5)] == [0.0, 0.0, 0.0]


def test_narrower_scope_wins_and_unknown_is_null_unless_it_has_a_default() -> None:
    covs = covariates(
        ("all", "*", d(2), "flag", 1.0, d(1)),
        ("store", "S1", d(2), "flag", 2.0, d(1)),
        ("series", "S1/P1", d(2), "flag", 3.0, d(1)),
        ("category", "tea", d(3), "flag", 4.0, d(1)),
    )
    seen = look_ahead(covs, ("S1/P1", d(1)), ("S2/P1", d(1)), defaults={})
    assert [seen[("S1/P1", d(1), h)]["flag"] for h in (1, 2, 3)] == [3.0, 4.0, None]
    assert [seen[("S2/P1", d(1), h)]["flag"] for h in (1, 2, 3)] == [1.0, 4.0, None]
    assert covariate_scopes(covs) == {"flag": {"all", "store", "series", "category"}}
    assert look_ahead(covs, ("S1/P1", d(1)), ("S2/P1", d(1)), defaults={}, scopes=covariate_scopes(covs)) == seen
    filled = look_ahead(covs, ("S2/P1", d(1)), defaults={"flag": -1.0})
    assert filled[("S2/P1", d(1), 3)]["flag"] == -1.0


def test_holidays_and_the_distance_to_them() -> None:
    calendar = table(
        date=(DAY, [d(i) for i in range(1, 31)]),
        is_holiday=(pa.bool_(), [i in (5, 8) for i in range(1, 31)]),
        is_school_break=(pa.bool_(), [i == 2 for i in range(1, 31)]),
    )
    rows = {(r["period_start"], r["name"]): r["value"] for r in fetch(calendar_covariates(calendar))}
    assert [rows[(d(i), "days_to_holiday")] for i in (1, 5, 6, 9)] == [4.0, 0.0, 2.0, 14.0]
    assert [rows[(d(i), "days_since_holiday")] for i in (1, 5, 6, 30)] == [14.0, 0.0, 1.0, 14.0]
    assert (rows[(d(5), "is_holiday")], rows[(d(6), "is_holiday")], rows[(d(2), "is_school_break")]) == (1.0, 0.0, 1.0)
    both = build_covariates(calendar=calendar, promotions=promotions(("P1", None, d(5), d(6), 0.3, d(1), "price_cut")))
    tables = {"calendar", "promotions"}
    made = {spec.name for spec in KNOWN_AHEAD if set(spec.needs) <= tables}
    year_ago = {name for name in made if name.endswith("_year_ago")}  # a month of calendar does not say
    assert covariate_names(both) == tuple(sorted(made - year_ago)) and len(year_ago) == 3


def test_weekly_steps_are_whole_weeks() -> None:
    covs = covariates(*(("all", "*", d(1 + 7 * week), "week", float(week), d(1)) for week in (1, 2, 4)))
    rows = known_future(covs, SERIES, origins(("S1/P1", d(1))), horizon=4, frequency="weekly", names=["week"])
    assert [(r["step"], r["period_start"], r["week"]) for r in sorted(fetch(rows), key=lambda r: r["step"])] == [
        (1, d(8), 1.0),
        (2, d(15), 2.0),
        (3, d(22), None),
        (4, d(29), 4.0),
    ]


def test_nothing_learnt_after_the_origin_moves_a_row() -> None:
    base = [("all", "*", d(i), "x", float(i), d(i - 3)) for i in range(4, 20)]
    later = [("all", "*", d(i), "x", -1.0, d(11)) for i in range(11, 20)]  # a revision that comes out on the 11th
    pairs = [("S1/P1", d(i)) for i in range(4, 13)]
    calm, revised = look_ahead(covariates(*base), *pairs), look_ahead(covariates(*base, *later), *pairs)
    visible = [key for key in calm if key[1] <= d(10)]
    assert len(visible) == 7 * 3
    assert all(calm[key] == revised[key] for key in visible)
    assert revised[("S1/P1", d(11), 1)]["x"] == -1.0  # and from its day on the revision is seen
    # A planted leak (a revision that claims to have been known before) is caught by the same comparison.
    leaked = [(*row[:5], d(10)) for row in later]
    leaky = look_ahead(covariates(*base, *leaked), *pairs)
    assert any(calm[key] != leaky[key] for key in visible)


def test_no_covariates_still_gives_every_step() -> None:
    covs = covariates(("all", "*", d(2), "x", 1.0, d(1)))
    seen = fetch(known_future(covs, SERIES, origins(("S1/P1", d(1))), horizon=2, frequency="daily", names=[]))
    assert [tuple(r) for r in seen] == [("series_id", "origin", "step", "period_start")] * 2
