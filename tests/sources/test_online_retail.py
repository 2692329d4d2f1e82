"""Online Retail adapter: invoices, cancellations, dirt that must pass through, and the derived tables."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sources.adapters.england import bank_holidays, easter_sunday
from sources.adapters.online_retail import OnlineRetailSource
from sources.base import Source, SourceError

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINES = """536365,85123a,WHITE HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
536365,85123a,WHITE HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,POST,POSTAGE,1,12/1/2010 8:26,18,17850,United Kingdom
C536379,85123A,WHITE HEART HOLDER,-1,12/2/2010 9:41,2.65,17850.0,United Kingdom
C536380,71053,LANTERN,3,12/2/2010 9:42,3.39,,United Kingdom
536589,21777,,-10,12/2/2010 16:50,0,,United Kingdom
536590,85123A,WHITE HEART,2,sometime,2.75,17851,France
A563185,B,Adjust bad debt,1,8/12/2011 14:50,11062.06,,United Kingdom
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + LINES)
    return path


def rows(source: OnlineRetailSource, table: str) -> list[dict[str, Any]]:
    return source.read(table).read_all().to_pylist()


def test_invoice_lines(file: Path) -> None:
    source = OnlineRetailSource(file.parent)
    assert isinstance(source, Source)
    assert source.tables == {"transactions", "stores", "products", "calendar"}
    found = rows(source, "transactions")
    names = ("transaction_id", "line_no", "product_id", "kind", "units", "customer_id", "sold_at")
    assert [tuple(row[name] for name in names) for row in found] == [
        ("536365", "1", "85123a", "sale", "6", "17850", "2010-12-01 08:26:00"),
        ("536365", "2", "71053", "sale", "6", "17850", "2010-12-01 08:26:00"),
        ("536365", "1", "85123a", "sale", "6", "17850", "2010-12-01 08:26:00"),
        ("536365", "3", "POST", "sale", "1", "17850", "2010-12-01 08:26:00"),
        ("536379", "1", "85123A", "return", "1", "17850", "2010-12-02 09:41:00"),
        ("536380", "1", "71053", "return", "-3", None, "2010-12-02 09:42:00"),
        ("536589", "1", "21777", "sale", "-10", None, "2010-12-02 16:50:00"),
        ("536590", "1", "85123A", "sale", "2", "17851", "sometime"),
        ("A563185", "1", "B", "sale", "1", None, "2011-08-12 14:50:00"),
    ]
    assert {row["store_id"] for row in found} == {"web"}
    assert all(row["recorded_at"] == row["sold_at"] for row in found)


def test_products_are_goods_sold_at_a_price(file: Path) -> None:
    found = {row["product_id"]: row for row in rows(OnlineRetailSource(file), "products")}
    assert set(found) == {"85123A", "71053"}
    heart = found["85123A"]
    assert (heart["product_name"], float(heart["list_price"]), float(heart["unit_cost"])) == (
        "WHITE HEART",
        2.55,
        1.275,
    )
    assert heart["launched_on"] == "2010-12-01"


def test_store_and_calendar(file: Path) -> None:
    source = OnlineRetailSource(file)
    (store,) = rows(source, "stores")
    assert (store["store_id"], store["format"], store["opened_on"]) == ("web", "online", "2010-12-01")
    days = {row["date"]: row["holiday_name"] for row in rows(source, "calendar")}
    assert min(days) == "2010-12-01" and max(days) == "2012-08-12"
    assert {day: name for day, name in days.items() if name and day < "2011-05-03"} == {
        "2010-12-27": "Christmas Day", "2010-12-28": "Boxing Day", "2011-01-03": "New Year's Day",
        "2011-04-22": "Good Friday", "2011-04-25": "Easter Monday", "2011-04-29": "Royal wedding",
        "2011-05-02": "Early May",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("year", "days"),
    [(2009, ("2009-12-25", "2009-12-28")), (2016, ("2016-12-27", "2016-12-26")), (2023, ("2023-12-25", "2023-12-26"))],
)
def test_christmas_substitutes(year: int, days: tuple[str, str]) -> None:
    named = {name: str(day) for day, name in bank_holidays(year).items()}
    assert (named["Christmas Day"], named["Boxing Day"]) == days


def test_easter() -> None:
    assert [easter_sunday(year) for year in (2000, 2011, 2024, 2038)] == [
        date(2000, 4, 23), date(2011, 4, 24), date(2024, 3, 31), date(2038, 4, 25),
    ]  # fmt: skip


def test_second_edition_and_latin1_are_read(tmp_path: Path) -> None:
    header = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
    line = "489434,85048,GIFT VOUCHER \xa310,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom\n"
    (tmp_path / "online_retail_II.csv").write_bytes((header + line).encode("latin-1"))
    (row,) = rows(OnlineRetailSource(tmp_path), "transactions")
    assert (row["transaction_id"], row["customer_id"], row["receipt_text"]) == ("489434", "13085", "GIFT VOUCHER £10")
    assert row["sold_at"] == "2009-12-01 07:45:00"


def test_wrong_files_are_refused(file: Path) -> None:
    with pytest.raises(SourceError, match="no table 'sales'; it has transactions"):
        OnlineRetailSource(file).read("sales")
    file.write_text((HEADER + LINES).replace("StockCode", "Code"))
    with pytest.raises(SourceError, match=r"data\.csv: column StockCode is missing \(it has InvoiceNo, Code"):
        OnlineRetailSource(file).read("transactions")
    file.write_text(HEADER + LINES.replace("12/1/2010", "1.12.10").replace("12/2/2010", "2.12.10"))
    with pytest.raises(SourceError, match=r"InvoiceDate is readable in 1 of 9 rows"):
        OnlineRetailSource(file).read("transactions")
    (file.parent / "other.csv").write_text(HEADER)
    with pytest.raises(
        SourceError, match=r"needs one CSV or Parquet file of invoice lines \(found data\.csv, other\.csv\)"
    ):
        OnlineRetailSource(file.parent)


def test_fingerprint_follows_the_file(file: Path) -> None:
    before = OnlineRetailSource(file).fingerprint()
    file.write_text(HEADER + LINES.replace("2.55", "2.56"))
    assert OnlineRetailSource(file).fingerprint() != before


@pytest.mark.realdata
def test_real_counts(real_data: Path) -> None:
    table = OnlineRetailSource(real_data / "online_retail").read("transactions").read_all()
    assert table.num_rows == 541_909
    assert len(table["transaction_id"].unique()) == 25_900
    assert len(table["customer_id"].drop_null().unique()) == 4_372
