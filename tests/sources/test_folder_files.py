"""A table as a sub-folder of files: they are read as one, and must agree."""

import gzip
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.base import SourceError
from sources.folder import FolderSource

HEADER = "store,item,period_start,value,unit"
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(6)]


def lines_of(day: date) -> list[str]:
    return [f"{store},{item},{day},{day.day},units" for store in "AB" for item in "xy"]


def sales_of(folder: Path) -> list[dict[str, Any]]:
    found = FolderSource(folder).read("sales").read_all().to_pylist()
    return sorted(found, key=lambda row: (row["series_id"], row["period_start"]))


def folder_of_one_file(folder: Path) -> Path:
    folder.mkdir()
    (folder / "sales.csv").write_text("\n".join([HEADER, *(line for day in DAYS for line in lines_of(day))]))
    return folder


def test_files_of_every_kind_are_read_as_one(tmp_path: Path) -> None:
    parts = tmp_path / "many" / "Sales"
    parts.mkdir(parents=True)
    (parts / "README.txt").write_text("not data")
    texts = ["\n".join([HEADER, *lines_of(day)]) for day in DAYS]
    for day, text in zip(DAYS[:2], texts[:2], strict=True):
        (parts / f"{day}.csv").write_text(text)
    (parts / f"{DAYS[2]}.csv.gz").write_bytes(gzip.compress(texts[2].encode()))
    (parts / f"{DAYS[3]}.csv").write_text(texts[3].replace(",", ";").replace("store", "Store"))
    for day, kind in ((DAYS[4], pa.int64()), (DAYS[5], pa.float64())):
        cells = zip(*(line.split(",") for line in lines_of(day)), strict=True)
        store, item, start, value, unit = (list(column) for column in cells)
        numbers = pa.array([int(v) for v in value]).cast(kind)
        table = pa.table({"value": numbers, "unit": unit, "item": item, "store": store, "period_start": start})
        pq.write_table(table, parts / f"{day}.parquet")
    source = FolderSource(tmp_path / "many")
    assert source.tables == {"sales", "series"}
    assert source.frequency == "daily"
    rows = sales_of(tmp_path / "many")
    assert len(rows) == 24
    assert rows == sales_of(folder_of_one_file(tmp_path / "one"))


def test_the_fingerprint_follows_names_and_contents_of_the_files(tmp_path: Path) -> None:
    folder = folder_of_one_file(tmp_path / "shop")
    (folder / "events").mkdir()
    seen = set()
    for name, content in (("1.csv", "event_id\n1\n"), ("1.csv", "event_id\n2\n"), ("2.csv", "event_id\n1\n")):
        (folder / "events" / name).write_text(content)
        seen.add(FolderSource(folder).fingerprint())
    assert len(seen) == 3


def test_files_of_a_table_must_agree(tmp_path: Path) -> None:
    folder = folder_of_one_file(tmp_path / "shop")
    parts = folder / "events"
    parts.mkdir()
    source = FolderSource(folder)
    with pytest.raises(SourceError, match=r"events: no CSV or Parquet file in this sub-folder"):
        source.read("events")
    (parts / "1.csv").write_text("event_id,kind\n1,x\n")
    (parts / "2.csv").write_text("event_id,colour\n1,x\n")
    with pytest.raises(SourceError, match=r"2\.csv: has the columns event_id, colour, .* have event_id, kind; give"):
        source.read("events")
    (parts / "2.csv").write_bytes(b"")
    with pytest.raises(SourceError, match=r"2\.csv: the file is empty"):
        source.read("events")
    (folder / "events.csv").write_text("event_id\n1\n")
    with pytest.raises(SourceError, match=r"events and events\.csv both hold the table events; keep one"):
        FolderSource(folder)


def test_a_sub_folder_of_another_name_is_left_alone(tmp_path: Path) -> None:
    folder = folder_of_one_file(tmp_path / "shop")
    (folder / "archive").mkdir()
    (folder / "archive" / "old.csv").write_text("a,b\n1,2\n")
    assert FolderSource(folder).tables == {"sales", "series"}


def test_a_sub_folder_of_pictures_is_no_table(tmp_path: Path) -> None:
    """`images` is a table of image sets: in a shop's folder the name says nothing about rows."""
    folder = folder_of_one_file(tmp_path / "shop")
    (folder / "images").mkdir()
    (folder / "images" / "shelf.jpg").write_bytes(b"photo")
    assert FolderSource(folder).tables == {"sales", "series"}
