"""Where each clipped decision is written down: a file of JSON lines that only grows, and is put aside when it is full."""

import fcntl
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

from serving.pricing_batches import SERVED, Prices

logger = logging.getLogger("storeloop.serving.clips")
FILE, ASIDE = "clips.jsonl", "clips.1.jsonl"
MOST_BYTES = 64 << 20


class ClipLog:
    """Writes down which rule moved which price. A line: when, endpoint, artifact_id, market, item_id, before, wanted, price, rule,
    served_by.

    Processes may share a folder: a batch is one write under a lock. The file and the one before it hold `most_bytes` each.
    Without a folder the lines go to the log `storeloop.serving.clips` alone.
    """

    def __init__(self, folder: Path | None, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes

    def write(self, endpoint: str, artifact_id: str, found: Prices) -> int:
        """Write down what was clipped and say how many; OSError where the disk refuses."""
        rows = found.clipped
        if not rows.size:
            return 0
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        columns = found.columns
        kept = (columns.before, found.wanted, found.price, found.rule, SERVED[found.served])
        lines = b"".join(
            to_json({
                "when": when, "endpoint": endpoint, "artifact_id": artifact_id, "market": columns.market,
                "item_id": columns.item_ids[row], "before": before, "wanted": wanted, "price": price, "rule": rule,
                "served_by": served,
            }) + b"\n"
            for row, before, wanted, price, rule, served in zip(
                rows.tolist(), *(column[rows].tolist() for column in kept), strict=True
            )
        )  # fmt: skip
        if self._folder is None:
            logger.info("%s", lines.decode())
        else:
            self._append(self._folder, lines)
        return int(rows.size)

    def _append(self, folder: Path, lines: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".clips.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = folder / FILE
            if file.exists() and file.stat().st_size + len(lines) > self._most:
                file.replace(folder / ASIDE)
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            with os.fdopen(handle, "ab") as stream:
                stream.write(lines)
