"""The answer that is always there: what most customers of a segment took lately, and what is new. NumPy alone."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.recommender.histories import Histories, Ints

INDEX_FILE, TENSOR_FILE = "popular.json", "popular.safetensors"
KEPT = 500  # items a list: stock and taken items leave some of them out
NOWHERE = -1  # in the places behind a list's last item


class FallbackError(ValueError):
    """Stored popular items that cannot be trusted; the message names file, value and remedy."""


@dataclass(frozen=True)
class PopularItems:
    """Items by how many customers took them, most first, overall and by segment; and those that are new, newest first.

    `places` (1 + S, L) are places in `items`, -1 behind the last, the first row overall; `customers` (1 + S, L) is how many
    of the segment took each. `new` (M,) are places too.
    """

    items: tuple[str, ...]
    segments: tuple[str, ...]
    places: Ints
    customers: Ints
    new: Ints

    def __post_init__(self) -> None:
        if self.places.ndim != 2 or self.places.shape[0] != 1 + len(self.segments):
            raise FallbackError(
                f"places {self.places.shape}: expected a row for all and one for each of {self.segments}"
            )
        if self.customers.shape != self.places.shape or self.new.ndim != 1:
            raise FallbackError(
                f"customers {self.customers.shape}, new {self.new.shape}: expected {self.places.shape} and one row"
            )
        for name, found in (("places", self.places), ("new", self.new)):
            if found.size and not NOWHERE <= found.min() <= found.max() < len(self.items):
                raise FallbackError(
                    f"{name}: expected -1 to {len(self.items) - 1}, found {found.min()} to {found.max()}"
                )
        if len(set(self.segments)) < len(self.segments) or len(set(self.items)) < len(self.items):
            raise FallbackError("a segment or an item is named twice: name each once")

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.segments, start=1)}

    @cached_property
    def new_names(self) -> frozenset[str]:
        """Names of the new items."""
        return frozenset(self.items[place] for place in self.new.tolist())

    def knows(self, segment: str) -> bool:
        """Whether the segment has a list of its own."""
        return segment in self._rows

    def best(self, segment: str, k: int, allowed: Callable[[str], bool]) -> tuple[list[str], list[float]]:
        """Up to `k` allowed items, most wanted first, and the share of the first item's customers that each has.

        Of the segment as long as they last, then of all; a segment without a list is answered for by all.
        """
        items: dict[str, float] = {}
        for row in dict.fromkeys((self._rows.get(segment, 0), 0)):
            places, customers = self.places[row].tolist(), self.customers[row].tolist()
            ceiling = min(items.values(), default=1.0)  # what follows stands below
            for place, taken in zip(places, customers, strict=True):
                if len(items) == k or place == NOWHERE:
                    break
                name = self.items[place]
                if name not in items and allowed(name):
                    items[name] = ceiling * taken / max(customers[0], 1)
        return list(items), list(items.values())

    def newest(self, k: int, allowed: Callable[[str], bool]) -> list[str]:
        """Up to `k` allowed new items, newest first."""
        found: list[str] = []
        for place in self.new.tolist():
            if len(found) == k:
                break
            if allowed(self.items[place]):
                found.append(self.items[place])
        return found


def count_popular(
    histories: Histories,
    items: Sequence[str],
    segment: npt.NDArray[np.str_] | None = None,
    *,
    new: Sequence[str] = (),
    kept: int = KEPT,
) -> PopularItems:
    """Count by whom each item was taken: histories of U customers, names of their I items, segments (U,), "" unknown.

    `new` names items first seen lately, newest first. DataError where a segment is missing or a new item is unknown.
    """
    names = np.asarray([""] * len(histories)) if segment is None else segment
    if names.shape != (len(histories),):
        raise DataError(f"segments {names.shape}: expected one for each of {len(histories)} customers")
    segments = [name for name in np.unique(names).tolist() if name]
    crowds = [np.ones(len(histories), dtype=np.bool_), *(names == name for name in segments)]
    length = min(kept, len(items))
    places, customers = np.full((len(crowds), length), NOWHERE), np.zeros((len(crowds), length), dtype=np.int64)
    for row, crowd in enumerate(crowds):
        taken = np.bincount(histories.items[crowd[histories.rows]], minlength=len(items))
        order = np.argsort(-taken, kind="stable")[:length]
        order = order[taken[order] > 0]
        places[row, : order.size], customers[row, : order.size] = order, taken[order]
    at = {name: place for place, name in enumerate(items)}
    if strangers := [name for name in new if name not in at]:
        raise DataError(f"new item {strangers[0]!r} and {len(strangers) - 1} more: not among the {len(at)} items")
    used = np.unique(np.concatenate([places[places >= 0], [at[name] for name in new]]).astype(np.int64))
    moved = np.full(len(items) + 1, NOWHERE)  # the last is where -1 points to
    moved[used] = np.arange(used.size)
    return PopularItems(
        tuple(items[place] for place in used.tolist()),
        tuple(segments),
        moved[places],
        customers,
        moved[np.asarray([at[name] for name in new], dtype=np.int64)],
    )


def write_popular(folder: Path, popular: PopularItems) -> None:
    """Write the two files of a fallback folder: an index (JSON, with the tensors' SHA-256) and one safetensors file."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"places": popular.places, "customers": popular.customers, "new": popular.new}
    tensor = save({name: np.ascontiguousarray(array, dtype=np.int64) for name, array in arrays.items()})
    (folder / TENSOR_FILE).write_bytes(tensor)
    index = {
        "format": 1,
        "items": list(popular.items),
        "segments": list(popular.segments),
        "sha256": hashlib.sha256(tensor).hexdigest(),
    }
    (folder / INDEX_FILE).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def read_popular(folder: Path) -> PopularItems:
    """Read a fallback folder; FallbackError when a file lacks, was altered or does not fit the other."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        tensor = (folder / TENSOR_FILE).read_bytes()
        if hashlib.sha256(tensor).hexdigest() != index["sha256"]:
            raise FallbackError(f"{folder / TENSOR_FILE} is not the file its index describes: build the release again")
        arrays = load(tensor)
        return PopularItems(
            tuple(index["items"]), tuple(index["segments"]), arrays["places"], arrays["customers"], arrays["new"]
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise FallbackError(f"{folder}: no readable popular items ({error}): build the release again") from error
