"""A folder of files: what is read, what is inferred, and what each wrong file is told."""

import gzip
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.base import Source, SourceError
from sources.folder import FolderSource

MONDAY = date(2024, 1, 1)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(name: str, content: str | bytes, **settings: Any) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        if settings:
            (tmp_path / "source.yaml").write_text(json.dumps(settings))
        return tmp_path

    return _write


def daily(stores: str = "AB", items: str = "xy", days: int = 21, step: int = 1, header: str = "store,item") -> str:
    lines = [f"{header},period_start,value,unit"]
    for store in stores:
        for item in items:
            lines += [f"{store},{item},{MONDAY + timedelta(days=step * n)},{n % 5},units" for n in range(days)]
    return "\n".join(lines) + "\n"


def rows(source: FolderSource, table: str) -> list[dict[str, Any]]:
    return source.read(table).read_all().to_pylist()


def test_sales_alone_is_a_source(write: Write) -> None:
    source = FolderSource(write("sales.csv", daily()))
    assert isinstance(source, Source)
    assert source.tables == {"sales", "series"}
    assert source.frequency == "daily"
    found = rows(source, "sales")
    assert len(found) == 84
    assert found[1] == {
        "series_id": "A|x",
        "keys": '{"store":"A","item":"x"}',
        "period_start": "2024-01-02",
        "value": "1",
        "unit": "units",
        "open": None,
    }
    assert rows(source, "series")[0] == {
        "series_id": "A|x",
        "keys": '{"store":"A","item":"x"}',
        "store_id": "A",
        "product_id": "x",
        "category": None,
        "region": None,
        "started_on": "2024-01-01",
        "ended_on": None,
    }


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_delimiters_line_ends_bom_and_gzip(write: Write, mark: str) -> None:
    text = "\ufeff" + daily().replace(",", mark).replace("\n", "\r\n")
    assert len(rows(FolderSource(write("sales.csv.gz", text)), "sales")) == 84


def test_parquet_reads_like_csv(write: Write, tmp_path: Path) -> None:
    csv = rows(FolderSource(write("sales.csv", daily().replace("A,", "7,").replace("B,", "8,"))), "sales")
    (tmp_path / "sales.csv").unlink()
    table = pa.table(
        {
            "store": pa.array([float(json.loads(row["keys"])["store"]) for row in csv]),
            "item": [json.loads(row["keys"])["item"] for row in csv],
            "period_start": pa.array([datetime.fromisoformat(row["period_start"]) for row in csv], pa.timestamp("ns")),
            "value": pa.array([float(row["value"]) for row in csv]),
            "unit": [row["unit"] for row in csv],
        }
    )
    pq.write_table(table, tmp_path / "sales.parquet")
    again = rows(FolderSource(tmp_path), "sales")
    assert [row["series_id"] for row in again] == [row["series_id"] for row in csv]
    assert [(row["value"], row["period_start"][:10]) for row in again] == [(r["value"], r["period_start"]) for r in csv]


def test_weekly_is_inferred_and_a_slow_mover_does_not_hide_daily(write: Write) -> None:
    assert FolderSource(write("sales.csv", daily(step=7))).frequency == "weekly"
    slow = daily(items="x") + "".join(f"A,slow,{MONDAY + timedelta(days=n)},1,units\n" for n in (0, 9, 13))
    assert FolderSource(write("sales.csv", slow)).frequency == "daily"


@pytest.mark.parametrize(("step", "seen"), [(3, "neither clearly daily nor weekly"), (30, "neither clearly")])
def test_unclear_spacing_must_be_stated(write: Write, step: int, seen: str) -> None:
    folder = write("sales.csv", daily(step=step))
    with pytest.raises(SourceError, match=seen + ".*frequency: daily"):
        _ = FolderSource(folder).frequency
    assert FolderSource(write("sales.csv", daily(step=step), frequency="daily")).frequency == "daily"


def test_stated_weekly_for_daily_rows_is_refused(write: Write) -> None:
    with pytest.raises(SourceError, match=r"states weekly, but 0% of the 80 steps"):
        _ = FolderSource(write("sales.csv", daily(), frequency="weekly")).frequency


def test_a_few_bad_cells_are_delivered_as_they_are(write: Write) -> None:
    bad = "A,x,2024-13-01,3,units\nA,x,2024-03-01,three,units\n,x,2024-03-02,1,units\nA,x,2024-03-03,-4,units\n"
    found = rows(FolderSource(write("sales.csv", daily() + bad)), "sales")[-4:]
    assert [(row["series_id"], row["period_start"], row["value"]) for row in found] == [
        ("A|x", "2024-13-01", "3"),
        ("A|x", "2024-03-01", "three"),
        (None, "2024-03-02", "1"),
        ("A|x", "2024-03-03", "-4"),
    ]


def test_stated_formats_are_read(write: Write) -> None:
    lines = ["store;period_start;value"] + [f"A;{n:02d}.01.2024;{n},5" for n in range(1, 20)] + ["A;40.01.2024;1,5"]
    found = rows(
        FolderSource(write("sales.csv", "\n".join(lines), unit="EUR", decimal=",", date_format="%d.%m.%Y")), "sales"
    )
    assert (found[0]["period_start"], found[0]["value"], found[0]["unit"]) == ("2024-01-01", "1.5", "EUR")
    assert found[-1]["period_start"] == "40.01.2024"


def test_one_series_needs_no_key(write: Write) -> None:
    text = "period_start,value,unit\n" + "".join(f"{MONDAY + timedelta(days=n)},{n},units\n" for n in range(9))
    source = FolderSource(write("sales.csv", text))
    assert {row["series_id"] for row in rows(source, "sales")} == {"all"}
    assert rows(source, "series")[0]["keys"] == "{}"


def replaced(old: str, new: str) -> str:
    return daily().replace(old, new)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"sales\.csv: the file is empty \(0 bytes\)"),
        (b"store,period_start,value,unit\n", "0 rows"),
        (daily().replace("period_start", "day"), r"column period_start is missing \(it has store, item, day"),
        (daily().replace(",unit\n", "\n").replace(",units", ""), "column unit is missing.*state `unit: units`"),
        (replaced("A,x,2024-01-02", "A,caf\xe9,2024-01-02").encode("latin-1"), r"line 3: byte 0xE9 is not utf-8"),
        (replaced("2024-01-", "5/"), r"column period_start is unreadable in 84 of 84 rows \(such as '5/.*YYYY-MM-DD"),
        (",store" + daily()[5:], "column 1 has no name"),
        (daily(header="Store,store"), "Store, store occur twice"),
        (daily().replace("A,x,2024-01-02,1,units", "A,x,2024-01-02,1,EUR"), r"unit changes within 1 series .*'A\|x'"),
        (daily().replace("A,", "A|,").replace("x,", "|x,").replace("B,y", "A,||x"), "ambiguous"),
        (daily(items="x") + daily(items="x").split("\n", 1)[1] * 2, r"126 rows hold only 42 pairs"),
        (daily() + "A,x,2024-02-01,1,units,9,9\n", r"sales\.csv: .*Line: 86"),
    ],
)  # fmt: skip
def test_wrong_files_are_refused_by_name(write: Write, content: str | bytes, message: str) -> None:
    source = FolderSource(write("sales.csv", content))
    with pytest.raises(SourceError, match=message):
        source.read("sales").read_all()


def test_a_column_of_many_values_is_no_key(write: Write) -> None:
    lines = daily(items="x").strip().split("\n")
    wide = [lines[0] + ",visitors"] + [f"{text},{900 + n}" for n, text in enumerate(lines[1:])]
    with pytest.raises(SourceError, match=r"column visitors has 42 values in 42 rows.*keys: \[\.\.\.\]"):
        FolderSource(write("sales.csv", "\n".join(wide))).read("sales")


def test_a_flag_inside_sales_is_no_key_unless_ignored(write: Write, tmp_path: Path) -> None:
    lines = daily().strip().split("\n")
    flagged = "\n".join([lines[0] + ",promo"] + [f"{text},{n % 3 % 2}" for n, text in enumerate(lines[1:])])
    with pytest.raises(SourceError, match=r"column promo goes back and forth"):
        FolderSource(write("sales.csv", flagged)).read("sales")
    source = FolderSource(write("sales.csv", flagged, ignore=["promo"]))
    assert {row["series_id"] for row in rows(source, "sales")} == {"A|x", "A|y", "B|x", "B|y"}


def test_attributes_of_a_series_may_be_keys(write: Write) -> None:
    lines = daily().strip().split("\n")
    text = "\n".join([lines[0] + ",region"] + [f"{one},{'north' if one[0] == 'A' else 'south'}" for one in lines[1:]])
    series = rows(FolderSource(write("sales.csv", text)), "series")
    assert [(row["series_id"], row["region"]) for row in series][:1] == [("A|x|north", "north")]


def test_folder_shape_errors(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no folder"):
        FolderSource(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="no CSV or Parquet file"):
        FolderSource(tmp_path)
    write("stores.csv", "store_id\nA\n")
    with pytest.raises(SourceError, match="has stores but none of sales, transactions, events"):
        FolderSource(tmp_path)
    write("sales.csv", daily())
    write("sale.csv", daily())
    with pytest.raises(SourceError, match=r"no table is called 'sale'; rename or move it \(tables: .*sales"):
        FolderSource(tmp_path)
    (tmp_path / "sale.csv").unlink()
    write("sales.csv.gz", daily())
    with pytest.raises(SourceError, match=r"sales\.csv and sales\.csv\.gz both hold the table sales"):
        FolderSource(tmp_path)


def test_settings_refuse_unknown_words(write: Write) -> None:
    with pytest.raises(SourceError, match=r"source\.yaml: frequenzy: Extra inputs.*It may state frequency, absent"):
        FolderSource(write("sales.csv", daily(), frequenzy="daily"))


def test_unknown_table_is_named(write: Write) -> None:
    with pytest.raises(SourceError, match="no table 'prices'; it has sales, series"):
        FolderSource(write("sales.csv", daily())).read("prices")


def test_fingerprint_follows_contents_and_settings_alone(write: Write) -> None:
    first = FolderSource(write("sales.csv", daily())).fingerprint()
    assert FolderSource(write("sales.csv", daily())).fingerprint() == first
    assert FolderSource(write("sales.csv", daily(), absent="zero")).fingerprint() != first
    assert FolderSource(write("sales.csv", daily(days=22))).fingerprint() != first


def covariates(write: Write, lines: list[str], header: str = "store,period_start,name,value,known_from") -> list[Any]:
    write("covariates.csv", "\n".join([header, *lines]))
    found = rows(FolderSource(write("sales.csv", daily())), "covariates")
    return sorted(
        (r["scope"], r["scope_value"], r["period_start"], r["name"], r["value"], r["known_from"]) for r in found
    )


def test_covariate_scopes_and_known_from(write: Write) -> None:
    found = covariates(
        write, ["A,2024-01-03,price,2.5,2023-12-01", "B,2024-01-03,price,2.0,", ",2024-01-03,price,1,2024-01-01"]
    )
    assert found == [
        ("all", "*", "2024-01-03", "price", "1", "2024-01-01"),
        ("store", "A", "2024-01-03", "price", "2.5", "2023-12-01"),
        ("store", "B", "2024-01-03", "price", "2.0", "2024-01-03"),  # unknown ahead: known from its own period on
    ]


def test_covariates_by_all_keys_are_by_series_and_none_by_all(write: Write) -> None:
    header = "item,store,period_start,name,value"
    assert covariates(write, ["x,A,2024-01-03,p,1"], header)[0][:2] == ("series", "A|x")
    assert covariates(write, ["2024-01-03,p,1"], "period_start,name,value")[0][:2] == ("all", "*")


def test_covariates_of_an_unnamed_key_reach_every_series_of_it(write: Write) -> None:
    write("covariates.csv", "team,period_start,name,value\nT,2024-01-02,shift,1\n")
    sales = "\n".join(["team,line,period_start,value,unit"] + [
        f"{team},{line},{MONDAY + timedelta(days=n)},{n},units" for team in "TU" for line in "lm" for n in range(9)
    ])  # fmt: skip
    found = rows(FolderSource(write("sales.csv", sales)), "covariates")
    assert sorted((row["scope"], row["scope_value"]) for row in found) == [("series", "T|l"), ("series", "T|m")]


def test_words_become_flags_one_per_level(write: Write) -> None:
    found = covariates(
        write,
        [f",2024-01-0{n},open,{'true' if n % 2 else 'No'}," for n in (1, 2)]
        + [",2024-01-01,holiday,Easter,", ",2024-01-02,holiday,none,"],
    )
    assert [(period, name, value) for _, _, period, name, value, _ in found] == [
        ("2024-01-01", "holiday=Easter", "1"),
        ("2024-01-01", "holiday=none", "0"),
        ("2024-01-01", "open", "1"),
        ("2024-01-02", "holiday=Easter", "0"),
        ("2024-01-02", "holiday=none", "1"),
        ("2024-01-02", "open", "0"),
    ]


def test_a_bad_number_among_numbers_stays_text_for_the_gate(write: Write) -> None:
    found = covariates(write, [f",2024-01-{n:02d},t,{n}," for n in range(1, 21)] + [",2024-01-21,t,warm,"])
    assert found[-1][3:5] == ("t", "warm")


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("store,name,value", ["A,p,1"], "column period_start is missing"),
        ("shop,period_start,name,value", ["A,2024-01-01,p,1"], r"column shop is no key .*\(store, item\)"),
        ("period_start,name,value", ["2030-01-01,p,1"], "none of its 1 rows has a period_start that occurs in sales"),
        ("store,period_start,name,value", ["Z,2024-01-01,p,1"], "none of the 1 values of store .*occurs in sales"),
        ("period_start,name,value", [f"2024-01-01,p,word{n}" for n in range(21)], "'p' has 21 different texts in 21 "),
        ("period_start,name,value", [], "0 rows"),
    ],
)  # fmt: skip
def test_wrong_covariates_are_refused(write: Write, header: str, lines: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=r"covariates\.csv: .*" + message):
        covariates(write, lines, header)


def test_other_tables_have_their_contracts_columns(write: Write) -> None:
    write("events.csv", "customer_id,item_id,ordinal\n 1 ,x,1\n2,,2\n")
    source = FolderSource(write("sales.csv", daily()))
    assert source.tables == {"sales", "series", "events"}
    absent = dict.fromkeys(("event_time", "kind", "amount", "price", "session_id", "impression_id"))
    assert rows(source, "events") == [
        {"customer_id": "1", "item_id": "x", "ordinal": "1", **absent},
        {"customer_id": "2", "item_id": None, "ordinal": "2", **absent},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer_id,ordinal\n1,1\n", "column item_id is missing"),
        ("customer_id,item_id,colour\n1,x,red\n", "column colour is in no contract.*ignore"),
    ],
)
def test_wrong_columns_of_other_tables_are_refused(write: Write, text: str, message: str) -> None:
    source = FolderSource(write("events.csv", text))
    with pytest.raises(SourceError, match=r"events\.csv: " + message):
        source.read("events")
