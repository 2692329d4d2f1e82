"""Who walked, stood and looked where: raw rows by day beside the lake, whose files outlive their version, until they expire."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.quarantine import Quarantine
    from models.behaviour.config import Config

TABLES = ("floor_tracks", "floor_shelf_events", "floor_looks", "floor_stops")
_MADE_FROM = b"made_from"


@dataclass(frozen=True)
class Positions:
    """Parquet files `<root>/<table>/<day>.parquet`, each of which says what it was made from."""

    root: Path

    def days(self, table: str) -> dict[str, str]:
        """ISO day -> what it was made from."""
        import pyarrow.parquet as pq

        return {path.stem: (pq.read_schema(path).metadata or {})[_MADE_FROM].decode() for path in self._files(table)}

    def write(self, table: str, day: str, rows: "pa.Table", *, made_from: str) -> None:
        """Replace a day in one step."""
        import pyarrow.parquet as pq

        from data_checks.durable import replace_file

        told = rows.replace_schema_metadata({_MADE_FROM: made_from.encode()})
        replace_file(
            self.root / table / f"{day}.parquet", lambda draft: pq.write_table(told, draft, compression="zstd")
        )

    def read(self, table: str, days: Collection[str] | None = None) -> "pa.Table":
        """Rows of some days, by default of all; None of a day that is not there. Errors: ValueError where none was ever written."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = self._files(table)
        if not files:
            raise ValueError(
                f"{self.root / table} holds no day: they expired, or `storeloop run group:floor` never ran"
            )
        wanted = [path for path in files if days is None or path.stem in days]
        rows = [pq.read_table(path, partitioning=None) for path in wanted] or [pq.read_table(files[0]).slice(0, 0)]
        return pa.concat_tables([each.replace_schema_metadata(None) for each in rows])

    def content_hash(self, table: str) -> str:
        """One for the same rows on the same days."""
        digest = hashlib.sha256()
        for path in self._files(table):
            digest.update(path.stem.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def expire(self, cfg: "Config", quarantine: "Quarantine", *, today: date) -> dict[str, int]:
        """Delete what is older than `cfg.positions_days`, in quarantine too; days and quarantined rows that went, by table."""
        from models.behaviour.expiry import delete_expired

        gone = {table: len(delete_expired(self.root / table, cfg, today=today)) for table in TABLES}
        since = today - timedelta(days=cfg.positions_days)
        return gone | {f"{table} quarantined": _purge(quarantine.folder / table, since) for table in TABLES}

    def _files(self, table: str) -> list[Path]:
        return sorted((self.root / table).glob("*.parquet"))


def _purge(folder: Path, since: date) -> int:
    """Take rows of days before `since`, and of no readable day, out of every file of a table's quarantine; how many there were."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from data_checks.durable import locked, replace_file

    gone = 0
    if not folder.is_dir():
        return gone
    with locked(folder):
        for path in sorted(folder.rglob("*.parquet")):
            rows = pq.read_table(path, partitioning=None)
            left = rows.filter(pc.greater_equal(rows["day"], since.isoformat()))
            if left.num_rows != rows.num_rows:
                gone += rows.num_rows - left.num_rows
                replace_file(path, lambda draft, left=left: pq.write_table(left, draft, compression="zstd"))  # type: ignore[misc]
    return gone
