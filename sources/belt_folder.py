"""A packing line's own tables: `inspections.parquet` and `approved_samples.parquet` in one folder, pictures as bytes."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data_checks.contracts import BELT_TABLES, ContractError, check_columns, load_contract
from sources.base import SourceError
from sources.folder_files import fingerprint_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 4 << 30  # of a table in memory, as the file itself says before it is read


class FolderBelt:
    """The two tables of a folder, read within bounds. Errors: SourceError naming the file, the bound and the remedy."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if missing := [path.name for path in self._files.values() if not path.is_file()]:
            raise SourceError(f"{folder}: lacks {', '.join(missing)}; deliver both tables of a packing line as Parquet")

    def read(self, table: str) -> "pa.Table":
        """Rows as they lie in the file, with the columns of the lenient contract and no others."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if table not in self._files:
            raise SourceError(f"{self._folder}: no table {table!r}; a packing line has {', '.join(BELT_TABLES)}")
        path = self._files[table]
        try:
            told = pq.read_metadata(path)
            size = sum(told.row_group(group).total_byte_size for group in range(told.num_row_groups))
            if told.num_rows > MOST_ROWS or size > MOST_BYTES:
                raise SourceError(
                    f"{path}: {told.num_rows:,} rows of {size:,} bytes; at most {MOST_ROWS:,} rows and {MOST_BYTES:,} bytes "
                    "are read: deliver the newest days alone"
                )
            check_columns(tuple(told.schema.to_arrow_schema().names), load_contract(f"{table}_raw"))
            return pq.read_table(path, partitioning=None)
        except (OSError, pa.ArrowException, ContractError) as error:
            raise SourceError(f"{path}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of both files."""
        return fingerprint_of(self._folder, self._files.values())

    def severities(self) -> Mapping[str, float] | None:
        """Nobody knows how grave a real defect is."""
        return None

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {table: self._folder / f"{table}.parquet" for table in BELT_TABLES}
