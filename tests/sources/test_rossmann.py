"""Rossmann adapter: closed days, what is known ahead, and that `Customers` never comes out."""

from pathlib import Path
from typing import Any

import pytest

from sources.adapters.rossmann import RossmannSource
from sources.base import Source, SourceError

TRAIN = """"Store","DayOfWeek","Date","Sales","Customers","Open","Promo","StateHoliday","SchoolHoliday"
1,3,2015-07-01,5263,98765,1,1,"0","1"
1,4,2015-07-02,0,0,0,1,"a","1"
1,6,2015-07-04,4000,98765,1,0,"0","0"
2,3,2015-07-01,6064,98765,1,1,"0","1"
2,4,2015-07-02,6100,98765,1,1,"0","0"
3,4,2015-07-02,nonsense,98765,1,1,"0","1"
3,3,someday,77,98765,1,1,"0","1"
"""
STORE = """"Store","StoreType","Assortment","CompetitionDistance","Promo2","PromoInterval"
1,"c","a",1270,0,""
2,"a","b",570,1,"Jan,Apr"
3,"a","b",,1,"Jan,Apr"
"""
STATES = "Store,State\n1,HE\n2,TH\n3,HE\n"
TEST = """"Id","Store","DayOfWeek","Date","Open","Promo","StateHoliday","SchoolHoliday"
1,1,3,2015-07-05,0,0,"0","0"
2,2,3,2015-07-05,1,0,"0","0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("train.csv", TRAIN), ("store.csv", STORE), ("store_states.csv", STATES), ("test.csv", TEST)):
        (tmp_path / name).write_text(content)
    return tmp_path


def rows(source: RossmannSource, table: str) -> list[dict[str, Any]]:
    return source.read(table).read_all().to_pylist()


def test_sales_are_delivered_as_published(folder: Path) -> None:
    source = RossmannSource(folder)
    assert isinstance(source, Source)
    assert (source.frequency, source.absent) == ("daily", "closed")
    found = [(r["series_id"], r["period_start"], r["value"], r["unit"], r["open"]) for r in rows(source, "sales")]
    assert found == [
        ("1", "2015-07-01", "5263", "EUR", "1"),
        ("1", "2015-07-02", "0", "EUR", "0"),
        ("1", "2015-07-04", "4000", "EUR", "1"),
        ("2", "2015-07-01", "6064", "EUR", "1"),
        ("2", "2015-07-02", "6100", "EUR", "1"),
        ("3", "2015-07-02", "nonsense", "EUR", "1"),
        ("3", "someday", "77", "EUR", "1"),
    ]


def test_series_carry_the_store(folder: Path) -> None:
    first = rows(RossmannSource(folder), "series")[0]
    assert first == {
        "series_id": "1",
        "keys": '{"Store":"1","State":"HE","StoreType":"c","Assortment":"a","CompetitionDistance":"1270","Promo2":"0",'
        '"PromoInterval":null}',
        "store_id": "1",
        "product_id": None,
        "category": "c",
        "region": "HE",
        "started_on": "2015-07-01",
        "ended_on": None,
    }


def test_covariates_are_said_once_where_they_hold_for_all(folder: Path) -> None:
    found = rows(RossmannSource(folder), "covariates")
    assert {row["known_from"] for row in found} == {"1970-01-01"}

    def of(name: str) -> set[tuple[str, str, str, float]]:
        return {
            (r["scope"], r["scope_value"], r["period_start"][-2:], float(r["value"]))
            for r in found
            if r["name"] == name
        }

    assert of("promo") == {("all", "*", "01", 1), ("all", "*", "02", 1), ("all", "*", "04", 0), ("all", "*", "05", 0)}
    assert of("school_holiday") == {
        ("region", "HE", "01", 1), ("region", "TH", "01", 1), ("region", "HE", "02", 1), ("region", "TH", "02", 0),
        ("region", "HE", "04", 0), ("region", "HE", "05", 0), ("region", "TH", "05", 0),
    }  # fmt: skip
    assert ("store", "1", "02", 1) in of("state_holiday=public")  # differs within a state: kept per store
    assert ("store", "3", "02", 0) in of("state_holiday=public")
    assert of("open") == {
        ("store", "1", "01", 1), ("store", "1", "02", 0), ("store", "1", "03", 0), ("store", "1", "04", 1),
        ("store", "1", "05", 0), ("store", "2", "01", 1), ("store", "2", "02", 1), ("store", "2", "03", 0),
        ("store", "2", "04", 0), ("store", "2", "05", 1), ("store", "3", "02", 1), ("store", "3", "03", 0),
        ("store", "3", "04", 0), ("store", "3", "05", 0),
    }  # fmt: skip


def test_customers_never_come_out(folder: Path) -> None:
    """Every other count of customers gives the same tables, and no column or name speaks of them."""
    before = {table: rows(RossmannSource(folder), table) for table in ("sales", "series", "covariates")}
    (folder / "train.csv").write_text(TRAIN.replace("98765", "1"))
    assert {table: rows(RossmannSource(folder), table) for table in before} == before
    spelt = repr(before).lower()
    assert "customers" not in spelt and "98765" not in spelt


def test_works_without_states_test_and_open(folder: Path) -> None:
    (folder / "store_states.csv").unlink()
    (folder / "test.csv").unlink()
    lines = [line.split(",") for line in TRAIN.strip().split("\n")]
    (folder / "train.csv").write_text("\n".join(",".join(cells[:5] + cells[6:]) for cells in lines))
    source = RossmannSource(folder)
    assert {row["region"] for row in rows(source, "series")} == {None}
    assert {row["scope"] for row in rows(source, "covariates")} == {"all", "store"}


@pytest.mark.parametrize(
    ("remove", "message"), [("train.csv", "needs train.csv or one Parquet file"), ("store.csv", "store.csv is missing")]
)
def test_incomplete_downloads_are_refused(folder: Path, remove: str, message: str) -> None:
    (folder / remove).unlink()
    with pytest.raises(SourceError, match=message):
        RossmannSource(folder)


def test_missing_columns_and_tables_are_named(folder: Path) -> None:
    with pytest.raises(SourceError, match="no table 'prices'; it has sales, series, covariates"):
        RossmannSource(folder).read("prices")
    (folder / "train.csv").write_text(TRAIN.replace('"Promo"', '"Promotion"'))
    with pytest.raises(SourceError, match=r"train\.csv: column Promo is missing"):
        RossmannSource(folder).read("sales")


def test_fingerprint_changes_with_any_file(folder: Path) -> None:
    before = RossmannSource(folder).fingerprint()
    (folder / "store_states.csv").write_text(STATES.replace("TH", "BE"))
    assert RossmannSource(folder).fingerprint() != before


@pytest.mark.realdata
def test_real_totals(real_data: Path) -> None:
    source = RossmannSource(real_data / "rossmann")
    sales = source.read("sales").read_all()
    assert sales.num_rows == 844_338
    assert sum(map(int, sales["value"].to_pylist())) == 5_873_180_623
    assert len(rows(source, "series")) == 1_115
    covariates = source.read("covariates").read_all()
    assert set(covariates["name"].unique().to_pylist()) == {
        "open", "promo", "school_holiday", "state_holiday=public", "state_holiday=easter", "state_holiday=christmas",
    }  # fmt: skip
