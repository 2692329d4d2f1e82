"""Taking erased customers out of what lies on the disk: lake tables, other Parquet files, journals and reports in JSON.

Rows of others stay as they are, byte for byte; a file that names no erased customer is not touched. Kill it anywhere and
call it again: it goes on with what still names one.
"""

import json
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_checks.durable import locked, replace_file
from data_checks.lake import LAYERS, MANIFEST, Lake, Layer
from data_checks.tombstones import NAMED_BY, Tombstones, forget

# Sales stay sales and visits visits; what was erased is whose they were.
KEPT = frozenset({"transactions", "floor_visits", "attention"})
NOBODY = "(erased)"


def erase_from_lake(lake: Lake, tombstones: Tombstones) -> int:
    """Every table of every layer without erased customers; rows that went or were made nobody's. Old files go at once."""
    gone = 0
    for layer in LAYERS:
        for manifest in sorted((lake.root / layer).glob(f"*/{MANIFEST}")):
            gone += _erase_from_table(lake, layer, manifest.parent.name, tombstones)
    return gone


def erase_from_files(folder: Path, tombstones: Tombstones) -> int:
    """Every Parquet file below `folder` that is not the lake's, in place; how many files were written anew."""
    written = 0
    for path in sorted(folder.rglob("*.parquet")):
        if not set(NAMED_BY) & set(pq.read_schema(path).names):
            continue
        rows = pq.read_table(path, partitioning=None)
        # A quarantined row is held back for its own sake: it goes, whatever table it is of.
        keep = path.stem in KEPT
        kept = forget(rows, tombstones, keep=keep)
        if kept is not rows:
            groups = max(1, pq.read_metadata(path).row_group(0).num_rows)
            replace_file(path, lambda draft, kept=kept, groups=groups: _write(kept, draft, groups))  # type: ignore[misc]
            written += 1
    return written


def erase_from_reports(folder: Path, customer_ids: Collection[str]) -> int:
    """Every JSON report below `folder`: entries that are rows of an erased customer go, texts that name one say NOBODY."""
    written, named = 0, token(customer_ids)
    for path in sorted(folder.rglob("*.json")):
        text = path.read_text(encoding="utf-8")
        if not named.search(text):
            continue
        content = json.loads(text)
        cleaned = _without(content, named, frozenset(customer_ids))
        if cleaned != content:
            said = json.dumps(cleaned, ensure_ascii=False)
            replace_file(path, lambda draft, said=said: draft.write_text(said, encoding="utf-8"))  # type: ignore[misc]
            written += 1
    return written


def token(customer_ids: Collection[str]) -> re.Pattern[str]:
    """Finds one of the ids as a whole: `C1` not in `C12`, but in `W20240101-C1-0`."""
    ids = "|".join(re.escape(name) for name in sorted(customer_ids, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{ids})(?![A-Za-z0-9])")


def _write(rows: pa.Table, draft: Path, row_group_size: int) -> None:
    pq.write_table(rows, draft, compression="zstd", row_group_size=row_group_size)


def _erase_from_table(lake: Lake, layer: Layer, table: str, tombstones: Tombstones) -> int:
    from data_checks.lake_days import write_manifest
    from data_checks.lake_files import remove_strays, write_file
    from data_checks.lake_tables import content_hash

    folder, gone = lake.root / layer / table, 0
    with locked(folder):
        version = lake.version(layer, table)
        if version is None:
            return 0
        files = []
        for held in version.files:
            file = held
            if file.path and set(NAMED_BY) & {name for name, _ in version.columns}:
                rows = pq.read_table(folder / file.path, partitioning=None)
                kept = forget(rows, tombstones, keep=table in KEPT)
                if kept is not rows:
                    gone += rows.num_rows - kept.num_rows + (_changed(rows, kept) if table in KEPT else 0)
                    batches = iter(kept.to_batches())
                    file = write_file(folder, file.day, kept.schema, batches, made_from=file.made_from)
            files.append(file)
        if gone:
            rows_left = sum(file.rows for file in files)
            digest = content_hash(version.columns, files)
            write_manifest(folder, replace(version, rows=rows_left, content_hash=digest, files=tuple(files)))
        remove_strays(folder, {file.path for file in files})  # also what a killed run left, and the version before
    return gone


def _changed(before: pa.Table, after: pa.Table) -> int:
    return sum(after[name].null_count - before[name].null_count for name in NAMED_BY if name in before.column_names)


def _without(content: Any, named: re.Pattern[str], ids: frozenset[str]) -> Any:
    if isinstance(content, dict):
        return {_said(key, named): _without(value, named, ids) for key, value in content.items()}
    if isinstance(content, list):
        return [_without(each, named, ids) for each in content if not _theirs(each, ids)]
    return _said(content, named) if isinstance(content, str) else content


def _theirs(entry: Any, ids: frozenset[str]) -> bool:
    """Whether an entry of a list is a row of an erased customer, as it stands or as JSON under `raw`."""
    if not isinstance(entry, dict):
        return False
    raw = entry.get("raw")
    parsed = json.loads(raw) if isinstance(raw, str) and raw.startswith("{") else {}
    return any(str(row.get(name, "")).strip() in ids for row in (entry, parsed) for name in NAMED_BY)


def _said(text: str, named: re.Pattern[str]) -> str:
    return named.sub(NOBODY, text)
