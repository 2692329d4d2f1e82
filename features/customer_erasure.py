"""Erasing customers from the published files of Feast's repository."""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_checks.durable import locked, replace_file
from features.customer_layout import ENTITY_KEY


def erase_published(folder: Path, customer_ids: Collection[str]) -> int:
    """Write the Parquet files of the repository in `folder` anew without these customers; how many rows went."""
    gone, erased = 0, pa.array(sorted(customer_ids), pa.string())
    with locked(folder):
        for path in sorted(folder.glob("*.parquet")):
            if ENTITY_KEY not in pq.read_schema(path).names:
                continue
            rows = pq.read_table(path, partitioning=None)
            kept = rows.filter(pc.invert(pc.is_in(rows[ENTITY_KEY], erased)))
            if kept.num_rows != rows.num_rows:
                gone += rows.num_rows - kept.num_rows
                replace_file(path, lambda draft, kept=kept: pq.write_table(kept, draft, compression="zstd"))  # type: ignore[misc]
    return gone
