"""Raw positions do not stay: partitions by day are deleted once they are older than the promise."""

import re
from datetime import date, timedelta
from pathlib import Path

from models.common.protocols import DataError

_DAY = re.compile(r"(?:.*=)?(\d{4}-\d{2}-\d{2})(?:\.parquet)?")


def delete_expired(folder: Path, *, today: date, positions_days: int) -> list[date]:
    """Delete the partitions of `folder` (`2024-05-01.parquet`, or folders `day=2024-05-01`) of days more than `positions_days` ago,
    and return their days.

    DataError, before anything is deleted, for something there that names no day: what cannot be dated could never expire.
    """
    if positions_days < 1:
        raise DataError(f"positions_days {positions_days}: expected at least 1")
    dated = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        told = _DAY.fullmatch(path.name)
        if told is None or path.is_symlink():
            raise DataError(f"{path}: expected a partition that names its day: move it away, or date it")
        dated[path] = date.fromisoformat(told.group(1))
    expired = {path: day for path, day in dated.items() if day < today - timedelta(days=positions_days)}
    for path in expired:
        for file in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
            if file.is_dir():
                file.rmdir()
            else:
                file.unlink()
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    return sorted(set(expired.values()))
