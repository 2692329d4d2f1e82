"""What lies in the lake under one name: columns, rows and files of a version, and the error of the lake."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.lake_files import LakeFile

MANIFEST = "manifest.json"
FORMAT = 1


class LakeError(ValueError):
    """A table cannot be read or written: the message names it, what is wrong and the remedy."""


@dataclass(frozen=True)
class TableVersion:
    """What lies in the lake under one name.

    `fingerprint` is the caller's word for what the table was made from; `content_hash` speaks for the content alone:
    equal rows and columns give an equal hash whenever and with however many threads they were written.
    """

    fingerprint: str
    rows: int
    content_hash: str
    columns: tuple[tuple[str, str], ...]  # (name, Arrow type)
    partition_by: str | None
    files: "tuple[LakeFile, ...]"

    @property
    def partitions(self) -> dict[str, int]:
        """Day -> rows, of the days that have some; empty for a table that is not partitioned."""
        return {file.day: file.rows for file in self.files if file.day is not None and file.rows}

    def digests(self) -> dict[str, str]:
        """Day -> SHA-256 of its rows; a table that is not partitioned has the one day `all`."""
        if self.partition_by is None:
            return {"all": self.content_hash}
        return {file.day: file.sha256 for file in self.files if file.day is not None and file.rows}


@lru_cache(maxsize=128)
def read_manifest(path: Path, stamp: tuple[int, ...]) -> TableVersion:  # noqa: ARG001 - a manifest replaced since is another
    """The version that a manifest names, read once for each `stamp` of its file: a table of years has a file a day, and a
    run asks for it again and again. Errors: LakeError for a manifest that is broken."""
    from data_checks.lake_files import LakeFile

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        content["files"] = tuple(LakeFile(**file) for file in content["files"])
        content["columns"] = tuple((name, kind) for name, kind in content["columns"])
        return TableVersion(**content)
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{path} cannot be read ({error}): remove the folder and run again") from error


def content_hash(columns: Sequence[tuple[str, str]], files: "Sequence[LakeFile]") -> str:
    """Hash of columns and rows."""
    content = {"columns": columns, "files": [(file.day, file.rows, file.sha256) for file in files if file.path]}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def check_columns(name: str, schema: "pa.Schema", partition_by: str | None, sort_by: Collection[str]) -> None:
    """Refuse a table that lacks the columns it is sorted or cut by, or repeats one. Errors: LakeError."""
    import pyarrow as pa

    first = dict.fromkeys([*([partition_by] if partition_by else []), *sort_by])
    unknown = [column for column in first if column not in schema.names]
    if unknown or len(set(schema.names)) != len(schema.names):
        wrong = f"has no column {', '.join(unknown)}" if unknown else "repeats a column name"
        raise LakeError(f"{name} {wrong}; its columns are {', '.join(schema.names)}")
    if partition_by and not pa.types.is_date(schema.field(partition_by).type):
        kind = schema.field(partition_by).type
        raise LakeError(f"{name}: {partition_by} is {kind}; partition by a column of type date")
