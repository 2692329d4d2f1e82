"""Pictures of the twin that the finder's base checkpoint is trained and judged on: many worlds, cameras and lights.

A package is an item where at least `LEAST_SHARE` of it is seen; its box spans the pixels that show it. Worlds of training,
of watching the training, and of judging it are disjoint by number: their catalogues, label art and scenes share nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.common.pictures import Pixels, encode_picture, read_picture
from models.detector.boxes import Floats
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.truth import Boxes
from sources.twin.keyed_random import KeyedRandom

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["shelf", "checkout", "clip"]
LEAST_SHARE = 0.25  # of a package's pixels
TRAIN_WORLDS, WATCH_WORLDS = 70_000, 80_000  # first of each; judges take worlds below both
JPEG_QUALITY = 95  # on top of the file that the twin's camera wrote: hardly seen, an eighth of the memory


class FinderPicturesConfig(BaseModel):
    """How much of the twin is photographed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worlds: int = Field(35, ge=1, le=1_000, description="catalogues, each with a shop, cameras and lights of its own")
    plain_share: float = Field(0.5, ge=0, le=1, description="of the worlds: cameras and lights as the twin's defaults")
    shelf_scenes: int = Field(15, ge=0, le=1_000, description="of each world; a picture by each camera")
    checkout_scenes: int = Field(10, ge=0, le=1_000, description="of each world; a picture by each camera")
    clips: int = Field(3, ge=0, le=100, description="of each world: customers at a shelf, hands before and with items")
    clip_pictures: int = Field(5, ge=1, le=100, description="of each clip, spread over it")


AS_LOOKED_AT: Final = {
    "picture": {"width": 640, "height": 480},
    "effects": {"defocus_px": 0.55, "motion_px": 4.0},
}  # pictures of the twin's cameras once they are in the finder's square


@dataclass(frozen=True, eq=False)
class FinderPicture:
    """A picture as a file, and what is true of it: boxes (N, 4) of the seen part of each package, and the `share` (N,) seen."""

    world: int
    kind: Kind
    file: bytes
    boxes: Floats
    share: npt.NDArray[np.float64]

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3), red first."""
        return read_picture(self.file)

    @property
    def items(self) -> Floats:
        """Boxes (M, 4) of those packages that count as items."""
        return self.boxes[self.share >= LEAST_SHARE]


def kept_pictures(config: FinderPicturesConfig, *, first_world: int, seed: int, folder: Path) -> list[FinderPicture]:
    """Pictures world by world, drawn where `folder` does not hold them from an earlier call with the same arguments."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    asked = hashlib.sha256(f"{config.model_copy(update={'worlds': 1})!r} {seed}".encode()).hexdigest()[:16]
    found: list[FinderPicture] = []
    for world in range(first_world, first_world + config.worlds):
        path = folder / f"{world}-{asked}.parquet"
        if not path.is_file():
            partial = path.with_suffix(".partial")
            pq.write_table(_table(list(world_pictures(config, world=world, seed=seed))), partial)
            partial.replace(path)
        found += _pictures(pq.read_table(path), world)
    return found


def world_pictures(config: FinderPicturesConfig, *, world: int, seed: int) -> Iterator[FinderPicture]:
    """Pictures of one world."""
    rng = np.random.default_rng(int(KeyedRandom(seed).bits("finder.world", world)))
    studio = Studio(camera_params(rng, plain=rng.uniform() < config.plain_share), seed + world, world_seed=world)
    for number in range(config.shelf_scenes):
        scene = studio.shelf_scene(number)
        for place, picture in enumerate(scene.seen.pictures):
            yield _picture(world, "shelf", picture.pixels, scene.truth.boxes.of(place))
    for number in range(config.checkout_scenes):
        scene = studio.checkout_scene(number)
        for place, picture in enumerate(scene.seen.pictures):
            yield _picture(world, "checkout", picture.pixels, scene.truth.boxes.of(place))
    for number in range(config.clips):
        clip = studio.clip(number)
        taken = np.linspace(0, len(clip.seen.pictures) - 1, config.clip_pictures + 2)[1:-1].round().astype(int)
        for place in np.unique(taken).tolist():
            yield _picture(world, "clip", clip.seen.pictures[place].pixels, clip.truth.boxes.of(place))


def camera_params(rng: np.random.Generator, *, plain: bool) -> CameraParams:
    """Cameras of a world: the twin's, as the finder looks at them, where `plain`; else others in all that a shop may choose."""
    # The finder looks at 640 pixels of a picture, however many it has: larger ones would only be drawn to be averaged down.
    params = CameraParams.model_validate({"products": int(rng.integers(60, 241)), **AS_LOOKED_AT})
    if plain:
        return params
    width = int(rng.choice([480, 640, 640, 800, 960]))
    parts = {
        "picture": {
            "width": width,
            "height": width * 3 // 4,
            "field_of_view": float(rng.uniform(48, 82)),
            "distortion": float(rng.uniform(-0.12, 0.05)),
            "pose_jitter": float(rng.uniform(2, 10)),
        },
        "shelf": {
            "cameras": int(rng.integers(1, 4)),
            "width_cm": float(rng.uniform(70, 180)),
            "levels": int(rng.integers(2, 6)),
            "facings": int(rng.integers(1, 5)),
            "rows": int(rng.integers(1, 4)),
            "gap_share": float(rng.uniform(0.02, 0.5)),
            "misplaced_share": float(rng.uniform(0, 0.3)),
            "turned_share": float(rng.uniform(0, 0.5)),
            "fallen_share": float(rng.uniform(0, 0.15)),
            "restocking_share": float(rng.uniform(0, 0.5)),
            "hand_share": float(rng.uniform(0.1, 0.8)),
        },
        "checkout": {"most": int(rng.integers(4, 19)), "lying_share": float(rng.uniform(0.1, 0.9)), "hand_share": 0.5},
        "effects": {
            "warmth": float(rng.uniform(0.05, 0.25)),
            "exposure": float(rng.uniform(0.1, 0.4)),
            "dim_share": float(rng.uniform(0, 0.4)),
            "spotlights": int(rng.integers(0, 5)),
            "glare": float(rng.uniform(0, 0.6)),
            "reflection": float(rng.uniform(0, 0.4)),
            "defocus_px": float(rng.uniform(0.2, 1.1)),
            "motion_share": float(rng.uniform(0, 0.35)),
            "noise": float(rng.uniform(1, 9)),
            "jpeg_lowest": int(rng.integers(35, 90)),
        },
        "clip": {"visits": int(rng.integers(1, 3)), "put_share": 0.5},
    }
    return CameraParams.model_validate({**params.model_dump(), **{
        name: {**getattr(params, name).model_dump(), **part} for name, part in parts.items()
    }})  # fmt: skip


def _picture(world: int, kind: Kind, pixels: Pixels, boxes: Boxes) -> FinderPicture:
    file = encode_picture(pixels, "JPEG", quality=JPEG_QUALITY)
    return FinderPicture(world, kind, file, np.asarray(boxes.visible, np.float64), np.asarray(boxes.share, np.float64))


def _table(pictures: list[FinderPicture]) -> "pa.Table":
    import pyarrow as pa

    return pa.table(
        {
            "kind": [each.kind for each in pictures],
            "file": [each.file for each in pictures],
            "boxes": [each.boxes.ravel().tolist() for each in pictures],
            "share": [each.share.tolist() for each in pictures],
        }
    )


def _pictures(table: "pa.Table", world: int) -> list[FinderPicture]:
    return [
        FinderPicture(
            world,
            row["kind"],
            row["file"],
            np.reshape(row["boxes"], (-1, 4)).astype(float),
            np.array(row["share"], float),
        )
        for row in table.to_pylist()
    ]
