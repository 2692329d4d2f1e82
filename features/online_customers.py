"""Reading customers at serving time, and pushing what they just did: the store of Feast, or the snapshot of a release.

numpy, pydantic and the standard library alone at import, so that containers read snapshots without Feast.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.customer_batch import (
    HISTORY,
    TAKEN,
    CustomerBatch,
    CustomerEvent,
    CustomersError,
    FloatArray,
    OnlineCustomers,
    TextArray,
    unknown,
)
from features.feast_customers import FeastCustomers
from features.snapshot_files import write_folder

__all__ = [
    "HISTORY",
    "CustomerBatch",
    "CustomerEvent",
    "CustomersError",
    "FeastCustomers",
    "OnlineCustomers",
    "SnapshotCustomers",
    "erase_from_snapshot",
    "unknown",
    "write_customers_snapshot",
]

_TENSORS = "customers.safetensors"
_INDEX = "customers.json"
# What one event adds to, where the snapshot knows it at all.
_COUNTS = {
    "purchase": ("purchases_7d", "purchases_28d", "purchases_90d"),
    "click": ("clicks_7d",),
    "cart": ("carts_7d",),
}


class _Index(BaseModel):
    """What `customers.json` says beside the tensors; `items` and `words` are what their numbers stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=1)
    customer_ids: tuple[str, ...]
    value_names: tuple[str, ...]
    text_names: tuple[str, ...]
    items: tuple[str, ...]
    words: tuple[str, ...]
    sha256: str


class SnapshotCustomers:
    """Customers frozen into a folder (safetensors and JSON), read whole; hash and shapes are checked first.

    What is pushed is held in memory and goes with the process: items taken join the history, counts of purchases,
    carts and clicks go up, windows do not move. FeastCustomers does all of it, for good.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load

        try:
            index = _Index.model_validate_json((folder / _INDEX).read_text(encoding="utf-8"))
            content = (folder / _TENSORS).read_bytes()
        except (OSError, ValidationError) as error:
            raise CustomersError(f"{folder} holds no readable snapshot: {error}; write the release anew") from error
        if (digest := hashlib.sha256(content).hexdigest()) != index.sha256:
            raise CustomersError(f"{folder / _TENSORS} has sha256 {digest}, its index says {index.sha256}: refused")
        tensors = load(content)
        count, taken = len(index.customer_ids), int(tensors["starts"][-1]) if "starts" in tensors else 0
        expected = {
            "starts": (count + 1,),
            "history": (taken,),
            "values": (count, len(index.value_names)),
            "texts": (count, len(index.text_names)),
        }
        if (shapes := {name: tensor.shape for name, tensor in tensors.items()}) != expected:
            raise CustomersError(f"{folder / _TENSORS} holds {shapes}, its index says {expected}: write it anew")
        self._index, self._starts, self._history = index, tensors["starts"], tensors["history"]
        # One row of padding at the end is what an unknown customer reads.
        self._values: FloatArray = np.concatenate([tensors["values"], np.full((1, len(index.value_names)), np.nan)])
        self._words: TextArray = np.array([*index.words, ""], dtype=np.str_)
        blank = np.full((1, len(index.text_names)), len(index.words), dtype=np.int64)
        self._texts = np.concatenate([tensors["texts"].astype(np.int64), blank])
        self._rows = {name: row for row, name in enumerate(index.customer_ids)}
        self._pushed: dict[str, dict[str, CustomerEvent]] = {}

    @property
    def customer_ids(self) -> tuple[str, ...]:
        """Customers in the snapshot."""
        return self._index.customer_ids

    def read(self, customer_ids: Sequence[str]) -> CustomerBatch:
        """See OnlineCustomers."""
        last = len(self._values) - 1
        rows = np.array([self._rows.get(name, last) for name in customer_ids], dtype=np.intp)
        values = {name: self._values[rows, column] for column, name in enumerate(self._index.value_names)}
        history = [self._taken(int(row)) if row != last else () for row in rows]
        for place, name in enumerate(customer_ids):
            for event in self._told(name):
                if event.kind in TAKEN and event.item_id not in history[place]:
                    history[place] = (*history[place], event.item_id)[-HISTORY:]
                for count in _COUNTS.get(event.kind, ()):
                    if count in values:
                        before = float(values[count][place])
                        values[count][place] = 1.0 + (0.0 if math.isnan(before) else before)
        found = (rows != last) | np.array([name in self._pushed for name in customer_ids], dtype=np.bool_)
        texts = {name: self._words[self._texts[rows, column]] for column, name in enumerate(self._index.text_names)}
        return CustomerBatch(tuple(customer_ids), found, tuple(history), values, texts)

    def push(self, events: Sequence[CustomerEvent]) -> int:
        """See OnlineCustomers."""
        new = 0
        for event in events:
            told = self._pushed.setdefault(event.customer_id, {})
            new += event.event_id not in told
            told.setdefault(event.event_id, event)
        return new

    def erase(self, customer_ids: Sequence[str]) -> int:
        """See OnlineCustomers; the files stay as they are sealed, `erase_from_snapshot` writes them without."""
        known = {name for name in customer_ids if name in self._rows or name in self._pushed}
        for name in known:
            self._rows.pop(name, None)
            self._pushed.pop(name, None)
        return len(known)

    def _taken(self, row: int) -> tuple[str, ...]:
        return tuple(self._index.items[code] for code in self._history[self._starts[row] : self._starts[row + 1]])

    def _told(self, customer_id: str) -> list[CustomerEvent]:
        """What was pushed of a customer, in order of time: the order of arrival says nothing."""
        told = self._pushed.get(customer_id, {})
        return sorted(told.values(), key=lambda event: (event.event_time_us, event.event_id))


def write_customers_snapshot(folder: Path, batch: CustomerBatch) -> None:
    """Write the customers of `batch` that were found, whole or not at all; equal batches give equal bytes.

    A snapshot never changes: writing the same batch again does nothing, another one raises CustomersError.
    """
    if not write_folder(folder, _files(batch), index=_INDEX):
        raise CustomersError(f"{folder} already holds something else: a snapshot never changes, write to a new folder")


def erase_from_snapshot(folder: Path, customer_ids: Collection[str]) -> int:
    """Write the snapshot in `folder` anew without these customers; how many it held.

    The one change that a snapshot knows. Kill it and call it again; whoever sealed the folder has to seal it again.
    """
    draft = folder.with_name(f".{folder.name}.erased")
    if (draft / _INDEX).exists() and not (draft / _TENSORS).exists():  # killed between the two below
        _move(draft, folder, (_INDEX,))
    snapshot, erased = SnapshotCustomers(folder), set(customer_ids)
    kept = [name for name in snapshot.customer_ids if name not in erased]
    if len(kept) == len(snapshot.customer_ids):
        return 0
    shutil.rmtree(draft, ignore_errors=True)
    write_customers_snapshot(draft, snapshot.read(kept))
    # Between the two the index refuses the tensors: a snapshot that is refused shows nobody.
    _move(draft, folder, (_TENSORS, _INDEX))
    return len(snapshot.customer_ids) - len(kept)


def _move(draft: Path, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (draft / name).replace(folder / name)
    draft.rmdir()


def _files(batch: CustomerBatch) -> dict[str, bytes]:
    from safetensors.numpy import save

    if len(set(batch.customer_ids)) != len(batch.customer_ids):
        raise CustomersError("a snapshot holds each customer once: drop the others first")
    rows = np.flatnonzero(batch.found)
    items = sorted({item for row in rows for item in batch.history[row]})
    texts = {name: column[rows] for name, column in batch.texts.items()}
    words = sorted({str(word) for column in texts.values() for word in column})
    of_item = {name: code for code, name in enumerate(items)}
    of_word = {word: code for code, word in enumerate(words)}
    values = np.empty((rows.size, len(batch.values)), dtype=np.float64)
    for index, column in enumerate(batch.values.values()):
        values[:, index] = column[rows]
    told = np.empty((rows.size, len(texts)), dtype=np.int32)
    for index, said in enumerate(texts.values()):
        told[:, index] = [of_word[str(word)] for word in said]
    lengths = [len(batch.history[row]) for row in rows]
    content = save(
        {
            "history": np.array([of_item[item] for row in rows for item in batch.history[row]], dtype=np.int32),
            "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            "texts": told,
            "values": values,
        }
    )
    index_text = _Index(
        version=1,
        customer_ids=tuple(batch.customer_ids[row] for row in rows),
        value_names=tuple(batch.values),
        text_names=tuple(batch.texts),
        items=tuple(items),
        words=tuple(words),
        sha256=hashlib.sha256(content).hexdigest(),
    ).model_dump()
    return {_TENSORS: content, _INDEX: json.dumps(index_text, sort_keys=True, ensure_ascii=False).encode()}
