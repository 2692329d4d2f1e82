"""The twin by day: parts that stay, a spool that goes on where it stopped, and what a kill leaves."""

import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sources.base import PartedSource, SourceError
from sources.folder import FolderSource
from sources.open import TwinOptions, open_source
from sources.twin import spool as spool_module
from sources.twin.params import TwinParams
from sources.twin.source import PARTED_TABLES, TwinSource
from sources.twin.tables import DAILY_TABLES, SCHEMAS

TINY = TwinParams.size("tiny")
EVENT_DAY = {
    "transactions": "sold_at",
    "weather_forecast": "issued_on",
    "sessions": "started_at",
    "impressions": "shown_at",
    "events": "event_time",
}


def of_days(days: int, spool: Path | None = None) -> TwinSource:
    return TwinSource(TINY.with_days(days), 5, spool=spool)


def live(days: int, spool: Path) -> None:
    of_days(days, spool).read("stores").close()


def everything(source: TwinSource) -> dict[str, pa.Table]:
    truth = source.truth()
    tables = {table: source.read(table).read_all().combine_chunks() for table in source.tables}
    return tables | {"expected_demand": truth.expected_demand, "dirt": truth.dirt}


def index_of(spool: Path) -> Path:
    (index,) = spool.glob("*/index.json")
    return index


@pytest.fixture(scope="module")
def plain() -> dict[str, pa.Table]:
    return everything(of_days(25))


def test_the_twin_has_parts_and_a_folder_has_none(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-{day:02d},1,units\n" for day in range(1, 9))
    (tmp_path / "sales.csv").write_text(f"period_start,value,unit\n{rows}")
    assert isinstance(of_days(3), PartedSource)
    assert not isinstance(FolderSource(tmp_path), PartedSource)


def test_whole_tables_are_those_without_an_event_day() -> None:
    source = of_days(3)
    whole = {"promotions", "price_plans", "stores", "products", "calendar", "customers", "friendships"}
    assert {t for t in source.tables if source.parts(t) is None} == whole
    for table in PARTED_TABLES:
        assert list(source.parts(table)) == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_digests_stay_when_days_grow_and_differ_otherwise() -> None:
    short, long = of_days(3), of_days(5)
    assert short.fingerprint() != long.fingerprint()
    for table in PARTED_TABLES:
        assert long.parts(table).items() > short.parts(table).items()
    digests = [digest for table in PARTED_TABLES for digest in long.parts(table).values()]
    assert len(set(digests)) == len(digests) == 45
    other = TwinSource(TINY.with_days(3), 6)
    assert set(other.parts("prices").values()).isdisjoint(short.parts("prices").values())


@pytest.mark.parametrize("table", sorted(PARTED_TABLES))
def test_parts_are_the_table_cut_by_event_day(table: str, plain: dict[str, pa.Table], tmp_path: Path) -> None:
    for source in (of_days(25), of_days(25, tmp_path)):
        rows = source.read_parts(table, list(source.parts(table))).read_all().combine_chunks()
        assert rows.schema == SCHEMAS[table].append(pa.field("_day", pa.date32()))
        assert rows.drop_columns("_day").equals(plain[table])
        assert rows["_day"].equals(plain[table][EVENT_DAY.get(table, "date")].cast(pa.date32(), safe=False))
        assert rows["_day"].to_pylist() == sorted(rows["_day"].to_pylist())


def test_some_parts_come_alone_and_in_order(plain: dict[str, pa.Table], tmp_path: Path) -> None:
    days = ["2024-01-20", "2024-01-03", "2024-01-20"]
    whole = plain["prices"]
    expected = whole.filter(pc.is_in(whole["date"], value_set=pa.array([date(2024, 1, 3), date(2024, 1, 20)])))
    for source in (of_days(25), of_days(25, tmp_path)):
        rows = source.read_parts("prices", days).read_all()
        assert rows.drop_columns("_day").combine_chunks().equals(expected)
        assert source.read_parts("prices", []).read_all().num_rows == 0


def test_unknown_tables_and_days_are_refused() -> None:
    source = of_days(3)
    for refused in (source.parts, lambda table: source.read_parts(table, [])):
        with pytest.raises(SourceError, match=r"no table 'sales'.*transactions"):
            refused("sales")
    with pytest.raises(SourceError, match=r"promotions is delivered whole; read it"):
        source.read_parts("promotions", ["2024-01-01"])
    with pytest.raises(SourceError, match=r"no day '2024-01-04'; it lives 2024-01-01\.\.2024-01-03"):
        source.read_parts("prices", ["2024-01-03", "2024-01-04"])
    with pytest.raises(SourceError, match=r"no day '1/2/2024'"):
        source.read_parts("prices", ["1/2/2024"])


def test_days_of_the_options_overrule_the_file(tmp_path: Path) -> None:
    file = tmp_path / "twin.yaml"
    file.write_text("days: 9\n")
    source = open_source("twin", twin=TwinOptions(size="tiny", params_file=file, days=4))
    assert len(source.parts("prices")) == 4
    with pytest.raises(SourceError, match=r"days = 0: .*greater than or equal to 1"):
        open_source("twin", twin=TwinOptions(size="tiny", days=0))


def test_a_spool_is_written_once_and_equals_a_life_without(plain: dict[str, pa.Table], tmp_path: Path) -> None:
    source = of_days(25, tmp_path)
    source.read(min(source.tables)).close()  # even a table that knows no day spools all the others
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert len([p for p in files if p.suffix == ".parquet"]) == len(DAILY_TABLES) + 2
    assert everything(source) == plain
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == files


@pytest.mark.parametrize("small_rows", [0, 200, 10**6])
def test_going_on_equals_living_in_one_go(
    small_rows: int, plain: dict[str, pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the last block is written again or stands: 200 rows is about two days of this world's transactions."""
    monkeypatch.setattr(spool_module, "_SMALL_ROWS", small_rows)
    for days in (9, 10, 11, 18):
        live(days, tmp_path)
    lived: list[date] = []
    advance = spool_module.World.advance
    monkeypatch.setattr(spool_module.World, "advance", lambda self, day: (lived.append(day), advance(self, day))[1])
    assert everything(of_days(25, tmp_path)) == plain
    assert lived == [TINY.start + timedelta(days=n) for n in range(18, 25)]
    named = index_of(tmp_path).read_text()
    assert all(f"{p.parent.name}/{p.name}" in named for p in tmp_path.glob("*/*/*"))


def test_fewer_days_read_the_beginning(plain: dict[str, pa.Table], tmp_path: Path) -> None:
    live(25, tmp_path)
    short, alone = everything(of_days(10, tmp_path)), everything(of_days(10))
    assert short == alone
    for table in short:
        if table != "calendar":
            assert plain[table].slice(0, short[table].num_rows).equals(short[table])
    assert plain["calendar"].num_rows == short["calendar"].num_rows + 15


def test_blocks_bound_what_one_commit_holds(
    plain: dict[str, pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_ROWS_A_BLOCK", 500)
    monkeypatch.setattr(spool_module, "_SMALL_ROWS", 0)
    source = of_days(25, tmp_path)
    assert everything(source) == plain
    assert len(list(tmp_path.glob("*/*/transactions.parquet"))) > 3
    batches = list(source.read_parts("transactions", list(source.parts("transactions"))))
    assert max(batch.num_rows for batch in batches) < 500


@pytest.mark.parametrize(
    ("call", "turn", "left"),
    [("World.advance", 5, 10), ("save_state", 1, 10), ("_Index.written", 1, 10), ("Spool._clear", 1, 20)],
)
def test_a_kill_leaves_the_old_days_or_the_new(
    call: str, turn: int, left: int, plain: dict[str, pa.Table], tmp_path: Path
) -> None:
    live(10, tmp_path)
    script = f"""
import os, signal
from pathlib import Path
from sources.twin import spool
from sources.twin.params import TwinParams
from sources.twin.source import TwinSource
owner, _, name = {call!r}.rpartition(".")
holder = getattr(spool, owner) if owner else spool
asked, turns = getattr(holder, name), []
def killing(*args, **more):
    turns.append(1)
    if len(turns) == {turn}:
        if name == "written":
            args[1].write_text('{{"days": 2')
        os.kill(os.getpid(), signal.SIGKILL)
    return asked(*args, **more)
setattr(holder, name, killing)
TwinSource(TwinParams.size("tiny").with_days(20), 5, spool=Path({str(tmp_path)!r})).read("prices")
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert spool_module.Spool(index_of(tmp_path).parent, TINY.start).days() == left
    alone = of_days(left)
    assert of_days(left, tmp_path).read("transactions").read_all() == alone.read("transactions").read_all()
    assert everything(of_days(25, tmp_path)) == plain


def test_a_reader_keeps_its_rows_while_another_source_goes_on(tmp_path: Path) -> None:
    source = of_days(10, tmp_path)
    reader = source.read("inventory")
    live(12, tmp_path)
    assert reader.read_all() == of_days(10).read("inventory").read_all()


def test_damage_is_named_with_its_remedy(tmp_path: Path) -> None:
    live(4, tmp_path)
    index = index_of(tmp_path)
    (state,) = index.parent.glob("*/state.npz")
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(SourceError, match=r"state\.npz.*delete .*lived again"):
        of_days(5, tmp_path).read("prices")
    (index.parent / "00000" / "prices.parquet").unlink()
    with pytest.raises(SourceError, match=r"prices\.parquet.*delete .*lived again"):
        of_days(4, tmp_path).read("prices")
    index.write_text("{}")
    with pytest.raises(SourceError, match=r"index\.json.*delete .*lived again"):
        of_days(4, tmp_path).read("prices")
