"""Immutable Parquet files named by their content: the same rows in the same order give the same bytes and name."""

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 131_072  # fixed, so that bytes do not depend on how rows arrived
SPILL = ".spill"  # where a sort puts what does not fit into memory
UNDATED = "undated"  # the partition of rows without a readable day
_DRAFT = ".draft"


@dataclass(frozen=True)
class LakeFile:
    """One file of a table: its path below the table's folder, its day if the table is partitioned, rows, SHA-256.

    `made_from` is the caller's word for what a day was made from. A day without rows has no file: its path is empty.
    """

    path: str
    day: str | None
    rows: int
    sha256: str
    made_from: str = ""


def write_file(
    folder: Path, day: str | None, schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, made_from: str = ""
) -> LakeFile:
    """Write one file into `folder/[day=...]`, or leave the one that has these bytes already."""
    place = folder / f"day={day}" if day is not None else folder
    place.mkdir(parents=True, exist_ok=True)
    draft = place / f".{os.getpid()}{_DRAFT}"
    rows = 0
    try:
        with draft.open("wb") as handle:
            sink = _Hashing(handle)
            with pq.ParquetWriter(sink, schema, compression="zstd", version="2.6", store_schema=True) as writer:
                for group in row_groups(schema, batches):
                    writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                    rows += group.num_rows
            handle.flush()
            digest = sink.sha256.hexdigest()
            final = place / f"{digest[:24]}.parquet"
            if not final.exists():
                os.fsync(handle.fileno())
        if not final.exists():
            draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    return LakeFile(str(final.relative_to(folder)), day, rows, digest, made_from)


def by_day(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Cut batches that are sorted by `column` (a date, nulls together) into (day, its batches); null is `undated`."""
    current: str | None = None
    pieces: list[pa.RecordBatch] = []
    for batch in batches:
        runs = pc.run_end_encode(batch.column(column))
        start = 0
        for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            name = UNDATED if day is None else str(day)
            if current is not None and name != current:
                yield current, pieces
                pieces = []
            current = name
            pieces.append(batch.slice(start, end - start))
            start = end
    if current is not None:
        yield current, pieces


def row_groups(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows as tables of exactly ROW_GROUP_ROWS rows, the last one shorter."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting, schema)
            full = rows - rows % ROW_GROUP_ROWS
            for start in range(0, full, ROW_GROUP_ROWS):
                yield table.slice(start, ROW_GROUP_ROWS).combine_chunks()
            waiting, rows = table.slice(full).to_batches(), rows - full
    if rows:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def remove_strays(folder: Path, keep: set[str]) -> None:
    """Remove data files and drafts that no manifest names: what a killed write or an older version left."""
    shutil.rmtree(folder / SPILL, ignore_errors=True)
    for path, _, names in os.walk(folder, topdown=False):  # one pass: a table of years has a folder a day
        place = Path(path)
        stray = [name for name in names if _is_data(name) and str((place / name).relative_to(folder)) not in keep]
        for name in stray:
            (place / name).unlink()
        if len(stray) == len(names) and place.name.startswith("day="):
            place.rmdir()


def _is_data(name: str) -> bool:
    return name.endswith(".parquet") or (name.startswith(".") and name.endswith(_DRAFT))


class _Hashing(io.RawIOBase):
    """A sink that hashes what passes through it, so that no file is read back to be named."""

    def __init__(self, handle: IO[bytes]) -> None:
        super().__init__()
        self._handle = handle
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self._handle.write(data)

    def tell(self) -> int:
        return self._handle.tell()
