"""The tables of the loop, in the order in which the gate can judge them (a table after those it refers to)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableSpec:
    """One contract's table: its title and the tables its rules refer to.

    Facts are cut by day: `partition_by` is the clean table's column, `dated_by` the raw column that tells the day. Tables of
    the group `customers` are read by models of customers alone, those of the group `floor` by positioning.
    """

    name: str
    title: str
    references: tuple[str, ...] = ()
    partition_by: str | None = None
    dated_by: str | None = None
    group: str | None = None


TABLES: tuple[TableSpec, ...] = (
    TableSpec("stores", "Shops"),
    TableSpec("products", "Products of the assortment"),
    TableSpec("calendar", "Holidays and school breaks"),
    TableSpec("weather", "Observed weather by region and day"),
    TableSpec("weather_forecast", "Weather forecasts as issued", (), "issued_on", "issued_on"),
    TableSpec("social_heat", "Social heat by category and day"),
    TableSpec("promotions", "Planned promotions", references=("products", "stores")),
    TableSpec("price_plans", "Planned base prices", references=("products", "stores")),
    TableSpec("prices", "Shelf prices by shop, product and day", ("stores", "products"), "date", "date"),
    TableSpec("transactions", "Transaction lines and returns", ("stores", "products"), "sold_on", "sold_at"),
    TableSpec("inventory", "Daily stock by shop and product", ("stores", "products"), "date", "date"),
    TableSpec("sales", "Sales by series and period, as reported"),
    TableSpec("series", "Series of a source that reports sales"),
    TableSpec("covariates", "Covariates with the day each became known"),
    TableSpec("customers", "Customers as the shop knows them", ("stores",), group="customers"),
    TableSpec("friendships", "Who is whose friend", group="customers"),
    TableSpec("sessions", "Visits of the online shop", ("customers",), "started_on", "started_at", group="customers"),
    TableSpec(
        "impressions",
        "Items shown in the online shop, and with what chance",
        ("sessions", "customers", "products"),
        "shown_on",
        "shown_at",
        group="customers",
    ),
    TableSpec("events", "What customers took, looked at or played", (), "happened_on", "event_time", group="customers"),
    TableSpec("item_attributes", "What is known of an item besides who took it", group="customers"),
    TableSpec("wifi_scans", "Scans of devices by Wi-Fi, with their places where a surveyor stood", group="floor"),
    TableSpec("wifi_fingerprints", "Which access points a scan heard", ("wifi_scans",), group="floor"),
)
# Told by the log of a shop without a till, whatever the source.
SHOP_SPECS: tuple[TableSpec, ...] = (
    TableSpec("shop_bills", "What visits owe, and what corrects it", (), "left_on", "left_on", group="shop"),
    TableSpec("shop_bill_lines", "What bills are made of", (), "left_on", "left_on", group="shop"),
    TableSpec(
        "stock_movements", "What left the shelves and came back, as billed", (), "left_on", "left_on", group="shop"
    ),
    TableSpec("shop_reviews", "What a person was asked about", (), "left_on", "left_on", group="shop"),
)
SPECS = {spec.name: spec for spec in (*TABLES, *SHOP_SPECS)}
# Demand must not be made anew because a customer clicked.
DEMAND_TABLES = tuple(spec.name for spec in TABLES if spec.group is None)
