"""`storeloop evaluate inspection` and `detector`: models of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.evaluating import JsonOption, SeedOption, evaluate_model, home_of
from orchestration.commands.options import TwinSeedOption, settings_with
from orchestration.settings import Settings

PlotsOption = Annotated[Path | None, typer.Option(help="Write the report's pictures into this folder.")]


def inspection(
    source: Annotated[
        str, typer.Option("--source", help="belt | FOLDER of inspections.parquet and approved_samples.parquet")
    ] = "belt",
    json_file: JsonOption = None,
    seed: SeedOption = None,
    plots: PlotsOption = None,
    twin_seed: TwinSeedOption = None,
) -> None:
    """Packages of a packing line passed, rejected or sent to a human, misses bounded, beside simple methods."""
    home = home_of(["inspection", source, seed, twin_seed])
    asked = {"home": home, "seed": seed, "belt": source, "twin_seed": twin_seed}
    evaluate_model("inspection", settings_with(**asked), json_file, plots=plots, source=source)


def detector(
    source: Annotated[
        str,
        typer.Option(
            "--source",
            help="twin | NAME of a set of `storeloop images` | yolo:FOLDER | coco:FILE_OR_FOLDER | label_studio:FILE | "
            "image_set:FOLDER; items are labelled by boxes.",
        ),
    ] = "twin",
    json_file: JsonOption = None,
    seed: SeedOption = None,
    plots: PlotsOption = None,
    twin_seed: TwinSeedOption = None,
) -> None:
    """Items of pictures found and named, beside colour histograms and shrunken pixels."""
    home = home_of(["detector", source, seed, twin_seed])
    asked = {"home": home, "sets_home": Settings().home, "seed": seed, "cameras": source, "twin_seed": twin_seed}
    evaluate_model("detector", settings_with(**asked), json_file, plots=plots, source=source)
