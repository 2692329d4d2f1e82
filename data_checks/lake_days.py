"""A table of days made anew in part: chosen days are replaced, the others stay, and all of it shows at once.

Every day remembers what it was made from, so that a later run does again only the days whose inputs have changed. A day
may have been made and hold no row.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_checks.durable import replace_file

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from data_checks.lake_files import LakeFile
    from data_checks.lake_tables import TableVersion


class DayUpdate:
    """Days of one table on their way into the lake; made by `Lake.update`, which holds the table for this writer alone.

    `before` is the version that readers see until `commit`. Without a commit nothing has happened.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        before: "TableVersion | None",
        *,
        partition_by: str,
        sort_by: Sequence[str],
        keep_column: bool,
        unique: bool,
        memory_limit_gb: float,
    ) -> None:
        self.before = before
        self._folder, self._name = folder, name
        self._partition_by, self._sort_by, self._keep_column = partition_by, tuple(sort_by), keep_column
        self._unique = unique
        self._memory_limit_gb = memory_limit_gb
        self._made: dict[str, LakeFile] = {}
        self._schema: pa.Schema | None = None

    def made_from(self) -> dict[str, str]:
        """Day -> what it was made from, as it stands before this update."""
        return {file.day: file.made_from for file in self.before.files if file.day} if self.before else {}

    def put(self, data: "pa.Table | pa.RecordBatchReader | ibis.Table", *, made_from: Mapping[str, str]) -> None:
        """Make the days that `made_from` names (ISO days, or `undated`) out of `data`; a named day may have no rows.

        Several calls take several blocks of days. Errors: LakeError for rows of a day that was not named, and columns
        that differ between blocks.
        """
        from data_checks.lake_files import LakeFile, by_day, write_file
        from data_checks.lake_sort import InOrder, normalised
        from data_checks.lake_tables import LakeError, check_columns

        reader = normalised(data)
        check_columns(self._name, reader.schema, self._partition_by, self._sort_by)
        found = set()
        order = [self._partition_by, *(name for name in self._sort_by if name != self._partition_by)]
        with InOrder(reader, order, self._folder, self._memory_limit_gb, unique=self._unique) as rows:
            schema = rows.schema
            if not self._keep_column:
                schema = schema.remove(schema.get_field_index(self._partition_by))
            self._agree(schema)
            for day, batches in by_day(rows, self._partition_by):
                if day not in made_from:
                    raise LakeError(
                        f"{self._name}: rows of {day} among the days {_some(made_from)}: name every day that the rows hold"
                    )
                found.add(day)
                kept = (batch.select(schema.names) for batch in batches)
                self._made[day] = write_file(self._folder, day, schema, kept, made_from=made_from[day])
        for day in made_from.keys() - found:
            self._made[day] = LakeFile(path="", day=day, rows=0, sha256="", made_from=made_from[day])

    def commit(self, fingerprint: str, *, days: Collection[str]) -> "TableVersion":
        """Show the table as it is now: `days` are all that it has, those not put keep what they held.

        Errors: LakeError for a day that was neither put nor there before.
        """
        from data_checks.lake_files import write_file
        from data_checks.lake_tables import LakeError, TableVersion, content_hash

        kept = {file.day: file for file in self.before.files if file.day} if self.before else {}
        if missing := sorted(day for day in days if day not in self._made and day not in kept):
            raise LakeError(f"{self._name}: days {_some(missing)} were never made: put them before the commit")
        files = [self._made.get(day) or kept[day] for day in sorted(days)]
        columns = self._columns([file for file in files if file.rows and file.day not in self._made])
        if not any(file.rows for file in files):  # its columns have to stand somewhere
            files.append(write_file(self._folder, None, self._schema or self._schema_before(), iter(())))
        version = TableVersion(
            fingerprint=fingerprint,
            rows=sum(file.rows for file in files),
            content_hash=content_hash(columns, files),
            columns=columns,
            partition_by=self._partition_by,
            files=tuple(files),
        )
        write_manifest(self._folder, version)
        return version

    def _agree(self, schema: "pa.Schema") -> None:
        from data_checks.lake_tables import LakeError

        if self._schema is not None and not self._schema.equals(schema):
            raise LakeError(f"{self._name}: one block has {self._schema.names}, another {schema.names}: give all alike")
        self._schema = schema

    def _schema_before(self) -> "pa.Schema":
        import pyarrow.parquet as pq

        from data_checks.lake_tables import LakeError

        if self.before is None:
            raise LakeError(f"{self._name}: nothing was put, so that it has no columns: put an empty table at least")
        file = next(file for file in self.before.files if file.path)
        return pq.read_schema(self._folder / file.path)

    def _columns(self, kept: "Sequence[LakeFile]") -> tuple[tuple[str, str], ...]:
        from data_checks.lake_tables import LakeError

        before = self.before.columns if self.before else ()
        if self._schema is None:
            return before
        columns = tuple((field.name, str(field.type)) for field in self._schema)
        if kept and columns != before:
            raise LakeError(
                f"{self._name}: the new days have columns {columns}, those that stay {before}: make all days anew"
            )
        return columns


def write_manifest(folder: Path, version: "TableVersion") -> None:
    """Let readers see `version`, in one step. Call it while holding the folder's lock, files first."""
    from data_checks.lake_tables import FORMAT, MANIFEST

    text = json.dumps({"format": FORMAT, **asdict(version)}, indent=1) + "\n"
    replace_file(folder / MANIFEST, lambda draft: draft.write_text(text, encoding="utf-8"))


def day_digests(table: Any, column: str) -> dict[str, str]:
    """Day -> SHA-256 of its rows (in any order) for an Arrow table in memory; rows without a day under `undated`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from data_checks.lake_files import UNDATED

    if not table.num_rows:
        return {}
    order = [(name, "ascending") for name in dict.fromkeys([column, *table.column_names])]
    ordered = table.replace_schema_metadata(None).sort_by(order).combine_chunks()
    runs = pc.run_end_encode(ordered[column].combine_chunks())
    digests: dict[str, str] = {}
    start = 0
    for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        # Taken, for a slice would be written with the buffers of its neighbours.
        rows = ordered.take(pa.array(range(start, end), pa.int64()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, ordered.schema) as stream:
            stream.write_table(rows.combine_chunks())
        digests[UNDATED if day is None else str(day)] = hashlib.sha256(sink.getvalue()).hexdigest()
        start = end
    return digests


def _some(days: Collection[str]) -> str:
    listed = sorted(days)
    return ", ".join(listed[:3]) + (f", ... ({len(listed)})" if len(listed) > 3 else "")
