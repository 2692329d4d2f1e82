"""The observed tables: their columns, and how they are made from the world's arrays."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import NEVER_ENDS, Catalogue
from sources.twin.categories import BRANDS, CATEGORIES, FORMATS
from sources.twin.customers.schemas import ONLINE_SCHEMAS, ONLINE_STATIC
from sources.twin.holidays import Calendar
from sources.twin.lines import MISSING, Lines
from sources.twin.price_plans import PricePlans
from sources.twin.promotions import ALL_STORES, CLEARANCE_SLOT, DECIDED_SLOT, KINDS, Promotions
from sources.twin.stock import StockDay
from sources.twin.weather import WeatherDays

_TEXT, _WHOLE, _REAL, _FLAG, _DATE, _TIME = (
    pa.string(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us"),
)

_CELL = [("store_id", _TEXT), ("product_id", _TEXT), ("date", _DATE)]
_SKY = [("temp_c", _REAL), ("rain_mm", _REAL)]

SCHEMAS: dict[str, pa.Schema] = {
    "stores": pa.schema(
        [
            ("store_id", _TEXT), ("store_name", _TEXT), ("region", _TEXT), ("format", _TEXT), ("area_m2", _REAL),
            ("opened_on", _DATE),
        ]
    ),
    "products": pa.schema(
        [
            ("product_id", _TEXT), ("product_name", _TEXT), ("category", _TEXT), ("brand", _TEXT),
            ("unit_cost", _REAL), ("list_price", _REAL), ("shelf_life_days", _WHOLE), ("weight_g", _REAL),
            ("supplier_id", _TEXT), ("lead_time_days", _WHOLE), ("launched_on", _DATE), ("ended_on", _DATE),
        ]
    ),
    "calendar": pa.schema(
        [("date", _DATE), ("is_holiday", _FLAG), ("holiday_name", _TEXT), ("is_school_break", _FLAG)]
    ),
    "weather": pa.schema([("region", _TEXT), ("date", _DATE), *_SKY]),
    "weather_forecast": pa.schema([("region", _TEXT), ("issued_on", _DATE), ("date", _DATE), *_SKY]),
    "social_heat": pa.schema([("category", _TEXT), ("date", _DATE), ("heat", _REAL)]),
    "promotions": pa.schema(
        [
            ("promotion_id", _TEXT), ("product_id", _TEXT), ("store_id", _TEXT), ("starts_on", _DATE),
            ("ends_on", _DATE), ("discount_fraction", _REAL), ("kind", _TEXT), ("announced_on", _DATE),
        ]
    ),
    "price_plans": pa.schema(
        [
            ("plan_id", _TEXT), ("product_id", _TEXT), ("store_id", _TEXT), ("valid_from", _DATE), ("base_price", _REAL),
            ("announced_on", _DATE),
        ]
    ),
    "prices": pa.schema([*_CELL, ("base_price", _REAL), ("price", _REAL)]),
    "transactions": pa.schema(
        [
            ("transaction_id", _TEXT), ("line_no", _WHOLE), ("store_id", _TEXT), ("product_id", _TEXT),
            ("customer_id", _TEXT), ("sold_at", _TIME), ("recorded_at", _TIME), ("kind", _TEXT), ("units", _WHOLE),
            ("unit_price", _REAL), ("receipt_text", _TEXT), ("original_transaction_id", _TEXT),
            ("original_line_no", _WHOLE),
        ]
    ),
    "inventory": pa.schema(
        [
            *_CELL, ("opening_units", _WHOLE), ("received_units", _WHOLE), ("sold_units", _WHOLE),
            ("wasted_units", _WHOLE), ("closing_units", _WHOLE), ("stocked_out", _FLAG),
        ]
    ),
}  # fmt: skip
SCHEMAS |= ONLINE_SCHEMAS
STATIC_TABLES = frozenset({"stores", "products", "calendar"}) | ONLINE_STATIC
DAILY_TABLES = frozenset(SCHEMAS) - STATIC_TABLES


def days(numbers: Any) -> Any:
    """Days since 1970 as Arrow dates."""
    return pa.array(np.asarray(numbers, dtype=np.int32), pa.int32()).cast(_DATE)


class TableMaker:
    """Makes the observed tables of one catalogue."""

    def __init__(self, catalogue: Catalogue, regions: int, categories: int) -> None:
        self._catalogue = catalogue
        self._store_ids = pa.array(catalogue.stores.ids, _TEXT)
        self._product_ids = pa.array(catalogue.products.ids, _TEXT)
        self._regions = pa.array([f"R{r + 1:02d}" for r in range(regions)], _TEXT)
        self._categories = pa.array([c.name for c in CATEGORIES[:categories]], _TEXT)
        texts = catalogue.products.receipt_texts
        self._texts = pa.array([*texts, *(mojibake(text) for text in texts)], _TEXT)

    def stores(self) -> pa.Table:
        """One row a store."""
        s = self._catalogue.stores
        names = pa.array([f.name for f in FORMATS], _TEXT)
        columns = [self._store_ids, pa.array(s.names, _TEXT), self._regions.take(pa.array(s.region)),
                   names.take(pa.array(s.format)), pa.array(s.area_m2), days(s.opened)]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["stores"])

    def products(self) -> pa.Table:
        """One row a product."""
        p = self._catalogue.products
        suppliers = pa.array([f"V{v + 1:03d}" for v in range(3 * len(CATEGORIES))], _TEXT)
        ended = pc.if_else(pa.array(p.ended == NEVER_ENDS), pa.scalar(None, _DATE), days(p.ended))
        columns = [self._product_ids, pa.array(p.names, _TEXT), self._categories.take(pa.array(p.category)),
                   pa.array(BRANDS, _TEXT).take(pa.array(p.brand)), pa.array(p.unit_cost), pa.array(p.list_price),
                   pa.array(p.shelf_life_days), pa.array(p.weight_g), suppliers.take(pa.array(p.supplier)),
                   pa.array(p.lead_time_days), days(p.launched), ended]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["products"])

    def calendar(self, calendar: Calendar, first: date, last: date) -> pa.Table:
        """One row a day from first to last."""
        count = (last - first).days + 1
        dates = [first + timedelta(days=i) for i in range(count)]
        at = int(np.datetime64(first, "D").astype(np.int64)) - calendar.first
        span = slice(at, at + count)
        columns = [pa.array(dates, _DATE), pa.array(calendar.is_holiday[span]), pa.array(calendar.names[span], _TEXT),
                   pa.array(calendar.is_school_break[span])]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["calendar"])

    def weather(self, day: int, weather: WeatherDays) -> pa.Table:
        """One row a region; `weather` holds the one day."""
        dates = days(np.full(len(self._regions), day))
        columns = [self._regions, dates, pa.array(weather.temp_c[:, 0]), pa.array(weather.rain_mm[:, 0])]
        return pa.table(columns, schema=SCHEMAS["weather"])

    def weather_forecast(self, issued: int, forecast: WeatherDays) -> pa.Table:
        """One row a region and day ahead."""
        regions, ahead = forecast.temp_c.shape
        of_region = self._regions.take(pa.array(np.repeat(np.arange(regions), ahead)))
        columns = [of_region, days(np.full(regions * ahead, issued)),
                   days(np.tile(issued + np.arange(1, ahead + 1), regions)), pa.array(forecast.temp_c.ravel()),
                   pa.array(forecast.rain_mm.ravel())]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["weather_forecast"])

    def social_heat(self, day: int, heat: Floats) -> pa.Table:
        """One row a category; heat (C,)."""
        return pa.table(
            [self._categories, days(np.full(len(heat), day)), pa.array(heat)], schema=SCHEMAS["social_heat"]
        )

    def promotions(self, promotions: Promotions, announced: Ints) -> pa.Table:
        """One row a promotion."""
        p = promotions
        names = {CLEARANCE_SLOT: "C"}
        store_ids, product_ids = self._catalogue.stores.ids, self._catalogue.products.ids
        ids = [
            f"PR-{product_ids[product]}-"
            + (f"D{starts}" if slot == DECIDED_SLOT else names.get(int(slot), str(slot)))
            + ("" if store == ALL_STORES else f"-{store_ids[store]}")
            for product, store, slot, starts in zip(p.product, p.store, p.slot, p.starts, strict=True)
        ]
        columns = [pa.array(ids, _TEXT), self._product_ids.take(pa.array(p.product)), _taken(self._store_ids, p.store),
                   days(p.starts), days(p.ends), pa.array(p.discount), pa.array(KINDS, _TEXT).take(pa.array(p.kind)),
                   days(announced)]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["promotions"])

    def price_plans(self, plans: PricePlans) -> pa.Table:
        """One row a planned base price."""
        store_ids, product_ids = self._catalogue.stores.ids, self._catalogue.products.ids
        ids = [
            f"PP-{product_ids[product]}-{day}" + ("" if store == ALL_STORES else f"-{store_ids[store]}")
            for product, store, day in zip(
                plans.product, plans.store, plans.valid_from.astype("datetime64[D]"), strict=True
            )
        ]
        columns = [pa.array(ids, _TEXT), self._product_ids.take(pa.array(plans.product)),
                   _taken(self._store_ids, plans.store), days(plans.valid_from), pa.array(plans.base_price),
                   days(plans.announced)]  # fmt: skip
        return pa.table(columns, schema=SCHEMAS["price_plans"])

    def prices(self, day: int, active: Bools, base: Floats, price: Floats) -> pa.Table:
        """One row an active cell."""
        columns = [*self.cells(day, active), pa.array(base[active]), pa.array(price[active])]
        return pa.table(columns, schema=SCHEMAS["prices"])

    def inventory(self, day: int, active: Bools, stock: StockDay) -> pa.Table:
        """One row an active cell."""
        grids = (stock.opening, stock.received, stock.sold, stock.wasted, stock.closing, stock.stocked_out)
        return pa.table([*self.cells(day, active), *(pa.array(g[active]) for g in grids)], schema=SCHEMAS["inventory"])

    def transactions(self, lines: Lines) -> pa.Table:
        """One row a receipt line."""
        customers = pc.binary_join_element_wise(
            pa.scalar("C"), pc.utf8_lpad(pc.cast(pa.array(lines.customer), _TEXT), 7, "0"), ""
        )
        text = lines.text + lines.broken_text * len(self._product_ids)
        columns = [
            lines.transaction_id,
            pa.array(lines.line_no),
            _taken(self._store_ids, lines.store),
            _taken(self._product_ids, lines.product),
            pc.if_else(pa.array(lines.customer == MISSING), pa.scalar(None, _TEXT), customers),
            pa.array(lines.sold_us.view("datetime64[us]")),
            pa.array(lines.recorded_us.view("datetime64[us]")),
            pa.array(["sale", "return"], _TEXT).take(pa.array(lines.is_return.astype(np.int64))),
            pa.array(lines.units),
            pa.array(lines.price),
            self._texts.take(pa.array(text)),
            lines.original_id,
            pa.array(lines.original_line, mask=lines.original_line == MISSING),
        ]
        return pa.table(columns, schema=SCHEMAS["transactions"])

    def cells(self, day: int, active: Bools) -> list[Any]:
        """Columns store_id, product_id, date of the active cells (S, P)."""
        s, p = np.nonzero(active)
        return [self._store_ids.take(pa.array(s)), self._product_ids.take(pa.array(p)), days(np.full(len(s), day))]


def mojibake(text: str) -> str:
    """The text's UTF-8 bytes read as Latin-1."""
    return text.encode("utf-8").decode("latin-1")


def _taken(values: Any, at: Ints) -> Any:
    """values[at], null where `at` is negative."""
    return values.take(pa.array(at, mask=at < 0))
