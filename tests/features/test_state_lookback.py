"""A state rests on a bounded past and on nothing after its origin: to the last bit, whatever else the tables hold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import pytest
from state_case import day, demand, inventory, prices, promotions, social_heat, states, weather

from features.sales import days_later
from features.state import LOOKBACK_DAYS, TABLE_DAYS, StateTables
from features.state_windows import exact

DAYS = 520
ORIGINS = [day(490), day(477)]
NAMES = ["S1/P1", "S1/P2", "S2/P1"]
DATE_COLUMNS = {
    "sales": "period_start",
    "prices": "date",
    "inventory": "date",
    "weather": "date",
    "social_heat": "date",
}


@pytest.fixture(scope="module")
def tables() -> StateTables:
    """520 days of three series that sell fractions of a unit, with gaps, stock-outs and everything beside them."""
    rng = np.random.default_rng(11)

    def sold() -> list[Any]:
        units = np.round(rng.gamma(1.0, 3.0, DAYS) * (rng.random(DAYS) > 0.3), 2)
        return [
            (float(u), bool(o), bool(c))
            for u, o, c in zip(units, rng.random(DAYS) > 0.05, rng.random(DAYS) < 0.1, strict=True)
        ]

    base = {name: np.round(2 + rng.random(DAYS), 2) for name in NAMES}
    cuts = {name: np.where(rng.random(DAYS) < 0.1, 0.8, 1.0) for name in NAMES}
    starts = [int(n) for n in rng.integers(0, DAYS - 10, 40)]
    kinds = ("price_cut", "multibuy", "clearance")
    plan = [
        (f"P{1 + i % 2}", None if i % 3 else "S1", n, n + i % 9, 0.1 + 0.1 * (i % 4), kinds[i % 3], n - i % 5)
        for i, n in enumerate(starts)
    ]
    stock = {name: [tuple(int(u) for u in rng.integers(0, 9, 4)) for _ in range(DAYS)] for name in NAMES}
    return demand(
        {name: sold() for name in NAMES},
        prices=prices(
            {n: [(float(b), float(round(b * c, 2))) for b, c in zip(base[n], cuts[n], strict=True)] for n in NAMES}
        ),
        promotions=promotions(*plan),
        inventory=inventory(stock),
        weather=weather(np.round(rng.normal(12, 6, DAYS), 1).tolist(), np.round(rng.gamma(0.4, 5, DAYS), 1).tolist()),
        social_heat=social_heat(np.round(rng.gamma(3, 10, DAYS), 2).tolist()),
    )


@pytest.fixture(scope="module")
def known(tables: StateTables) -> dict[Any, Any]:
    return states(tables, origins=ORIGINS)


def cut(tables: StateTables, keep: Callable[[str, Any], Any]) -> StateTables:
    """Only the rows of each dated table for which `keep(table, date)` holds."""
    kept = {}
    for name, column in DATE_COLUMNS.items():
        table = getattr(tables, name)
        kept[name] = table.filter(keep(name, table[column]))
    return replace(tables, **kept)


def at(rows: dict[Any, Any], origin: date) -> dict[Any, Any]:
    found = {key: row for key, row in rows.items() if key[1] == origin}
    assert len(found) == len(NAMES)
    return found


def test_sums_come_out_the_same_in_any_order() -> None:
    values = np.round(np.random.default_rng(2).gamma(1, 50, 4000), 2)
    grid = np.array([(v + 1.5 * 2.0**32) - 1.5 * 2.0**32 for v in values])
    assert np.abs(grid - values).max() <= 2.0**-21 and all(float(v * 2**20).is_integer() for v in grid)
    assert len({float(np.cumsum(np.random.default_rng(i).permutation(grid))[-1]) for i in range(20)}) == 1
    assert len({float(np.cumsum(np.random.default_rng(i).permutation(values))[-1]) for i in range(20)}) > 1
    assert exact(3.0) == 3.0 and exact(-7.25) == -7.25 and exact(0.1) * 2**20 == round(0.1 * 2**20)


def test_what_is_older_than_the_look_back_moves_no_bit(tables: StateTables, known: dict[Any, Any]) -> None:
    origin = ORIGINS[0]

    def recent(name: str, column: Any) -> Any:
        return column > ibis.literal(origin - timedelta(days=TABLE_DAYS[name]))

    bounded = cut(tables, recent)
    plans = tables.promotions
    assert plans is not None
    bounded = replace(bounded, promotions=plans.filter(recent("promotions", plans.ends_on)))
    assert at(states(bounded, origins=[origin]), origin) == at(known, origin)
    assert max(TABLE_DAYS.values()) == LOOKBACK_DAYS == 455

    # The same comparison sees a bound that is too short, table by table.
    for name in DATE_COLUMNS:
        short = cut(
            tables,
            lambda table, c, name=name: c > ibis.literal(origin - timedelta(days=TABLE_DAYS[table] - (table == name))),
        )
        assert at(states(short, origins=[origin]), origin) != at(known, origin), name


def test_the_other_origins_of_a_run_move_no_bit(tables: StateTables, known: dict[Any, Any]) -> None:
    more = [day(n) for n in (350, 440, 489, 491)]
    among = states(tables, origins=[*more, *ORIGINS])
    for origin in ORIGINS:
        assert at(among, origin) == at(known, origin)
    assert at(states(tables), ORIGINS[1]) == at(known, ORIGINS[1])


def another_future(tables: StateTables, last: date) -> StateTables:
    """Everything after `last` is otherwise: other sales, prices, stock, weather, heat, plans and new series."""
    end = ibis.literal(last)

    def after(table: ibis.Table, column: str, **changes: Callable[[Any], Any]) -> ibis.Table:
        later = table[column] > end
        return table.mutate(
            **{name: ibis.ifelse(later, change(table[name]), table[name]) for name, change in changes.items()}
        )

    assert tables.prices is not None and tables.inventory is not None and tables.weather is not None
    assert tables.social_heat is not None and tables.promotions is not None
    plans = after(
        tables.promotions,
        "announced_on",
        discount_fraction=lambda d: d / 2 + 0.4,
        kind=lambda k: ibis.literal("clearance"),
    )
    plans = plans.mutate(product_id=ibis.ifelse(plans.announced_on > end, ibis.literal("P1"), plans.product_id))
    new = tables.series.limit(1).mutate(
        series_id=ibis.literal("S3/P1"), store_id=ibis.literal("S3"), started_on=days_later(end, ibis.literal(3))
    )
    return StateTables(
        sales=after(tables.sales, "period_start", value=lambda v: v * 7 + 3, open=lambda o: ~o, censored=lambda c: ~c),
        series=tables.series.union(new),
        prices=after(tables.prices, "date", price=lambda p: p / 2, base_price=lambda p: p * 3),
        promotions=plans,
        inventory=after(tables.inventory, "date", closing_units=lambda u: u * 9, received_units=lambda u: u + 5),
        weather=after(tables.weather, "date", temp_c=lambda t: t + 20, rain_mm=lambda r: r * 5 + 1),
        social_heat=after(tables.social_heat, "date", heat=lambda h: h * 50),
    )


def test_another_future_or_none_moves_no_bit_and_a_planted_leak_is_caught(
    tables: StateTables, known: dict[Any, Any]
) -> None:
    last = ORIGINS[1]
    changed = another_future(tables, last)
    moved = states(changed, origins=ORIGINS)
    assert at(moved, last) == at(known, last)
    # The later origin sees the other future, in every group that reads a table: the comparison is not blind.
    before, after = at(known, ORIGINS[0])["S1/P1", ORIGINS[0]], at(moved, ORIGINS[0])["S1/P1", ORIGINS[0]]
    different = {name for name in before if before[name] != after[name]}
    seen = {
        "level_7",
        "store_trend_7_28",
        "price_to_mean_91",
        "promo_uplift_364",
        "stock_cover_days",
        "heat_1",
        "weather_temp_1",
    }
    assert seen <= different

    ended = cut(tables, lambda _name, column: column <= ibis.literal(last))
    plans = tables.promotions
    assert plans is not None
    ended = replace(ended, promotions=plans.filter(plans.announced_on <= ibis.literal(last)))
    assert at(states(ended, origins=[last]), last) == at(known, last)

    # A state that reads the day after its origin, table by table: the same comparison catches each.
    for name, column in DATE_COLUMNS.items():

        def leaky(some: StateTables, name: str = name, column: str = column) -> StateTables:
            table = getattr(some, name)
            return replace(some, **{name: table.mutate(**{column: days_later(table[column], ibis.literal(-1))})})

        peeking, peeking_changed = (at(states(leaky(t), origins=[last]), last) for t in (tables, changed))
        assert peeking != peeking_changed, name
