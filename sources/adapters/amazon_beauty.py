"""Amazon Beauty, and every 5-core set in the same shape (that of S3-Rec): sequences of items by customer.

`NAME.txt` has a line a customer: the customer, then the items in the order in which they were taken. Beside it may lie
`NAME_item2attributes.json`: item -> attributes. Both in a folder, or in one zip file as downloaded.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from sources.base import SourceError

ATTRIBUTES_SUFFIX: Final = "_item2attributes.json"
_BATCH_CUSTOMERS: Final = 10_000
_MAX_BYTES: Final = 1 << 30  # of one unpacked file: what a zip says of itself is not believed


class AmazonBeautySource:
    """Raw `events` (customer_id, item_id, ordinal from 0) and, where known, `item_attributes`.

    The file says no time, only an order. Errors: SourceError naming file, line and remedy.
    """

    def __init__(self, path: Path | str) -> None:
        self.name = "amazon_beauty"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self._files = _find(Path(path))

    @property
    def tables(self) -> frozenset[str]:
        """`events`, and `item_attributes` where the file is there."""
        return frozenset({"events", "item_attributes"} if self._files.attributes else {"events"})

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text."""
        if table not in self.tables:
            raise SourceError(f"{self._files.place}: no table {table!r}; it has {', '.join(sorted(self.tables))}")
        batches = self._events() if table == "events" else self._attributes()
        schema = _EVENTS if table == "events" else _ATTRIBUTES
        return pa.RecordBatchReader.from_batches(schema, batches)

    def fingerprint(self) -> str:
        """SHA-256 over the contents of both files."""
        digest = hashlib.sha256()
        for name in filter(None, (self._files.sequences, self._files.attributes)):
            digest.update(name.encode() + b"\0" + self._files.read(name))
        return digest.hexdigest()

    @cached_property
    def _lines(self) -> list[list[str]]:
        name = self._files.sequences
        try:
            lines = [line.split() for line in self._files.read(name).decode("utf-8").splitlines()]
        except UnicodeDecodeError as error:
            raise SourceError(f"{name}: not UTF-8 text ({error}); give the file as published") from error
        for number, words in enumerate(lines, start=1):
            if len(words) == 1:
                raise SourceError(f"{name} line {number}: customer {words[0]} has no item; remove the line")
        lines = [words for words in lines if words]
        if not lines:
            raise SourceError(f"{name}: no line; each is a customer and then their items, oldest first")
        return lines

    def _events(self) -> Iterator[pa.RecordBatch]:
        for first in range(0, len(self._lines), _BATCH_CUSTOMERS):
            block = self._lines[first : first + _BATCH_CUSTOMERS]
            customers = [words[0] for words in block for _ in words[1:]]
            items = [item for words in block for item in words[1:]]
            ordinals = [str(place) for words in block for place in range(len(words) - 1)]
            yield pa.RecordBatch.from_arrays(
                [pa.array(c, pa.string()) for c in (customers, items, ordinals)], schema=_EVENTS
            )

    def _attributes(self) -> Iterator[pa.RecordBatch]:
        name = self._files.attributes or ""
        try:
            known = json.loads(self._files.read(name))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise SourceError(f"{name}: not readable as JSON ({error}); give the file as published") from error
        if not isinstance(known, dict) or not all(isinstance(values, list) for values in known.values()):
            raise SourceError(f"{name}: must map each item to a list of its attributes")
        rows = [(item, str(value)) for item, values in known.items() for value in values]
        columns = [[item for item, _ in rows], ["attribute"] * len(rows), [value for _, value in rows]]
        yield pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], schema=_ATTRIBUTES)


@dataclass(frozen=True)
class _Files:
    """Where the two files lie: a folder or a zip, and their names in it."""

    place: Path
    sequences: str
    attributes: str | None

    def read(self, name: str) -> bytes:
        """Bytes of one file."""
        if self.place.is_dir():
            return (self.place / name).read_bytes()
        with zipfile.ZipFile(self.place) as packed, packed.open(name) as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise SourceError(
                f"{self.place}: {name} unpacks to more than {_MAX_BYTES:,} bytes; unpack it into a folder"
            )
        return content


def _find(path: Path) -> _Files:
    """The files of a folder, of a zip, or of a folder that holds one zip alone."""
    if path.is_dir() and not list(path.glob("*.txt")):
        packed = sorted(path.glob("*.zip"))
        path = packed[0] if len(packed) == 1 else path
    if path.is_dir():
        names = [file.name for file in path.iterdir() if file.is_file()]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    else:
        raise SourceError(f"{path}: neither a folder nor a zip file; give the folder with NAME.txt")
    sequences = sorted(name for name in names if name.endswith(".txt"))
    if len(sequences) != 1:
        raise SourceError(f"{path}: needs one NAME.txt of sequences (found {', '.join(sequences) or 'none'})")
    wanted = sequences[0].removesuffix(".txt") + ATTRIBUTES_SUFFIX
    return _Files(path, sequences[0], wanted if wanted in names else None)


_EVENTS: Final = pa.schema([(name, pa.string()) for name in ("customer_id", "item_id", "ordinal")])
_ATTRIBUTES: Final = pa.schema([(name, pa.string()) for name in ("item_id", "attribute", "value")])
