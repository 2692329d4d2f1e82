"""The packing line's tables: in step with their contracts, through the gate into the lake, broken rows and pictures held."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.contracts import BELT_TABLES, load_contract
from orchestration.belt import REMEDY, belt_source, clean_belt_table
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.base import SourceError
from sources.belts import TwinBeltOptions, open_belt
from sources.twin.belt.belt import Belt
from sources.twin.belt.params import BeltParams
from sources.twin.belt.tables import APPROVED_SAMPLES, INSPECTIONS, approved_samples, inspections

LINE = BeltParams(size_px=64, batch_size=10, batches_per_day=2)
OPTIONS = TwinBeltOptions(LINE, 5, days=2, until=5)


def delivered() -> dict[str, pa.Table]:
    belt = Belt(LINE, 5)
    return {"inspections": inspections(belt, 0, 40), "approved_samples": approved_samples(belt, 0, 40)}


def write(folder: Path, tables: dict[str, pa.Table]) -> Path:
    folder.mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def changed(table: pa.Table, cells: dict[tuple[str, int], object]) -> pa.Table:
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for (name, row), value in cells.items():
        columns[name][row] = value
    return pa.table(columns, schema=table.schema)


def test_the_twin_delivers_what_the_contracts_say() -> None:
    assert load_contract("inspections").arrow_schema().equals(INSPECTIONS)
    assert load_contract("approved_samples").arrow_schema().equals(APPROVED_SAMPLES)


def test_the_twins_newest_days_are_delivered() -> None:
    source = open_belt("belt", OPTIONS)
    belt = Belt(LINE, 5)  # 20 packages a day: days 3 and 4 are packages 60 to 99
    assert source.read("inspections").equals(inspections(belt, 60, 40))
    assert source.read("approved_samples").equals(approved_samples(belt, 60, 40))
    told = source.severities()
    assert told is not None and list(told) == [f"K{number:09d}" for number in range(60, 100)]
    assert list(told.values()) == belt.truth(60, 40).severity.tolist()
    later = open_belt("belt", TwinBeltOptions(LINE, 5, days=2, until=6))
    assert later.fingerprint() != source.fingerprint() == open_belt("belt", OPTIONS).fingerprint()


def test_a_folder_is_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = delivered()
    source = open_belt(str(write(tmp_path / "line", tables)), OPTIONS)
    assert source.read("inspections").equals(tables["inspections"]) and source.severities() is None
    monkeypatch.setattr("sources.belt_folder.MOST_ROWS", 39)
    with pytest.raises(SourceError, match=r"40 rows of .* at most 39 rows"):
        source.read("inspections")
    monkeypatch.undo()
    (tmp_path / "line" / "approved_samples.parquet").write_bytes(b"no table")
    with pytest.raises(SourceError, match=r"approved_samples\.parquet"):
        source.read("approved_samples")
    with pytest.raises(SourceError, match=r"lacks approved_samples\.parquet, inspections\.parquet"):
        open_belt(str(tmp_path), OPTIONS)
    with pytest.raises(SourceError, match="neither `belt` nor a folder"):
        open_belt(str(tmp_path / "none"), OPTIONS)
    surplus = write(tmp_path / "more", {**tables, "inspections": tables["inspections"].append_column("x", [[1] * 40])})
    with pytest.raises(SourceError, match="has x, which no contract names"):
        open_belt(str(surplus), OPTIONS).read("inspections")


def test_broken_rows_and_pictures_are_held(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    tables = delivered()
    sound = tables["inspections"]["picture"][0].as_py()
    broken = {("picture", 0): sound[: len(sound) // 2], ("weight_g", 1): -4.0}  # 2 of 80 rows: 1.25 % each
    tables["inspections"] = pa.concat_tables([
        changed(tables["inspections"], broken), inspections(Belt(LINE, 5), 40, 40),
    ])  # fmt: skip
    tables["approved_samples"] = approved_samples(Belt(LINE, 5), 0, 80)
    workspace = Workspace(make_settings(belt=str(write(tmp_path / "line", tables))))
    for table in BELT_TABLES:
        outcome = clean_belt_table(workspace, table, run_id="run-1")
        assert outcome.passed, outcome.check_metadata
    assert (outcome.metadata["in"], outcome.metadata["good"], outcome.metadata["quarantined"]) == (80, 78, 2)
    kept = workspace.lake.arrow("clean", "inspections")
    assert kept["package_id"].to_pylist() == [f"K{number:09d}" for number in range(2, 80)]
    assert kept["picture"][0].as_py() == tables["inspections"]["picture"][2].as_py()
    held = {tuple(row["rules"]): row for row in workspace.quarantine.rows("inspections").to_pylist()}
    assert set(held) == {("type:picture", "required:picture"), ("between:weight_g",)}
    assert "bytes with MD5" in held["between:weight_g",]["raw"]
    assert outcome.metadata["samples"].value.startswith("![picture](data:image/png;base64,")
    again = clean_belt_table(workspace, "inspections", run_id="run-2")
    assert again.metadata["samples"].value == outcome.metadata["samples"].value
    assert again.metadata["unchanged"] is True and again.metadata["rows"] == 78


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({("defect", row): "ok" for row in range(2)}, "soundness_has_one_word"),
        ({("product_id", row): "P99999" for row in range(2)}, "of_its_batch"),
        ({("batch_id", row): "B999999" for row in range(2)}, "reference:batch_id"),
        ({("picture", row): b"\xff\xd8\xff no picture" for row in range(2)}, "type:picture"),
    ],
)
def test_too_many_broken_rows_stop_the_line(
    cells: dict[tuple[str, int], object], rule: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    tables = delivered()
    tables["inspections"] = changed(tables["inspections"], cells)
    workspace = Workspace(make_settings(belt=str(write(tmp_path / "line", tables))))
    assert clean_belt_table(workspace, "approved_samples", run_id="run-1").passed
    outcome = clean_belt_table(workspace, "inspections", run_id="run-1")
    assert not outcome.passed and workspace.lake.version("clean", "inspections") is None
    assert any(said.startswith(f"{rule}: 2 of 40 rows fail") for said in outcome.check_metadata["broken"])


def test_a_shop_without_a_line_says_so(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for settings in (make_settings(belt="off"), make_settings(source=f"folder:{folder}")):
        workspace = Workspace(settings)
        assert belt_source(workspace) is None
        outcome = clean_belt_table(workspace, "inspections", run_id="run-1")
        assert outcome.passed and outcome.metadata == {"provided": False, "rows": 0, "remedy": REMEDY}
