"""Our own base checkpoint of the finder: worlds of the twin drawn, learnt from in stages, watched on others, kept with its recipe.

    python -m orchestration.finder_base OUT --scratch CACHE

A run that was stopped goes on where it was. `--recipe` follows a recipe as one was written before.
"""

import argparse
import csv
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from pydantic import BaseModel, ConfigDict, Field

from models.common.pictures import Pixels
from models.common.protocols import ProgressCallback
from models.detector.finder_config import FinderConfig
from models.detector.finder_data import Labelled
from orchestration.finder_pictures import (
    TRAIN_WORLDS,
    WATCH_WORLDS,
    FinderPicture,
    FinderPicturesConfig,
    kept_pictures,
)

if TYPE_CHECKING:
    from models.detector.finder_weights import FinderWeights, Row

WEIGHTS, RECIPE, CURVE = "finder.safetensors", "finder.json", "finder_curve.csv"
COLUMNS: Final = {
    "box loss": "train/box_loss",
    "class loss": "train/cls_loss",
    "edge loss": "train/dfl_loss",
    "precision": "metrics/precision",
    "recall": "metrics/recall",
    "mAP50": "metrics/mAP50",
    "mAP50-95": "metrics/mAP50-95",
}
_WATCHED = FinderPicturesConfig(worlds=8, plain_share=1, shelf_scenes=2, checkout_scenes=2, clips=1, clip_pictures=2)
# Small first: four times as many items for the same arithmetic, while the network learns what an item is; then how sharp its
# edges are at the scale it is asked at.
_STAGES = (
    FinderConfig(
        crop=320, epochs=14, squares=480, watch_every=3, learning_rate=2e-3, warmup_epochs=0.8, resized_share=1,
        smallest=0.4, largest=1.0, precision="bfloat16",
    ),
    FinderConfig(
        crop=384, epochs=18, squares=480, watch_every=6, learning_rate=1.5e-3, warmup_epochs=0.4, resized_share=0.5,
        smallest=0.6, largest=1.3, precision="bfloat16",
    ),
    FinderConfig(
        crop=384, epochs=36, squares=480, watch_every=6, learning_rate=1.2e-3, warmup_epochs=0.4, resized_share=0.4,
        smallest=0.65, largest=1.3, precision="bfloat16",
    ),
)  # fmt: skip


class FinderBaseConfig(BaseModel):
    """What the base checkpoint is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: FinderPicturesConfig = Field(FinderPicturesConfig(), description="that are learnt from")
    watched: FinderPicturesConfig = Field(_WATCHED, description="that the curve is measured on")
    watched_every: int = Field(3, ge=1, description="of those, every so many are looked at")
    pictures_seed: int = Field(4, ge=0, description="of both")
    stages: tuple[FinderConfig, ...] = Field(_STAGES, min_length=1, description="one after another")
    seed: int = Field(7, ge=0, description="of the training")


class Decoded(Sequence[Pixels]):
    """Pictures as they are asked for: thousands would fill the memory."""

    def __init__(self, pictures: Sequence[FinderPicture]) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: Any) -> Any:
        return self._pictures[number].pixels


def labelled(pictures: Sequence[FinderPicture]) -> Labelled:
    """Pictures with the boxes of what counts as an item in them."""
    return Labelled(Decoded(pictures), [each.items for each in pictures])


def train_base(out: Path, scratch: Path, cfg: FinderBaseConfig, on_progress: ProgressCallback) -> "FinderWeights":
    """Draw, train, and write weights, recipe and curve into `out`."""
    seed = cfg.pictures_seed
    train = labelled(kept_pictures(cfg.pictures, first_world=TRAIN_WORLDS, seed=seed, folder=scratch / "pictures"))
    watched = kept_pictures(cfg.watched, first_world=WATCH_WORLDS, seed=seed, folder=scratch / "watched")
    fitted = train_stages(train, labelled(watched[:: cfg.watched_every]), scratch, cfg, on_progress)
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(fitted[-1].to_half())
    (out / RECIPE).write_text(json.dumps(_recipe(cfg, train), indent=1) + "\n")
    _write_curve(out / CURVE, [weights.curve for weights in fitted])
    return fitted[-1]


def train_stages(
    train: Labelled, watch: Labelled, scratch: Path, cfg: FinderBaseConfig, on_progress: ProgressCallback
) -> "list[FinderWeights]":
    """Weights after each stage, each from the one before as it was rounded: a run that was stopped goes on to the same bytes."""
    from models.detector.finder import fit_finder
    from models.detector.finder_weights import read_finder

    found: list[FinderWeights] = []
    for number, stage in enumerate(cfg.stages):
        path = scratch / f"stage_{number}.safetensors"
        if not path.is_file():
            fitted = fit_finder(
                train.pictures,
                train.boxes,
                stage,
                seed=cfg.seed + number,
                start=found[-1] if found else None,
                watch=watch,
                folder=scratch / f"stage_{number}",
                on_progress=on_progress,
            )
            path.write_bytes(fitted.to_half())
        found.append(read_finder(path))
    return found


def _write_curve(path: Path, curves: "Sequence[Sequence[Row]]") -> None:
    with path.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["stage", "epoch", *COLUMNS])
        for stage, row in ((stage, row) for stage, curve in enumerate(curves) for row in curve):
            told = [row.get(name) for name in COLUMNS.values()]
            lines.writerow([stage, round(row["epoch"]), *("" if each is None else f"{each:.4f}" for each in told)])


def _recipe(cfg: FinderBaseConfig, train: Labelled) -> dict[str, Any]:
    return {
        "made_by": "python -m orchestration.finder_base",
        "config": cfg.model_dump(mode="json"),
        "pictures": len(train.pictures),
        "items": sum(map(len, train.boxes)),
        "steps": sum(each.epochs * ((each.squares or len(train.pictures)) // each.batch) for each in cfg.stages),
        "versions": {name: version(name) for name in ("numpy", "opencv-python-headless", "torch", "ultralytics")},
        "python": platform.python_version(),
    }


def main() -> None:
    """The command."""
    from models.common.telemetry import switch_off

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for weights, recipe and curve")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for drawn worlds and checkpoints")
    parser.add_argument("--recipe", type=Path, help="a recipe to follow, as one was written before")
    given = parser.parse_args()
    switch_off(os.environ)
    told = json.loads(given.recipe.read_text())["config"] if given.recipe else {}

    def tell(stage: str, fraction: float) -> None:
        typer.echo(f"{fraction:6.1%} {stage}")

    train_base(given.out, given.scratch, FinderBaseConfig.model_validate(told), tell)


if __name__ == "__main__":
    main()
