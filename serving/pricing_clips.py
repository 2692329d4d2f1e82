"""Where each clipped decision is written down: a file of JSON lines that only grows, and is put aside when it is full."""

import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

from serving.pricing_batches import SERVED, Prices

logger = logging.getLogger("storeloop.serving.clips")
FILE, ASIDE = "clips.jsonl", "clips.1.jsonl"
MOST_BYTES = 64 << 20


class ClipLog:
    """Writes down which rule moved which price. A line: when, endpoint, artifact_id, market, item_id, before, wanted, price, rule,
    served_by; of fresh goods the market is `fresh` and the item_id names the good.

    No answer waits for it: a thread writes a moment later, what was begun is finished on `close`, and `problem` says why the
    last batch could not be written. Processes may share a folder: a batch is one write under a lock. The file and the one
    before it hold `most_bytes` each. Without a folder the lines go to the log `storeloop.serving.clips` alone.
    """

    def __init__(self, folder: Path | None, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self.problem: str | None = None

    def write(self, endpoint: str, artifact_id: str, found: Sequence[Prices]) -> None:
        """Have written down what was clipped."""
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._thread.submit(self._write, {"when": when, "endpoint": endpoint, "artifact_id": artifact_id}, found)

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown(wait=True)

    def _write(self, told: Mapping[str, str], found: Sequence[Prices]) -> None:
        lines = b"".join(_lines(told, each) for each in found)
        try:
            if self._folder is None:
                logger.info("%s", lines.decode())
            else:
                self._append(self._folder, lines)
        except OSError as error:
            logger.error("clipped prices cannot be written down: %s; they were %s", error, lines.decode())
            self.problem = f"clipped prices cannot be written down ({error.strerror}): mend the folder of pricing"
        else:
            self.problem = None

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


def _lines(told: Mapping[str, str], found: Prices) -> bytes:
    rows, asked = found.clipped, found.asked
    kept = (asked.before, found.wanted, found.price, found.rule, SERVED[found.served])
    return b"".join(
        to_json({
            **told, "market": asked.market, "item_id": asked.item_ids[row], "before": before, "wanted": wanted,
            "price": price, "rule": rule, "served_by": served,
        }) + b"\n"
        for row, before, wanted, price, rule, served in zip(
            rows.tolist(), *(column[rows].tolist() for column in kept), strict=True
        )
    )  # fmt: skip
