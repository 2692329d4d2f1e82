"""Raw rows of an image set as a delivery has them, everything as text, for the gate to judge and to show."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from data_checks.contracts import load_contract

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_QUOTE: Final = 120  # characters of a broken line that a problem shows


class TableRows:
    """Rows of one raw table, added one by one and kept by column."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._columns: dict[str, list[str | None]] = {name: [] for name in load_contract(f"{table}_raw").column_names}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def add(self, **cells: object) -> None:
        """One row; cells that are not given are null. Errors: KeyError for a column that no contract names."""
        if unknown := cells.keys() - self._columns.keys():
            raise KeyError(
                f"{self.table} has no column {', '.join(sorted(unknown))}; it has {', '.join(self._columns)}"
            )
        for name, column in self._columns.items():
            column.append(_text(cells.get(name)))

    def to_arrow(self) -> "pa.Table":
        """The rows, all text."""
        import pyarrow as pa

        return pa.table({name: pa.array(column, pa.string()) for name, column in self._columns.items()})


class ImageRows:
    """What one delivery of pictures has: raw `label_classes`, `images` and `image_labels`; paths are relative to `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.classes = TableRows("label_classes")
        self.images = TableRows("images")
        self.labels = TableRows("image_labels")

    def add_classes(self, labels: "list[str] | tuple[str, ...]", parents: "dict[str, str] | None" = None) -> None:
        """The classes in the order of their numbers."""
        for position, label in enumerate(labels):
            self.classes.add(label=label, position=position, parent=(parents or {}).get(label))

    def tables(self) -> "dict[str, pa.Table]":
        """Raw table by the name of its contract, without `_raw`, in the order in which the gate judges them."""
        return {rows.table: rows.to_arrow() for rows in (self.classes, self.images, self.labels)}


def quote(text: object) -> str:
    """What a broken line or entry says, short enough for a problem."""
    shown = repr(text)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[:LONGEST_QUOTE]}..."


def _text(value: object) -> str | None:
    """As a CSV file would hold it; numbers so that reading them gives the same number."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
