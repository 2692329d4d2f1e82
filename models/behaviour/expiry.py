"""Raw positions do not stay: partitions by day are deleted once they are older than the promise."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

from models.behaviour.config import Config
from models.common.protocols import DataError

_DAY = re.compile(r"(?:.*=)?(\d{4}-\d{2}-\d{2})(?:\.parquet)?")


def delete_expired(folder: Path, cfg: Config, *, today: date) -> list[date]:
    """Delete the partitions of `folder` (`2024-05-01.parquet`, or folders `day=2024-05-01`) of days more than
    `cfg.positions_days` ago, and return their days.

    DataError, before anything is deleted, for something there that names no day: what cannot be dated could never expire.
    """
    dated = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        told = _DAY.fullmatch(path.name)
        if told is None or path.is_symlink():
            raise DataError(f"{path}: expected a partition that names its day: move it away, or date it")
        dated[path] = date.fromisoformat(told.group(1))
    expired = {path: day for path, day in dated.items() if day < today - timedelta(days=cfg.positions_days)}
    for path in expired:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return sorted(set(expired.values()))
