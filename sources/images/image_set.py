"""An image set on disk: a folder of pictures and its tables, written whole or not at all, read by its contracts.

`label_classes.parquet`, `images.parquet` and `image_labels.parquet` lie at its top, and every picture where `images.path`
says. `label_issues.parquet`, where a report on label quality wrote it, lies beside them.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_checks.contracts import ContractError, check_columns, load_contract
from data_checks.durable import locked, replace_file
from sources.base import SourceError
from sources.images.files import check_digest, inside, read_pixels
from sources.images.rows import ImageRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

TABLES: Final = ("label_classes", "images", "image_labels")
ISSUES: Final = "label_issues"


@dataclass(frozen=True)
class ImageSet:
    """Good rows of one set, in the columns and types of their contracts, sorted by key; `label_classes` by position."""

    folder: Path
    label_classes: "pa.Table"
    images: "pa.Table"
    image_labels: "pa.Table"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their positions."""
        return tuple(self.label_classes["label"].to_pylist())

    def pixels(self, image_id: str) -> "npt.NDArray[np.uint8]":
        """One picture (H, W, 3) uint8. Errors: SourceError for an unknown id or changed bytes, PictureError."""
        if image_id not in self._files:
            raise SourceError(
                f"{self.folder}: no picture {image_id!r}; it has {self.images.num_rows:,}, see images.parquet"
            )
        path, sha256 = self._files[image_id]
        return read_pixels(self.folder, path, sha256)

    def labels_by_image(self) -> dict[str, list[dict[str, Any]]]:
        """image_id -> its rows of image_labels, by label_id; every picture is there, also those without labels."""
        grouped: dict[str, list[dict[str, Any]]] = {image_id: [] for image_id in self._files}
        for row in self.image_labels.to_pylist():
            grouped[row["image_id"]].append(row)
        return grouped

    def only(self, image_ids: Sequence[str]) -> "ImageSet":
        """The set of these pictures alone, in this order, with their labels. Errors: SourceError for one that it has not."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = {image_id: row for row, image_id in enumerate(self.images["image_id"].to_pylist())}
        if unknown := [image_id for image_id in image_ids if image_id not in rows]:
            raise SourceError(
                f"{self.folder}: no picture {unknown[0]!r} ({len(unknown):,} such); it has {self.images.num_rows:,}, see "
                "images.parquet"
            )
        images = self.images.take(pa.array([rows[image_id] for image_id in image_ids], pa.int64()))
        kept = pc.is_in(self.image_labels["image_id"], value_set=pa.array(image_ids, pa.string()))
        return replace(self, images=images, image_labels=self.image_labels.filter(kept))

    @cached_property
    def _files(self) -> dict[str, tuple[str, str]]:
        columns = (self.images[name].to_pylist() for name in ("image_id", "path", "sha256"))
        return {image_id: (path, sha256) for image_id, path, sha256 in zip(*columns, strict=True)}


def read_image_set(folder: Path) -> ImageSet:
    """The set in a folder. Errors: SourceError for a missing or unreadable table, or one that is not as its contract."""
    tables = {name: _read(folder, name) for name in TABLES}
    tables["label_classes"] = tables["label_classes"].sort_by("position")
    return ImageSet(folder, **tables)


def read_issues(folder: Path) -> "pa.Table | None":
    """What a report said of the labels of a set, None where there is none. Errors: SourceError as `read_image_set`."""
    return _read(folder, ISSUES) if _file(folder, ISSUES).is_file() else None


def write_issues(folder: Path, issues: "pa.Table") -> None:
    """Put what a report says of the labels beside the set, in the place of an earlier one. Errors: SourceError."""
    _conforming(folder, ISSUES, issues)
    with locked(folder):
        _write(folder, ISSUES, issues)


def stored_images(folder: Path) -> ImageRows:
    """Raw rows of a set that lies on disk already, so that it is judged as any other delivery."""
    image_set, rows = read_image_set(folder), ImageRows(folder)
    for target, name in ((rows.classes, "label_classes"), (rows.images, "images"), (rows.labels, "image_labels")):
        for row in getattr(image_set, name).to_pylist():
            target.add(**row)
    return rows


def write_image_set(folder: Path, pictures_from: Path, tables: Mapping[str, "pa.Table"]) -> ImageSet:
    """Copy pictures and write tables (name -> rows as the contract types them) into a new folder, in one step.

    What was judged is what is kept: a picture whose bytes have changed since stops it. Errors: SourceError for a folder that
    is there already, a table that is not as its contract, a picture that has changed or lies outside `pictures_from`.
    """
    if folder.exists():
        raise SourceError(f"{folder} is there already; remove it first, or give the set another name")
    for name in TABLES:
        _conforming(folder, name, tables[name])
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for path, sha256 in zip(*(tables["images"][name].to_pylist() for name in ("path", "sha256")), strict=True):
            data = inside(pictures_from, path).read_bytes()
            check_digest(path, data, sha256)
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        for name in TABLES:
            _write(draft, name, tables[name])
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return read_image_set(folder)


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _write(folder: Path, name: str, table: "pa.Table") -> None:
    import pyarrow.parquet as pq

    ordered = table.sort_by(load_contract(name).primary_key[0])
    replace_file(_file(folder, name), lambda path: pq.write_table(ordered, path, compression="zstd"))


def _read(folder: Path, name: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _file(folder, name)
    if not path.is_file():
        raise SourceError(f"{folder}: {path.name} is missing; take the set in with `storeloop images import`")
    try:
        table = pq.read_table(path, partitioning=None)
    except pa.ArrowException as error:
        raise SourceError(f"{path}: not readable as Parquet ({error}); take the set in again") from error
    _conforming(folder, name, table)
    return table


def _conforming(folder: Path, name: str, table: "pa.Table") -> None:
    contract = load_contract(name)
    try:
        check_columns(tuple(table.column_names), contract)
    except ContractError as error:
        raise SourceError(f"{folder}: {error}") from error
    if not table.schema.equals(contract.arrow_schema()):
        raise SourceError(
            f"{folder}: {name} has the types {table.schema.types}, its contract {contract.arrow_schema().types}"
        )
