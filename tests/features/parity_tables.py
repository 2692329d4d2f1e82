"""Small tables of everything that state and covariates are made of, drawn at random but always alike."""

from datetime import date, timedelta
from functools import cache

import ibis
import numpy as np
import pyarrow as pa

from features.state import StateTables

START, DAYS, HORIZON = date(2023, 1, 1), 420, 14
SERIES = [f"S{i % 5}/P{i}" for i in range(50)]
STORES, PRODUCTS = [name.split("/")[0] for name in SERIES], [name.split("/")[1] for name in SERIES]
REGIONS, CATEGORIES = {"S0": "north", "S1": "south", "S3": "north", "S4": "south"}, ("tea", "milk")
TEXT, DAY, REAL = pa.string(), pa.date32(), pa.float64()


def day(number: int) -> date:
    return START + timedelta(days=number)


def columns(rows: list[tuple], kinds: dict[str, pa.DataType]) -> pa.Table:
    return pa.table({n: pa.array([row[i] for row in rows], kind) for i, (n, kind) in enumerate(kinds.items())})


@cache
def state_tables() -> StateTables:
    """Every table; a third of the series is launched later, one store has no region."""
    rng = np.random.default_rng(17)
    first = rng.integers(0, 200, len(SERIES)) * (np.arange(len(SERIES)) % 3 == 0)
    alive = [(i, number) for i in range(len(SERIES)) for number in range(int(first[i]), DAYS)]
    sales = [
        (
            SERIES[i],
            day(n),
            rng.poisson(1 + i % 7) * (1.1 if i % 2 else 1.0),
            "units",
            rng.random() > 0.1,
            rng.random() < 0.1,
        )
        for i, n in alive
    ]
    series = [
        (SERIES[i], STORES[i], PRODUCTS[i], CATEGORIES[i % 2], REGIONS.get(STORES[i]), day(int(first[i])))
        for i in range(len(SERIES))
    ]
    prices = [(STORES[i], PRODUCTS[i], day(n), 3.0 - 0.1 * (n % 20 < 3), 3.0) for i, n in alive]
    stock = [(STORES[i], PRODUCTS[i], day(n), *rng.integers(0, 9, 4).tolist()) for i, n in alive]
    promotions = [
        (PRODUCTS[n % 50], STORES[n % 50] if n % 4 else None, day(n), day(n + 5), 0.2, day(n - 9 + n % 15), kind)
        for n, kind in zip(range(3, DAYS, 6), ["price_cut", "multibuy"] * DAYS, strict=False)
    ]
    weather = [(r, day(n), rng.normal(12, 6), max(rng.normal(), 0.0)) for r in ("north", "south") for n in range(DAYS)]
    heat = [(category, day(n), rng.random()) for category in CATEGORIES for n in range(0, DAYS, 2)]
    shelf, whole = {"store_id": TEXT, "product_id": TEXT}, pa.int64()
    made = {
        "sales": columns(
            sales,
            {
                "series_id": TEXT,
                "period_start": DAY,
                "value": REAL,
                "unit": TEXT,
                "open": pa.bool_(),
                "censored": pa.bool_(),
            },
        ),
        "series": columns(series, {"series_id": TEXT, **shelf, "category": TEXT, "region": TEXT, "started_on": DAY}),
        "prices": columns(prices, {**shelf, "date": DAY, "price": REAL, "base_price": REAL}),
        "inventory": columns(
            stock,
            {**shelf, "date": DAY} | {f"{name}_units": whole for name in ("received", "sold", "wasted", "closing")},
        ),
        "promotions": columns(
            promotions,
            {"product_id": TEXT, "store_id": TEXT, "starts_on": DAY, "ends_on": DAY, "discount_fraction": REAL}
            | {"announced_on": DAY, "kind": TEXT},
        ),
        "weather": columns(weather, {"region": TEXT, "date": DAY, "temp_c": REAL, "rain_mm": REAL}),
        "social_heat": columns(heat, {"category": TEXT, "date": DAY, "heat": REAL}),
    }
    return StateTables(**{name: ibis.memtable(table) for name, table in made.items()})


@cache
def covariates() -> ibis.Table:
    """Known ahead for ever, for a few days, in several versions, in several scopes, and hardly ever."""
    rng = np.random.default_rng(18)
    rows: list[tuple] = []
    for number in range(DAYS + HORIZON):
        rows.append(("all", "*", day(number), "days_to_holiday", float(number % 30), date(1970, 1, 1)))
        for issued in (1, 2, 5):
            rows += [
                ("region", region, day(number), "forecast_temp_c", rng.normal(), day(number - issued))
                for region in ("north", "south")
            ]
        if number % 11 < 3:
            at = number % 50
            rows.append(("product", PRODUCTS[at], day(number), "promo_depth", 0.1 * (number % 4), day(number - 9)))
            rows.append(("series", SERIES[at], day(number), "promo_depth", 1 / 3, day(number - 4)))
        if number % 97 == 0:
            rows.append(("category", "tea", day(number), "surprise", rng.random(), day(number)))
    return ibis.memtable(
        columns(
            rows,
            {"scope": TEXT, "scope_value": TEXT, "period_start": DAY, "name": TEXT, "value": REAL, "known_from": DAY},
        )
    )
