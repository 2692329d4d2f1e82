"""The tables of the loop, in the order in which the gate can judge them (a table after those it refers to)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableSpec:
    """One contract's table: its title, the tables its rules refer to, and the column its days are cut by."""

    name: str
    title: str
    references: tuple[str, ...] = ()
    partition_by: str | None = None


TABLES: tuple[TableSpec, ...] = (
    TableSpec("stores", "Shops"),
    TableSpec("products", "Products of the assortment"),
    TableSpec("calendar", "Holidays and school breaks"),
    TableSpec("weather", "Observed weather by region and day"),
    TableSpec("weather_forecast", "Weather forecasts as issued", partition_by="issued_on"),
    TableSpec("social_heat", "Social heat by category and day"),
    TableSpec("promotions", "Planned promotions", references=("products", "stores")),
    TableSpec("prices", "Shelf prices by shop, product and day", ("stores", "products"), "date"),
    TableSpec("transactions", "Transaction lines and returns", ("stores", "products"), "sold_on"),
    TableSpec("inventory", "Daily stock by shop and product", ("stores", "products"), "date"),
    TableSpec("sales", "Sales by series and period, as reported"),
    TableSpec("series", "Series of a source that reports sales"),
    TableSpec("covariates", "Covariates with the day each became known"),
)
