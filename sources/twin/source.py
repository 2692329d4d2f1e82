"""The twin as a source: its observed tables day by day, and, apart from them, its truth."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from sources.base import SourceError
from sources.twin.dirt import RECORD_SCHEMA
from sources.twin.params import TwinParams
from sources.twin.tables import DAILY_TABLES, SCHEMAS, STATIC_TABLES
from sources.twin.truth import EXPECTED_SCHEMA, Truth, planted_effects
from sources.twin.world import World

GENERATOR_VERSION = 2  # raise it with every change that alters a table
_ROWS_A_GROUP = 200_000
_TRUTH_SCHEMAS = {"expected_demand": EXPECTED_SCHEMA, "dirt": RECORD_SCHEMA}


class TwinSource:
    """The tables of a world under the shop's plain rules, dirt included.

    Without `spool`, each `read` lives through the world again in bounded memory. With it, the first read or truth
    writes all tables in one pass to a folder of this fingerprint under `spool`, and later reads come from there.
    """

    name = "twin"
    frequency: Literal["daily", "weekly"] = "daily"
    tables = frozenset(SCHEMAS)

    def __init__(self, params: TwinParams, seed: int, *, spool: Path | None = None) -> None:
        if not 0 <= seed < 2**63:
            raise SourceError(f"twin seed {seed} lies outside 0..2^63 - 1; choose a non-negative whole number")
        self.params = params
        self.seed = seed
        self._spool = spool

    def fingerprint(self) -> str:
        """Digest of parameters, seed and generator version, hexadecimal."""
        text = f"{GENERATOR_VERSION}/{self.seed}/{self.params.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table; raises `SourceError` for a table the twin lacks."""
        if table not in SCHEMAS:
            raise SourceError(f"the twin has no table {table!r}; it provides {', '.join(sorted(SCHEMAS))}")
        if self._spool is not None:
            return _parquet_reader(self._spooled(self._spool) / "tables" / f"{table}.parquet", SCHEMAS[table])
        if table in STATIC_TABLES:
            return self._world(frozenset()).static_tables()[table].to_reader()
        made = (day[table] for _, day in self._days(self._world(frozenset({table}))))
        return pa.RecordBatchReader.from_batches(SCHEMAS[table], (batch for t in made for batch in t.to_batches()))

    def days(self) -> Iterator[tuple[date, dict[str, pa.Table]]]:
        """Each day with its tables, in one pass; the tables that know no day are in `World.static_tables`."""
        yield from self._days(self._world(DAILY_TABLES))

    def truth(self) -> Truth:
        """The truth about the whole horizon."""
        effects = planted_effects(self.params, self._world(frozenset()).catalogue)
        if self._spool is not None:
            folder = self._spooled(self._spool) / "truth"
            expected, dirt = (pq.read_table(folder / f"{t}.parquet", schema=s) for t, s in _TRUTH_SCHEMAS.items())
            return Truth(self.params, self.seed, effects, expected, dirt)
        world = World(self.params, self.seed, tables={"transactions"})
        for _ in self._days(world):
            pass
        return world.truth()

    def export(
        self, folder: Path, on_progress: Callable[[int, int], None] | None = None, *, truth_folder: Path | None = None
    ) -> dict[str, int]:
        """Write each table as one Parquet file in a single pass, and return rows by table.

        `folder` appears whole or not at all and must not exist before, `truth_folder` (for expected demand and dirt)
        likewise. `on_progress(days_done, days)` is called after each day.
        """
        for target in (folder, truth_folder):
            if target is not None and target.exists():
                raise SourceError(f"{target} exists already; export to a new folder, or delete this one first")
        shadow = _shadow_of(folder)
        truth_shadow = None if truth_folder is None else _shadow_of(truth_folder)
        try:
            rows = self._write(shadow, truth_shadow, on_progress)
            # Truth goes first: where the tables stand, both are whole.
            if truth_shadow is not None and truth_folder is not None:
                truth_shadow.replace(truth_folder)
            shadow.replace(folder)
        finally:
            for left in (shadow, truth_shadow):
                if left is not None:
                    shutil.rmtree(left, ignore_errors=True)
        return rows

    def _write(
        self, folder: Path, truth_folder: Path | None, on_progress: Callable[[int, int], None] | None
    ) -> dict[str, int]:
        world = self._world(DAILY_TABLES)
        writers = _writers(folder, SCHEMAS)
        truths = {} if truth_folder is None else _writers(truth_folder, _TRUTH_SCHEMAS)
        for name, table in world.static_tables().items():
            writers[name].add(table)
        for done, (_, made) in enumerate(self._days(world), start=1):
            for name, table in made.items():
                writers[name].add(table)
            if truths and world.outcome is not None:
                truths["expected_demand"].add(world.outcome.expected_rows)
                truths["dirt"].add(world.outcome.dirt_rows)
            if on_progress is not None:
                on_progress(done, self.params.days)
        for writer in truths.values():
            writer.close()
        return {name: writer.close() for name, writer in writers.items()}

    def _spooled(self, spool: Path) -> Path:
        """Folder of this fingerprint under the spool, written on first use by one process while others wait."""
        home = spool / self.fingerprint()[:20]
        spool.mkdir(parents=True, exist_ok=True)
        with home.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / "tables").is_dir():
                # The lock falls with its process, so whatever lies here was left by a killed one.
                shutil.rmtree(home, ignore_errors=True)
                self.export(home / "tables", truth_folder=home / "truth")
        return home

    def _world(self, tables: frozenset[str]) -> World:
        return World(self.params, self.seed, tables=tables, keep_truth=False)

    def _days(self, world: World) -> Iterator[tuple[date, dict[str, pa.Table]]]:
        for ahead in range(self.params.days):
            day = self.params.start + timedelta(days=ahead)
            yield day, world.advance(day)


class _GroupedWriter:
    """Gathers small tables into row groups of a Parquet file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", coerce_timestamps="us")
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= _ROWS_A_GROUP:
            self._flush()

    def close(self) -> int:
        """Write what waits, close the file, and return its rows."""
        self._flush()
        self._writer.close()
        return self._rows

    def _flush(self) -> None:
        if self._waiting_rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=_ROWS_A_GROUP)
        self._rows += self._waiting_rows
        self._waiting, self._waiting_rows = [], 0


def _shadow_of(folder: Path) -> Path:
    """Where a folder is written before it appears under its name."""
    return folder.with_name(f"{folder.name}.{uuid4().hex}.partial")


def _writers(folder: Path, schemas: Mapping[str, pa.Schema]) -> dict[str, _GroupedWriter]:
    folder.mkdir(parents=True)
    return {name: _GroupedWriter(folder / f"{name}.parquet", schema) for name, schema in schemas.items()}


def _parquet_reader(path: Path, schema: pa.Schema) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())
