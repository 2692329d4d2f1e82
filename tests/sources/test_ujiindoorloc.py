"""UJIIndoorLoc as contract tables: what was heard and where, in the coordinates of the set; the person is never read."""

from pathlib import Path

import duckdb
import ibis
import pytest

from data_checks.contracts import WIFI_TABLES, conform, load_contract
from data_checks.decisions import Decisions
from data_checks.gate import judge
from data_checks.samples import tagged
from sources.adapters.ujiindoorloc import UjiIndoorLocSource
from sources.base import Source, SourceError
from sources.open import open_source

HEADER = "WAP001,WAP002,WAP003,LONGITUDE,LATITUDE,FLOOR,BUILDINGID,SPACEID,RELATIVEPOSITION,USERID,PHONEID,TIMESTAMP\n"
TRAINING = (
    HEADER
    + "100,-67,-104,-7541.2643,4864920.7782,2,1,106,2,77,23,1371713733\n"
    + "100,100,100,-7536.6212,4864934.2252,0,0,106,2,77,13,1371713691\n"
)
VALIDATION = HEADER + "0,100,100,-7515.9168,4864889.6625,4,2,0,0,0,0,1380872703\n"


@pytest.fixture(params=["csv", "parquet"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name, content in (("training", TRAINING), ("validation", VALIDATION)):
        csv = tmp_path / f"{name}Data.csv"
        csv.write_text(content)
        if request.param == "parquet":
            duckdb.sql(f"COPY (FROM '{csv}') TO '{tmp_path / name}.parquet'")
            csv.unlink()
    return tmp_path


def test_scans_keep_place_split_and_local_time(folder: Path) -> None:
    source = open_source(f"ujiindoorloc:{folder}")
    assert isinstance(source, Source) and source.tables == set(WIFI_TABLES)
    scans = source.read("wifi_scans").read_all()
    assert scans.column_names == list(load_contract("wifi_scans_raw").column_names)
    assert "77" not in [value for column in scans.to_pydict().values() for value in column]  # the person
    assert [tuple(row.values()) for row in scans.to_pylist()] == [
        ("train-00001", "2013-06-20 09:35:33", "23", "train", "1", "2", "-7541.2643", "4864920.7782", "web_mercator"),
        ("train-00002", "2013-06-20 09:34:51", "13", "train", "0", "0", "-7536.6212", "4864934.2252", "web_mercator"),
        ("test-00001", "2013-10-04 09:45:03", "0", "test", "2", "4", "-7515.9168", "4864889.6625", "web_mercator"),
    ]


def test_fingerprints_hold_what_was_heard_alone(folder: Path) -> None:
    heard = UjiIndoorLocSource(folder).read("wifi_fingerprints").read_all()
    assert [tuple(row.values()) for row in heard.to_pylist()] == [
        ("train-00001", "WAP002", "-67"),
        ("train-00001", "WAP003", "-104"),
        ("test-00001", "WAP001", "0"),
    ]


def test_tables_pass_the_gate(folder: Path) -> None:
    con = ibis.duckdb.connect()
    clean = {}
    for name in WIFI_TABLES:
        contract = load_contract(name)
        raw = conform(UjiIndoorLocSource(folder).read(name), load_contract(f"{name}_raw")).read_all()
        table = ibis.memtable(tagged(raw.cast(contract.arrow_schema())))
        references = {lookup.table: clean[lookup.table] for lookup in contract.lookups}
        result = judge(table, contract, references=references, decisions=Decisions(), con=con)
        assert result.success and result.failing.num_rows == 0
        clean[name] = ibis.memtable(result.good.to_pyarrow())


def test_what_is_missing_or_changed_is_named(folder: Path) -> None:
    source = UjiIndoorLocSource(folder)
    with pytest.raises(SourceError, match=r"no table 'sales'; it has wifi_fingerprints, wifi_scans"):
        source.read("sales")
    first = next(path for path in folder.iterdir() if path.name.startswith("training"))
    said = source.fingerprint()
    first.unlink()
    with pytest.raises(
        SourceError, match=r"training\.parquet or trainingData\.csv is missing; it belongs to the download"
    ):
        UjiIndoorLocSource(folder)
    (folder / "trainingData.csv").write_text(TRAINING.replace("PHONEID", "PHONE"))
    assert UjiIndoorLocSource(folder).fingerprint() != said
    with pytest.raises(SourceError, match=r"trainingData\.csv: column PHONEID is missing"):
        UjiIndoorLocSource(folder).read("wifi_scans")
    (folder / "trainingData.csv").write_text(TRAINING.replace("WAP", "AP"))
    with pytest.raises(SourceError, match="no column is an access point"):
        UjiIndoorLocSource(folder).read("wifi_scans")


def test_an_unreadable_cell_reaches_the_gate_as_delivered(tmp_path: Path) -> None:
    (tmp_path / "trainingData.csv").write_text(TRAINING.replace("1371713733", "noon").replace("-67", "loud"))
    (tmp_path / "validationData.csv").write_text(VALIDATION)
    source = UjiIndoorLocSource(tmp_path)
    assert source.read("wifi_scans").read_all()["at"][0].as_py() == "noon"
    assert source.read("wifi_fingerprints").read_all()["rssi_dbm"][0].as_py() == "loud"


@pytest.mark.realdata
def test_published_set_has_its_published_size(real_data: Path) -> None:
    source = UjiIndoorLocSource(real_data / "ujiindoorloc")
    scans, heard = (source.read(name).read_all() for name in WIFI_TABLES)
    assert scans["split"].value_counts().to_pylist() == [
        {"values": "train", "counts": 19_937},
        {"values": "test", "counts": 1_111},
    ]
    assert len(set(scans["device_id"].to_pylist())) == 25 and heard.num_rows == 377_067
