"""Crops of the twin's packages with their identities: what the embedder learns from and is judged on.

The room that learns takes arrays and knows no twin; this is where the twin's truth is cut into them. A world is drawn once and
kept in a file, so that a run that was stopped goes on with the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from sources.twin.cameras.studio import Studio
    from sources.twin.cameras.truth import Scene

SHELF, COUNTER, PHOTO = 0, 1, 2
SCENE_SEED: Final = 50_000  # added to a world's seed for what happens in its pictures


class CropsConfig(BaseModel):
    """How much of each world is drawn, and how it is cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    products: int = Field(220, ge=1, le=1_000, description="packages of a world, each an identity of its own")
    shelves: int = Field(50, ge=0, le=10_000, description="shelf scenes of a world, some 90 crops each")
    counters: int = Field(60, ge=0, le=10_000, description="counter scenes of a world, some 13 crops each")
    photographed: int = Field(3, ge=1, le=1_000, description="every so-manieth product has its photos taken")
    photos: int = Field(5, ge=0, le=100, description="enrolment photos of such a product")
    first_scene: int = Field(0, ge=0, description="number of the first scene; other numbers are unseen scenes")
    least_share: float = Field(0.25, ge=0, le=1, description="of a package that must be seen")
    side: int = Field(112, ge=16, le=512, description="pixels of a crop")
    margin: float = Field(0.05, ge=0, le=1, description="of a box's size, added on each side")
    shop_px: tuple[float, float] = Field((104.0, 224.0), description="long sides to which photos are averaged down")


@dataclass(frozen=True, eq=False)
class Crops:
    """`pixels` (N, S, S, 3), the `product` (N,) of each, the `share` (N,) of it that is seen, and the `kind` (N,) of its scene."""

    pixels: npt.NDArray[np.uint8]
    product: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int64]

    def where(self, kept: npt.NDArray[Any]) -> "Crops":
        """The rows that `kept` (N,) names, by truth or by number."""
        return Crops(self.pixels[kept], self.product[kept], self.share[kept], self.kind[kept])


def draw_crops(
    studio: "Studio", cfg: CropsConfig, rng: np.random.Generator, products: Sequence[int] | None = None
) -> Crops:
    """Crops of a world's `products` (default: its first `cfg.products`), boxes off as a finder's by `rng`."""
    chosen = list(range(cfg.products)) if products is None else list(products)
    numbers = range(cfg.first_scene, cfg.first_scene + max(cfg.shelves, cfg.counters))
    parts = [_cut(studio.shelf_scene(number, chosen), cfg, SHELF, rng) for number in numbers[: cfg.shelves]]
    parts += [_cut(studio.checkout_scene(number, chosen), cfg, COUNTER, rng) for number in numbers[: cfg.counters]]
    if cfg.photos:
        parts += [
            _cut(studio.enrol_photos(product, cfg.photos), cfg, PHOTO, rng) for product in chosen[:: cfg.photographed]
        ]
    return joined(parts)


def joined(parts: Iterable[Crops]) -> Crops:
    """One after another."""
    listed = list(parts)
    if not listed:
        raise ValueError("no crops to join: draw some shelves, counters or photos")
    return Crops(
        *(np.concatenate([getattr(part, name) for part in listed]) for name in ("pixels", "product", "share", "kind"))
    )


def _cut(scene: "Scene", cfg: CropsConfig, kind: int, rng: np.random.Generator) -> Crops:
    from models.detector.views import jittered, view

    boxes = scene.truth.boxes
    rows = boxes.where((boxes.share >= cfg.least_share) & (boxes.visible[:, 2] > boxes.visible[:, 0]))
    off = jittered(rows.visible, rng)
    longest = rng.uniform(*cfg.shop_px, len(off)) if kind == PHOTO else [None] * len(off)
    pictures = scene.seen.pictures
    squares = [
        view(pictures[picture].pixels, box, cfg.side, margin=cfg.margin, long_side_px=most)
        for picture, box, most in zip(rows.picture.tolist(), off, longest, strict=True)
    ]
    pixels = np.stack(squares) if squares else np.zeros((0, cfg.side, cfg.side, 3), np.uint8)
    return Crops(pixels, rows.product, rows.share, np.full(len(off), kind))


def world_crops(world_seed: int, cfg: CropsConfig, folder: Path) -> Crops:
    """Crops of a world, drawn where `folder` does not have them; pixels stay in their file and are read when asked for."""
    import hashlib

    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    tag = hashlib.sha256(cfg.model_dump_json().encode()).hexdigest()[:10]
    pixels, rows = folder / f"world-{world_seed}-{tag}.npy", folder / f"world-{world_seed}-{tag}.npz"
    if not rows.is_file():
        seed = world_seed + SCENE_SEED
        studio = Studio(CameraParams(products=cfg.products), seed, world_seed=world_seed)
        drawn = draw_crops(studio, cfg, np.random.default_rng((seed, cfg.first_scene)))
        folder.mkdir(parents=True, exist_ok=True)
        np.save(pixels, drawn.pixels)
        unfinished = rows.with_suffix(".part.npz")  # the rows come last and whole: they say that the pixels are
        np.savez(unfinished, product=drawn.product, share=drawn.share, kind=drawn.kind)
        unfinished.rename(rows)
    with np.load(rows, allow_pickle=False) as kept:
        return Crops(np.load(pixels, mmap_mode="r"), kept["product"], kept["share"], kept["kind"])
