"""Our own base checkpoint of the embedder: worlds of the twin drawn, learnt from, judged on a world unseen, kept with their recipe.

    python -m orchestration.embedder_base OUT --scratch CACHE --recipe models/detector/base/embedder.json

A recipe that began from other weights is run with all that came before it, oldest first, each from the weights of the one before,
unless `--start` gives weights. A run that was stopped goes on where it was. No world here is one that the detector's room is
judged on.
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
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from data_checks.durable import replace_file
from orchestration.embedder_recipe import BaseConfig, BeganFrom, Recipe, RecipeError, read_recipe
from orchestration.package_crops import PHOTO, Crops, world_crops

if TYPE_CHECKING:
    from models.detector.embedder_train import Progress
    from models.detector.embedder_weights import EmbedderWeights

    Ints = npt.NDArray[np.int64]

WEIGHTS, RECIPE, CURVE = "embedder.safetensors", "embedder.json", "embedder_curve.csv"
ATTRIBUTES: Final = ("shape", "accent", "motif", "arrangement", "layout", "pattern", "logo")
_COLUMNS: Final = ("step", "side", "loss", "top1", "seconds")


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
    cut = hashlib.sha256(cfg.crops.model_dump_json().encode()).hexdigest()[
        :10
    ]  # links of a chain may cut one world differently
    path = folder / f"all-{cfg.first_world}-{cfg.worlds}-{cut}.npy"
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


def train_chain(out: Path, scratch: Path, recipe: Recipe, start: Path | None = None) -> "EmbedderWeights":
    """Follow a recipe from the weights `start`, else from those of the recipe that it began from, followed first, and so on down to
    one that began from nothing. Errors: RecipeError where nobody knows how the first weights were made."""
    return train_base(out, scratch, recipe, start or _before(scratch, recipe))


def _before(scratch: Path, recipe: Recipe) -> Path | None:
    """Weights that a recipe begins from, trained unless they lie in `scratch`; None for one that begins from nothing."""
    if recipe.began_from is None:
        return None
    former = recipe.began_from.recipe
    if former is None:
        raise RecipeError(
            f"the recipe began from weights of SHA-256 {recipe.began_from.sha256[:12]}... that no recipe tells how to make: "
            "give their file by --start"
        )
    start = _before(scratch, former)
    asked = [former.data.model_dump_json(), former.embedder.model_dump_json(), start and _sha256(start)]
    folder = scratch / f"link-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]}"
    if not (folder / RECIPE).is_file():  # it is written last
        train_base(folder, scratch, former, start, checkpoint=folder / "embedder.checkpoint")
    return folder / WEIGHTS


def train_base(
    out: Path, scratch: Path, recipe: Recipe, start: Path | None = None, *, checkpoint: Path | None = None
) -> "EmbedderWeights":
    """Draw, train, and write weights, recipe and curve into `out`; `start`: weights to go on from, whatever the recipe began from.
    A stopped run goes on from `checkpoint` (default: in `scratch`, one for each start)."""
    from models.detector.embedder_train import fit_embedder
    from models.detector.embedder_weights import read_weights

    cfg, embedder = recipe.data, recipe.embedder
    began_from = None if start is None else _began_from(start)  # now: `out` may be where these weights lie
    crops, identities, told = training_crops(cfg, scratch)
    held = held_out(cfg, scratch)
    out.mkdir(parents=True, exist_ok=True)
    if checkpoint is None:
        checkpoint = scratch / f"embedder{'' if began_from is None else f'-{began_from.sha256[:12]}'}.checkpoint"
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
    written = _followed(recipe, began_from, len(crops), len(told))
    replace_file(out / WEIGHTS, lambda path: path.write_bytes(weights.to_int8()))
    replace_file(out / RECIPE, lambda path: path.write_text(json.dumps(written.told(), indent=1) + "\n"))
    return weights


def _began_from(start: Path) -> BeganFrom:
    beside = start.with_suffix(".json")
    return BeganFrom(sha256=_sha256(start), recipe=read_recipe(beside) if beside.is_file() else None)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _followed(recipe: Recipe, began_from: BeganFrom | None, crops: int, identities: int) -> Recipe:
    """The recipe as this run followed it; a note on how another one ran says nothing of this one."""
    return Recipe(
        data=recipe.data,
        embedder=recipe.embedder,
        crops=crops,
        identities=identities,
        coarse_labels=ATTRIBUTES,
        side=recipe.embedder.stages[-1].side,
        versions={name: version(name) for name in ("numpy", "opencv-python-headless", "torch", "torchvision")},
        python=platform.python_version(),
        began_from=began_from,
    )


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    from models.common.telemetry import switch_off

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for weights, recipe and curve")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for drawn worlds and the checkpoint")
    parser.add_argument("--recipe", type=Path, help="a recipe to follow, as one was written before")
    parser.add_argument(
        "--start",
        type=Path,
        help="weights to go on from, as a base checkpoint before, in place of those that the recipe began from; a run that was "
        "stopped wants them again",
    )
    given = parser.parse_args(arguments)
    switch_off(os.environ)
    train_chain(given.out, given.scratch, read_recipe(given.recipe) if given.recipe else Recipe(), given.start)


if __name__ == "__main__":
    main()
