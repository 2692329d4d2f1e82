"""From the tables of an image set to pictures, boxes and products: the only place that knows column names; split by time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.pictures import PictureError, Pixels, read_picture
from models.common.protocols import DataError
from models.detector.boxes import Floats
from models.detector.config import Config

CLASSES, IMAGES, LABELS = "label_classes", "images", "image_labels"
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
COLUMNS = {
    CLASSES: ("label", "position", "product_id"),
    IMAGES: ("image_id", "picture", "split", "taken_at"),
    LABELS: ("label_id", "image_id", "label", *EDGES, "is_crowd"),
}
NEEDED = {
    CLASSES: ("label", "position"),
    IMAGES: ("image_id", "picture"),
    LABELS: ("label_id", "image_id", "label"),
}
SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
TIMELESS = date(1970, 1, 1)  # told as the end of training where no picture says when it was taken
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """What is labelled in one picture: `boxes` (n, 4) in pixels, `product` (n,) numbers `Dataset.products`, `crowd` (n,) tells
    boxes around many items, which are neither learned nor judged."""

    boxes: Floats
    product: Ints
    crowd: Bools


@dataclass(frozen=True)
class Dataset:
    """N pictures as files, oldest first. `split` (N,) is TRAIN, VAL or TEST; `photo_of` (N,) the product that a picture shows alone
    (a label without box), -1 for the others; photos of TRAIN fill the gallery. `taken_at` (N,) where a picture says it."""

    files: tuple[bytes, ...]
    labelled: tuple[Labels, ...]
    photo_of: Ints
    split: Ints
    products: tuple[str, ...]
    taken_at: tuple[datetime | None, ...]
    taken_until: date
    config: Config
    fingerprint: str

    def pixels(self, number: int) -> Pixels:
        """One picture (H, W, 3), decoded when it is asked for: all of them at once would fill the memory."""
        return read_picture(self.files[number])

    def scenes(self, split: int) -> Ints:
        """Numbers of the pictures of a split in which boxes are labelled, or which hold nothing."""
        return np.flatnonzero((self.split == split) & (self.photo_of < 0))

    def photos(self) -> Ints:
        """Numbers of the pictures that show one product alone, of the training split."""
        return np.flatnonzero((self.split == TRAIN) & (self.photo_of >= 0))


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """From Arrow tables `label_classes`, `images` (with the bytes of each file as `picture`) and `image_labels` of an image set.

    Where pictures tell no split, the newest are judged, those before them calibrate; pictures without a time are put in the order
    of a digest of their id. DataError names the table, the column, the value and the remedy.
    """
    for name, columns in COLUMNS.items():
        if name not in tables:
            raise DataError(f"{name}: missing: give the tables of an image set, {', '.join(COLUMNS)}")
        need_columns(name, tables[name], columns)
        for column in NEEDED[name]:
            refuse_nulls(name, tables[name], column, "mend the image set and take it in again")
    classes = tables[CLASSES].sort_by("position")
    labels = classes["label"].to_pylist()
    names = [product or label for label, product in zip(labels, classes["product_id"].to_pylist(), strict=True)]
    products = tuple(dict.fromkeys(names))
    place = {product: number for number, product in enumerate(products)}
    number = {label: place[name] for label, name in zip(labels, names, strict=True)}
    images = _ordered(tables[IMAGES])
    ids = images["image_id"].to_pylist()
    files = tuple(images["picture"].to_pylist())
    _check_files(ids, files)
    labelled, photo_of = _labelled(tables[LABELS], ids, number)
    split = _split(images, photo_of, cfg)
    digest = sha256("|".join((*products, *map(str, ids))).encode())
    for file, each in zip(files, labelled, strict=True):
        digest.update(sha256(file).digest() + each.boxes.tobytes() + each.product.tobytes() + each.crowd.tobytes())
    digest.update(split.tobytes() + photo_of.tobytes())
    taken_at = tuple(images["taken_at"].to_pylist())
    seen = [when for when, part in zip(taken_at, split, strict=True) if when and part != TEST]
    data = Dataset(
        files,
        labelled,
        photo_of,
        split,
        products,
        taken_at,
        max(seen).date() if seen else TIMELESS,
        cfg,
        digest.hexdigest(),
    )
    if not any(len(each.boxes) for each in labelled):
        raise DataError(
            f"{LABELS}: {tables[LABELS].num_rows:,} labels of whole pictures and no box: the detector learns from boxes around items; "
            "draw some, as in Label Studio, or give a set that has them"
        )
    for part, name in enumerate(SPLITS):
        boxes = sum(len(data.labelled[row].boxes) for row in data.scenes(part))
        if not boxes:
            raise DataError(
                f"{LABELS}: 0 boxes in pictures of the {name} split: label more pictures, or leave splits empty"
            )
    return data


def _ordered(images: Any) -> Any:
    """Oldest first; those of one time, or of none, by a digest of their id, which says nothing of what they show."""
    ids = images["image_id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise DataError(f"{IMAGES}.image_id: {len(ids) - len(set(ids))} ids come twice: take the image set in again")
    times = images["taken_at"].to_pylist()
    keys = [sha256(str(each).encode()).hexdigest() for each in ids]
    order = sorted(range(len(ids)), key=lambda row: (times[row] is not None, str(times[row]), keys[row]))
    return images.take(order)


def _check_files(ids: list[str], files: tuple[Any, ...]) -> None:
    for image_id, file in zip(ids, files, strict=True):
        if not isinstance(file, bytes):
            raise DataError(f"{IMAGES}.picture: {image_id}: expected the bytes of a file, found {type(file).__name__}")
        try:
            read_picture(file)
        except PictureError as error:
            raise DataError(f"{IMAGES}.picture: {image_id}: {error}") from error


def _labelled(labels: Any, ids: list[str], number: dict[str, int]) -> tuple[tuple[Labels, ...], Ints]:
    place = {image_id: row for row, image_id in enumerate(ids)}
    labels = labels.sort_by("label_id")
    of, names = labels["image_id"].to_pylist(), labels["label"].to_pylist()
    for column, found, known in (("image_id", of, place), ("label", names, number)):
        if strange := [each for each in found if each not in known]:
            raise DataError(
                f"{LABELS}.{column}: {strange[0]!r} and {len(strange) - 1} more rows name what no table has"
            )
    edges = np.stack([numbers(LABELS, labels, column) for column in EDGES], axis=1).reshape(-1, 4)
    whole = np.isnan(edges).all(axis=1)
    if broken := int((~whole & ~(edges[:, 2:] > edges[:, :2]).all(axis=1)).sum()):
        raise DataError(
            f"{LABELS}: {broken} boxes have no area or lack an edge: mend them, or leave all four edges empty"
        )
    rows = np.array([place[each] for each in of], dtype=np.int64)
    product = np.array([number[each] for each in names], dtype=np.int64)
    crowd = np.array([bool(told) for told in labels["is_crowd"].to_pylist()], dtype=np.bool_)  # most sets know of none
    photo_of = np.full(len(ids), -1, dtype=np.int64)
    photo_of[rows[whole]] = product[whole]
    boxed = np.bincount(rows[~whole], minlength=len(ids)) > 0
    photo_of[boxed] = -1  # a picture with boxes is a scene, whatever else is said of it
    kept = np.flatnonzero(~whole)
    kept = kept[np.argsort(rows[kept], kind="stable")]
    parts = np.split(kept, np.searchsorted(rows[kept], np.arange(1, len(ids))))
    return tuple(Labels(edges[here], product[here], crowd[here]) for here in parts), photo_of


def _split(images: Any, photo_of: Ints, cfg: Config) -> Ints:
    """As told; where val or test is missing, the newest training scenes take its place, a lone val being judged as test."""
    told = images["split"].to_pylist()
    if strange := sorted(set(filter(None, told)) - set(SPLITS)):
        raise DataError(f"{IMAGES}.split: {strange}: use {', '.join(SPLITS)}, or leave all empty")
    split = np.array([SPLITS.index(each) if each else TRAIN for each in told], dtype=np.int64)
    if not all(told) or len(set(told)) == 1:  # nothing is decided
        split[:] = TRAIN
    if not (split == TEST).any():
        split[split == VAL] = TEST
    for part, share in ((TEST, cfg.test_share), (VAL, cfg.val_share)):
        if not (split == part).any():
            free = np.flatnonzero((photo_of < 0) & (split == TRAIN))
            # Shares are of all scenes, also where some are spoken for.
            split[free[max(0, len(free) - round(share * int((photo_of < 0).sum()))) :]] = part
    return split
