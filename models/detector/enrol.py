"""Enrolling a product from a few photos: the item is found, embedded and put into the gallery, unless it looks like another one.

Nearest neighbours need no retraining (Snell et al. 2017, "Prototypical networks"): a new product is its photos' embeddings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np
from pydantic import ValidationError

from models.common.pictures import Pixels
from models.common.protocols import InputError
from models.detector.enrolled import Change, Enrolled, Index, Photo, kept_of
from models.detector.photos import VIEWS, item_of, views_of
from models.detector.predict import Predictor, checked_pictures

MOST_AT_ONCE, WISE = 20, 5  # photos: more add nothing; fewer leave sides out
ALIKE_SHARE = 0.5  # of the photos that look like one other product: then they are taken for photos of that


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is enrolled afterwards, and what the person who did it should know."""

    enrolled: Enrolled
    warnings: tuple[str, ...]


class LookAlike(InputError):
    """Photos that look like another product's."""


def enrol(
    base: Predictor,
    before: Enrolled,
    product: str,
    photos: Sequence[Pixels],
    *,
    by: str,
    at: datetime,
    force: bool = False,
) -> Outcome:
    """Add photos (H, W, 3) of a product to what was enrolled. `at` needs a time zone.

    InputError for no photo or too many, or a name that cannot be; LookAlike where the photos look like another product's, unless
    `force`. Photos that were enrolled before are not taken twice.
    """
    checked_pictures(photos, most=MOST_AT_ONCE)
    now = before.gallery_of(base)
    warnings, taken, vectors, files = [], [], [], dict[str, bytes]()
    known = {photo.sha256 for photo in before.index.photos if photo.product == product}
    for number, pixels in enumerate(photos, start=1):
        shown = item_of(now.detector, pixels)
        if not shown.found:
            warnings.append(
                f"photo {number}: no item was found, so all of it was taken: fill the picture with the product"
            )
        content, box = kept_of(pixels, shown.box, base.spec.namer.margin)
        digest = sha256(content).hexdigest()
        if digest in known or digest in files:
            warnings.append(f"photo {number}: it was there before: not taken twice")
            continue
        seen = views_of(now, pixels, shown.box)
        if not np.isfinite(seen).all() or not np.linalg.norm(seen, axis=1).all():
            raise InputError(f"photo {number}: the embedder sees nothing in it: take it again, in better light")
        files[digest] = content
        taken.append((digest, box))
        vectors.append(seen)
    if not taken:
        raise InputError(f"{product!r}: no new photo among {len(photos)}: take others")
    _check_others(now, product, np.array(vectors), force)
    if len(taken) + len(known) < WISE:
        warnings.append(f"{len(taken) + len(known)} photos of {product}: {WISE} from all sides are wiser")
    return Outcome(_with(before, product, taken, vectors, files, Signed(by, at, force)), tuple(warnings))


@dataclass(frozen=True)
class Signed:
    """Who changes the gallery, when, and whether against a warning."""

    by: str
    at: datetime
    forced: bool = False


def remove(base: Predictor, before: Enrolled, product: str, *, by: str, at: datetime) -> Enrolled:
    """Without a product, whether it was enrolled or trained on. InputError for one that is not there, or the last one."""
    now = before.gallery_of(base)
    if product not in now.gallery.products:
        raise InputError(f"{product!r} is not in the gallery: `storeloop gallery list` tells what is")
    if len(now.gallery.products) == 1:
        raise InputError(f"{product!r} is the last product of the gallery: enrol another one first")
    kept = [row for row, photo in enumerate(before.index.photos) if photo.product != product]
    hidden = {*before.index.hidden, product} if product in base.spec.products else set(before.index.hidden)
    index = _index([before.index.photos[row] for row in kept], sorted(hidden), before, product, Signed(by, at), count=0)
    rows = [row * VIEWS + view for row in kept for view in range(VIEWS)]
    vectors = before.vectors[rows] if len(before.vectors) else before.vectors
    files = {photo.sha256: before.files[photo.sha256] for photo in index.photos}
    return Enrolled(index, vectors, files)


def _check_others(now: Predictor, product: str, vectors: np.ndarray, force: bool) -> None:
    others = [number for number, name in enumerate(now.gallery.products) if name != product]
    if force or not others:
        return
    # The views of a photo together say what it looks like.
    found = np.array([now.gallery.similarities(views)[:, others].mean(axis=0) for views in vectors])
    best, likeness = found.argmax(axis=1), found.max(axis=1)
    close = likeness >= now.spec.look_alike
    if not close.any():
        return
    other, count = Counter(best[close].tolist()).most_common(1)[0]
    if count > ALIKE_SHARE * len(vectors):
        name = now.gallery.products[others[other]]
        raise LookAlike(
            f"{count} of {len(vectors)} photos look like {name!r} (likeness up to {found[:, other].max():.3f}, bound "
            f"{now.spec.look_alike:.3f}): check whether it is the same product, photograph what tells them apart, or force it"
        )


def _with(
    before: Enrolled,
    product: str,
    taken: Sequence[tuple[str, tuple[float, float, float, float]]],
    vectors: Sequence[np.ndarray],
    files: dict[str, bytes],
    signed: Signed,
) -> Enrolled:
    try:
        photos = [*before.index.photos, *(Photo(product=product, sha256=name, box=box) for name, box in taken)]
        index = _index(photos, before.index.hidden, before, product, signed, count=len(taken))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}: give another one") from error
    new = np.concatenate(vectors)
    together = np.concatenate([before.vectors, new]) if len(before.vectors) else new
    return Enrolled(index, together, {**before.files, **files})


def _index(
    photos: Sequence[Photo], hidden: Sequence[str], before: Enrolled, product: str, signed: Signed, *, count: int
) -> Index:
    change = Change(product=product, photos=count, by=signed.by, at=signed.at, forced=signed.forced)
    return Index(photos=tuple(photos), hidden=tuple(hidden), changes=(*before.index.changes, change))
