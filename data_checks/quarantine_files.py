"""The Parquet files of the quarantine: which there are, and what they hold."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

REQUIRED_COLUMNS = {"_row_key": pa.string(), "rules": pa.list_(pa.string()), "raw": pa.string(), "held": pa.bool_()}


def row_files(folder: Path) -> list[Path]:
    """The files of a folder in order of their names; none where there is no folder."""
    return sorted(folder.glob("*.parquet"))


def read_rows(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One file, or some of its columns."""
    # Without `partitioning=None` a folder named like "a=b" anywhere above would turn into a column.
    return pq.read_table(path, columns=columns, partitioning=None)


def read_all(folder: Path) -> pa.Table:
    """All files of a folder as one table; a column that some of them lack is null there."""
    empty = pa.schema(list(REQUIRED_COLUMNS.items())).empty_table()
    return pa.concat_tables([empty, *map(read_rows, row_files(folder))], promote_options="default")
