"""Rows of Grocery Store photos: our embedder and its gallery of classes beside a plain cross-entropy ResNet50 of the same budget."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

if TYPE_CHECKING:
    from grocery_networks import Accuracy

EPOCHS, SIDE, KEPT_SIDE, BATCH = 10, 128, 144, 32
LEAST_AHEAD = 0.05
PUBLISHED = {"fine": 0.86, "coarse": 0.92}  # Klasson et al. 2019, from ImageNet's weights
BASE = Path(__file__).parents[2] / "models" / "detector" / "base" / "embedder.safetensors"


def verdict(found: "dict[str, list[Accuracy]]", grain: str) -> BenchResult:
    """One of the two grains, `fine` or `coarse`."""
    each = {name: [getattr(one, grain) for one in some] for name, some in found.items()}
    value, peer = (float(np.mean(each[name])) for name in ("ours", "plain"))
    told = "; ".join(f"{name} {', '.join(f'{one:.1%}' for one in some)}" for name, some in each.items())
    return BenchResult(
        value,
        f"of test photos, {grain} class",
        "plain cross-entropy ResNet50",
        peer,
        f">= {LEAST_AHEAD:.0%} over it",
        value - peer >= LEAST_AHEAD,
        f"by seed: {told}; {EPOCHS} epochs at {SIDE} px; {100 * (value - PUBLISHED[grain]):+.1f} points to the "
        f"{PUBLISHED[grain]:.0%} of Klasson et al. 2019, who start from ImageNet's weights",
    )


def _measured(context: BenchContext) -> "dict[str, list[Accuracy]]":
    from grocery_networks import Budget, compare, photos

    if context.real_data is None:
        raise ValueError("grocery_store is a real data set: set STORELOOP_REAL_DATA")
    folder = context.real_data / "grocery_store"
    train, test = (photos(folder, splits, KEPT_SIDE) for splits in (("train", "val"), ("test",)))
    base = Path(os.environ.get("STORELOOP_EMBEDDER_BASE", BASE))
    return compare(train, test, Budget(EPOCHS, SIDE, BATCH), base)


def _fine(context: BenchContext) -> BenchResult:
    found = _measured(context)
    result, coarse = verdict(found, "fine"), verdict(found, "coarse")
    note = f"{result.note}. Coarse class: {coarse.value:.1%} beside {coarse.peer_value:.1%}, {coarse.note}"
    both = bool(result.met and coarse.met)
    return BenchResult(result.value, result.unit, result.peer, result.peer_value, result.bound, both, note)


ROWS = [
    BenchRow(
        "detector-grocery",
        "detector",
        "photos of groceries by fine and coarse class",
        _fine,
        needs_real_data=True,
        rooms=("models",),
    ),
]
