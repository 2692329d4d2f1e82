"""The twin as a source: determinism, streaming, one pass for all tables, truth apart."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sources.base import Source, SourceError
from sources.folder import FolderSource
from sources.open import TwinOptions, open_source
from sources.twin.params import TwinParams
from sources.twin.source import TwinSource, write_days
from sources.twin.tables import SCHEMAS
from sources.twin.world import World

SHORT = TwinParams.size("tiny").model_copy(update={"days": 25})


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """All tables, made together in one pass."""
    source = TwinSource(SHORT, 5, spool=tmp_path_factory.mktemp("spool"))
    return {table: source.read(table).read_all() for table in source.tables}


def test_is_a_source_with_every_table() -> None:
    source = open_source("twin", twin=TwinOptions(size="tiny", seed=5))
    assert isinstance(source, Source)
    assert source.tables == frozenset(SCHEMAS)
    assert len(source.tables) == 16
    assert source.frequency == "daily"


def test_unknown_table_is_refused() -> None:
    with pytest.raises(SourceError, match=r"no table 'sales'.*transactions"):
        TwinSource(SHORT, 5).read("sales")


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_a_table_is_the_same_whatever_else_is_made(table: str, lived: dict[str, pa.Table]) -> None:
    alone = TwinSource(SHORT, 5).read(table).read_all()
    assert alone.num_rows > 0
    assert alone.equals(lived[table])
    assert alone.schema.equals(SCHEMAS[table])


def test_another_seed_gives_another_world() -> None:
    for table in ("products", "weather", "social_heat", "prices", "transactions", "inventory"):
        assert not TwinSource(SHORT, 5).read(table).read_all().equals(TwinSource(SHORT, 6).read(table).read_all())


def test_fingerprint_follows_params_and_seed() -> None:
    source = TwinSource(SHORT, 5)
    assert source.fingerprint() == TwinSource(SHORT, 5).fingerprint()
    assert source.fingerprint() != TwinSource(SHORT, 6).fingerprint()
    assert source.fingerprint() != TwinSource(SHORT.model_copy(update={"days": 26}), 5).fingerprint()


def test_no_truth_in_observed_tables() -> None:
    truth_columns = {"expected_units", "demanded_units", "elasticity", "promotion_uplift", "dirt", "copy", "is_dirty"}
    for schema in SCHEMAS.values():
        assert not truth_columns & set(schema.names)


def test_what_is_known_ahead_reaches_ahead(lived: dict[str, pa.Table]) -> None:
    last = SHORT.last_day

    def latest(table: str, column: str) -> date:
        return pc.max(lived[table][column]).as_py()

    assert latest("calendar", "date") >= last + timedelta(days=60)
    assert latest("weather_forecast", "date") == last + timedelta(days=10)
    for table in ("weather", "social_heat", "prices", "inventory"):
        assert latest(table, "date") == last
    promotions = lived["promotions"]
    assert pc.max(promotions["announced_on"]).as_py() <= last
    notice = pc.days_between(promotions["announced_on"], promotions["starts_on"]).to_pylist()
    assert min(notice) >= SHORT.promotions.announce_min_days
    assert max(notice) <= SHORT.promotions.announce_max_days
    assert latest("promotions", "starts_on") > last


def test_large_is_about_110_million_lines() -> None:
    """Twelve days over all weekdays and seasons, each lived from full shelves: the whole of seed 1 was 111.6 million."""
    params = TwinParams.size("large")
    world = World(params, 1, tables={"transactions"}, keep_truth=False)
    fresh = world.state.copy()
    sampled = range(3, params.days, 61)
    lines = 0
    for ahead in sampled:
        world.restore(replace(fresh, next_day=fresh.next_day + ahead))
        lines += world.advance(params.start + timedelta(days=ahead))["transactions"].num_rows
    assert 105e6 <= lines / len(sampled) * params.days <= 120e6


def test_days_of_one_table_are_written_alone(tmp_path: Path, lived: dict[str, pa.Table]) -> None:
    source, seen = TwinSource(SHORT, 5), []
    rows = write_days(source, ["transactions"], tmp_path, 4, on_progress=lambda *done: seen.append(done))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [p.name for p in tmp_path.iterdir()] == ["transactions"]
    files = sorted((tmp_path / "transactions").iterdir())
    assert [p.name for p in files] == [f"2024-01-0{day}.parquet" for day in range(1, 5)]
    written = pa.concat_tables(pq.read_table(p, schema=SCHEMAS["transactions"]) for p in files)
    assert rows == {"transactions": written.num_rows}
    assert written.equals(lived["transactions"].slice(0, written.num_rows))
    assert FolderSource(tmp_path).read("transactions").read_all().num_rows == written.num_rows
    with pytest.raises(SourceError, match=r"transactions exists already"):
        write_days(source, ["transactions"], tmp_path)


def test_broken_off_days_leave_nothing(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, days: int) -> None:
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        write_days(TwinSource(SHORT, 5), ["prices", "transactions"], tmp_path, on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_spec_path_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lacks its path"):
        open_source("folder")
    with pytest.raises(SourceError, match="does not exist"):
        open_source(f"rossmann:{tmp_path / 'nowhere'}")
    with pytest.raises(SourceError, match="no known kind"):
        open_source("parquet:/tmp")
    with pytest.raises(SourceError, match="takes no path"):
        open_source("twin:/tmp")
