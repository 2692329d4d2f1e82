"""What people added to a champion's gallery, and took out of it: a folder beside the artifact, which itself never changes.

`enrolled.json` lists photos, hidden products and who changed what; `vectors.safetensors` holds the photos' embeddings, and
`photos/` what was embedded, so that the next champion, whose embeddings are others, knows the same products.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.common.artifact import ArtifactError
from models.common.pictures import Pixels, encode_picture, read_picture
from models.detector.boxes import Floats, Tensor, widened
from models.detector.photos import VIEWS, views_of
from models.detector.predict import Predictor
from models.detector.spec import ProductId, gallery_bytes, read_vectors

FOLDER, INDEX, VECTORS_FILE, PHOTOS = "enrolled", "enrolled.json", "vectors.safetensors", "photos"
FORMAT_VERSION = 1
MOST_PHOTOS, MOST_CHANGES = 20_000, 20_000
KEPT_SIDE = 320  # pixels of the longer side of what is kept of a photo: more than any embedder looks at

Person = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Photo(BaseModel):
    """A photo of a product: `sha256` of what is kept of it, and the item's `box` there, in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: ProductId
    sha256: Digest
    box: tuple[float, float, float, float]


class Change(BaseModel):
    """A product that somebody enrolled from so many `photos`, or took out (0)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: ProductId
    photos: int = Field(ge=0, le=100)
    by: Person
    at: AwareDatetime
    forced: bool = Field(default=False, description="although it looks like another product")


class Index(BaseModel):
    """Content of `enrolled.json`; photos in the order of their vectors, changes from the oldest on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    photos: tuple[Photo, ...] = Field(default=(), max_length=MOST_PHOTOS)
    hidden: tuple[ProductId, ...] = Field(default=(), description="products of the artifact that were taken out")
    changes: tuple[Change, ...] = Field(default=(), max_length=MOST_CHANGES)


@dataclass(frozen=True, eq=False)
class Enrolled:
    """An index with unit vectors (E * VIEWS, D) of its E photos in their order, and the photos as PNG by their digest."""

    index: Index = field(default_factory=Index)
    vectors: Tensor = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    files: Mapping[str, bytes] = field(default_factory=dict)

    def gallery_of(self, base: Predictor) -> Predictor:
        """The base with what was enrolled and without what was taken out. Errors as `merged`."""
        if not self.index.photos and not self.index.hidden:
            return base
        return base.with_gallery(*self.merged(base.vectors, base.spec.products))

    def merged(self, vectors: Tensor, products: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
        """An artifact's unit vectors (G, D) and products (G,), with what was enrolled and without what was taken out.

        ArtifactError where nothing is left, or another embedder made the enrolled vectors.
        """
        hidden = set(self.index.hidden)
        kept = [row for row, product in enumerate(products) if product not in hidden]
        names = (
            *(products[row] for row in kept),
            *(photo.product for photo in self.index.photos for _ in range(VIEWS)),
        )
        vectors = vectors[kept]
        if self.index.photos:
            if self.vectors.shape[1:] != vectors.shape[1:]:
                raise ArtifactError(
                    f"enrolled vectors of {self.vectors.shape[1]} numbers, the champion's have {vectors.shape[1]}: release it again"
                )
            vectors = np.concatenate([vectors, self.vectors])
        if not names:
            raise ArtifactError("every product was taken out of the gallery: enrol one before the last is removed")
        return vectors, names


def kept_of(photo: Pixels, box: Floats, margin: float) -> tuple[bytes, tuple[float, float, float, float]]:
    """What is kept of a photo (H, W, 3): the item with `margin` of its size around it as PNG, and its box there."""
    from PIL import Image

    left, top, right, bottom = widened(photo, box, margin)
    cut = Image.fromarray(photo[top:bottom, left:right])
    scale = min(1.0, KEPT_SIDE / max(cut.size))
    size = max(round(cut.width * scale), 1), max(round(cut.height * scale), 1)
    small = cut if scale == 1 else cut.resize(size, Image.Resampling.LANCZOS)
    inner = (box - [left, top, left, top]) * np.tile([size[0] / cut.width, size[1] / cut.height], 2)
    return encode_picture(np.asarray(small)), (float(inner[0]), float(inner[1]), float(inner[2]), float(inner[3]))


def embedded_again(enrolled: Enrolled, model: Predictor) -> Enrolled:
    """The same photos as another champion sees them; products that it knows itself stay as it knows them, beside the photos."""
    vectors = [
        views_of(model, read_picture(enrolled.files[photo.sha256]), np.array(photo.box))
        for photo in enrolled.index.photos
    ]
    together = np.concatenate([np.zeros((0, model.gallery.width), np.float32), *vectors])
    return Enrolled(enrolled.index, together, enrolled.files)


def read_enrolled(folder: Path, *, photos: bool = False) -> Enrolled:
    """What lies in a folder, nothing where there is none; the photos only where they are asked for.

    ArtifactError for files that do not fit each other.
    """
    if not (folder / INDEX).is_file():
        return Enrolled()
    try:
        index = Index.model_validate_json((folder / INDEX).read_bytes())
        vectors = read_vectors((folder / VECTORS_FILE).read_bytes())
        files = {each.sha256: (folder / PHOTOS / f"{each.sha256}.png").read_bytes() for each in index.photos if photos}
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{folder} holds no enrolled products ({error}): release the champion again") from error
    if len(vectors) != VIEWS * len(index.photos) or index.format_version != FORMAT_VERSION:
        raise ArtifactError(
            f"{folder}: {len(vectors)} vectors of {len(index.photos)} photos, format {index.format_version}: release it again"
        )
    if wrong := [name for name, content in files.items() if sha256(content).hexdigest() != name]:
        raise ArtifactError(f"{folder}: photo {wrong[0]} was altered: take its product out and enrol it again")
    return Enrolled(index, vectors, files)


def write_enrolled(folder: Path, enrolled: Enrolled) -> None:
    """Write into a folder that is not there yet, with its photos."""
    (folder / PHOTOS).mkdir(parents=True)
    (folder / INDEX).write_text(enrolled.index.model_dump_json(indent=1), encoding="utf-8")
    (folder / VECTORS_FILE).write_bytes(gallery_bytes(enrolled.vectors))
    for name in _names(enrolled.index.photos):
        (folder / PHOTOS / f"{name}.png").write_bytes(enrolled.files[name])


def fingerprint_of(enrolled: Enrolled) -> str:
    """One for the same photos, hidden products and changes, whichever champion embedded them."""
    return sha256(enrolled.index.model_dump_json().encode()).hexdigest()


def _names(photos: Iterable[Photo]) -> list[str]:
    return sorted({photo.sha256 for photo in photos})
