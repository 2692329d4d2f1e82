"""Our own base checkpoint of the embedder: worlds of the twin drawn, learnt from, judged on a world unseen, kept with their recipe.

    python -m orchestration.embedder_base OUT --scratch CACHE

A run that was stopped goes on where it was. No world here is one that the detector's room is judged on.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from orchestration.package_crops import PHOTO, Crops, CropsConfig, world_crops

if TYPE_CHECKING:
    from models.detector.embedder_config import EmbedderConfig
    from models.detector.embedder_train import Progress
    from models.detector.embedder_weights import EmbedderWeights

    Ints = npt.NDArray[np.int64]

WEIGHTS, RECIPE, CURVE = "embedder.safetensors", "embedder.json", "embedder_curve.csv"
ATTRIBUTES: Final = ("shape", "accent", "motif", "arrangement", "layout", "pattern", "logo")
_COLUMNS: Final = ("step", "side", "loss", "top1", "seconds")


class BaseConfig(BaseModel):
    """What the base checkpoint is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_world: int = Field(7_000, ge=0, description="seed of the first world; the others follow")
    worlds: int = Field(10, ge=1, le=1_000, description="worlds, each of other packages")
    held_world: int = Field(7_100, ge=0, description="seed of the world on which the curve is measured")
    held_scenes: int = Field(14, ge=1, le=1_000, description="scenes of it, shelves and as many counters")
    held_crops: int = Field(600, ge=1, description="crops of it that are named for each point of the curve")
    held_photos: int = Field(3, ge=1, le=100, description="photos from which each of its products is enrolled")
    seed: int = Field(0, ge=0, description="of the training")
    every: int = Field(100, ge=1, description="steps between points of the curve, and checkpoints")
    crops: CropsConfig = CropsConfig()


def attributes(world_seed: int, products: int) -> "Ints":
    """What tells packages apart, as numbers (P, K) in the order of `ATTRIBUTES`: the twin's truth, for training alone."""
    from sources.twin.cameras.appearance import ACCENTS
    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    looks = Studio(CameraParams(products=products), world_seed).appearances
    shapes = sorted({"carton", "can", "bottle", "jar", "tub", "pouch", "tray"})
    rows = []
    for number in range(products):
        look = looks[number]
        numbered = {"shape": shapes.index(look.shape), "accent": ACCENTS.index(look.accent)}
        rows.append([numbered.get(name, getattr(look, name)) for name in ATTRIBUTES])
    return np.array(rows, dtype=np.int64)


def training_crops(cfg: BaseConfig, folder: Path) -> "tuple[npt.NDArray[np.uint8], Ints, Ints]":
    """Crops (N, S, S, 3) of all worlds in one mapped file, identities (N,), attributes (I, K) of each identity."""
    worlds = range(cfg.first_world, cfg.first_world + cfg.worlds)
    parts = [world_crops(world, cfg.crops, folder) for world in worlds]
    identities = np.concatenate([part.product + k * cfg.crops.products for k, part in enumerate(parts)])
    told = np.concatenate([attributes(world, cfg.crops.products) for world in worlds])[np.unique(identities)]
    path = folder / f"all-{cfg.first_world}-{cfg.worlds}-{len(identities)}.npy"
    if not path.is_file():
        unfinished = path.with_suffix(".part")
        shape = (len(identities), *parts[0].pixels.shape[1:])
        together = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        first = 0
        for part in parts:
            together[first : first + len(part.pixels)] = part.pixels
            first += len(part.pixels)
        together.flush()
        unfinished.rename(path)
    return np.load(path, mmap_mode="r"), identities, told


def held_out(cfg: BaseConfig, folder: Path) -> Crops:
    """Photos of every product of the held-out world, and some crops of its scenes."""
    drawn = cfg.crops.model_copy(update={"photographed": 1, "photos": cfg.held_photos})
    drawn = drawn.model_copy(update={"shelves": cfg.held_scenes, "counters": cfg.held_scenes})
    crops = world_crops(cfg.held_world, drawn, folder)
    scenes = np.flatnonzero(crops.kind != PHOTO)
    some = np.random.default_rng(cfg.held_world).permutation(scenes)[: cfg.held_crops]
    return crops.where(np.concatenate([np.flatnonzero(crops.kind == PHOTO), np.sort(some)]))


def top1(weights: "EmbedderWeights", crops: Crops, side: int, threads: int) -> float:
    """Share of scene crops that are named rightly by a gallery of the photos among them."""
    from models.detector.embedder_naming import embeddings
    from models.detector.networks import Gallery

    photo = crops.kind == PHOTO
    vectors = embeddings(weights, crops.pixels, side, threads=threads)
    gallery = Gallery(vectors[photo], [f"{product:04d}" for product in crops.product[photo]])
    best = gallery.similarities(vectors[~photo]).argmax(axis=1)
    return float(np.mean([int(gallery.products[k]) for k in best] == crops.product[~photo]))


def train_base(
    out: Path, scratch: Path, cfg: BaseConfig, embedder: "EmbedderConfig", start: Path | None = None
) -> "EmbedderWeights":
    """Draw, train, and write weights, recipe and curve into `out`; `start`: weights of a run before, to go on from."""
    from models.detector.embedder_train import fit_embedder
    from models.detector.embedder_weights import read_weights

    crops, identities, told = training_crops(cfg, scratch)
    held = held_out(cfg, scratch)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = scratch / "embedder.checkpoint"
    if not checkpoint.is_file():  # a curve that lies there is of another run
        (out / CURVE).unlink(missing_ok=True)
    began = time.perf_counter()

    def on_step(progress: "Progress") -> None:
        side = embedder.at(progress.step - 1).side
        found = top1(progress.weights(), held, side, embedder.threads)
        row = (progress.step, side, f"{progress.loss:.4f}", f"{found:.4f}", f"{time.perf_counter() - began:.0f}")
        fresh = not (out / CURVE).is_file()
        with (out / CURVE).open("a", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, row] if fresh else [row])

    weights = fit_embedder(
        crops,
        identities,
        embedder,
        seed=cfg.seed,
        start=None if start is None else read_weights(start),
        coarse=told,
        checkpoint=checkpoint,
        every=cfg.every,
        on_step=on_step,
    )
    (out / WEIGHTS).write_bytes(weights.to_int8())
    recipe = _recipe(cfg, embedder, len(crops), len(told))
    if start is not None:
        recipe["began_from_sha256"] = hashlib.sha256(start.read_bytes()).hexdigest()
    (out / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n")
    return weights


def _recipe(cfg: BaseConfig, embedder: "EmbedderConfig", crops: int, identities: int) -> dict[str, Any]:
    return {
        "made_by": "python -m orchestration.embedder_base",
        "data": cfg.model_dump(mode="json"),
        "embedder": embedder.model_dump(mode="json"),
        "crops": crops,
        "identities": identities,
        "coarse_labels": list(ATTRIBUTES),
        "side": embedder.stages[-1].side,
        "versions": {name: version(name) for name in ("numpy", "opencv-python-headless", "torch", "torchvision")},
        "python": platform.python_version(),
    }


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    from models.common.telemetry import switch_off
    from models.detector.embedder_config import EmbedderConfig

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for weights, recipe and curve")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for drawn worlds and the checkpoint")
    parser.add_argument("--recipe", type=Path, help="a recipe to follow, as one was written before")
    parser.add_argument(
        "--start",
        type=Path,
        help="weights to go on from, as a base checkpoint before; a run that was stopped wants them again",
    )
    given = parser.parse_args(arguments)
    switch_off(os.environ)
    told = json.loads(given.recipe.read_text()) if given.recipe else {"data": {}, "embedder": {}}
    train_base(
        given.out,
        given.scratch,
        BaseConfig.model_validate(told["data"]),
        EmbedderConfig.model_validate(told["embedder"]),
        given.start,
    )


if __name__ == "__main__":
    main()
