"""The command that makes the embedder's base checkpoint, on two tiny worlds: it goes on from weights, and where it was stopped;
what it wrote as its recipe makes the same again."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from models.detector.embedder_weights import read_weights
from orchestration import package_crops
from orchestration.embedder_base import ATTRIBUTES, CURVE, RECIPE, WEIGHTS, attributes, main
from orchestration.embedder_recipe import RecipeError, read_recipe
from orchestration.package_crops import COUNTER, PHOTO, SHELF, CropsConfig, world_crops

CROPS = {"products": 5, "shelves": 1, "counters": 2, "photographed": 1, "photos": 2, "side": 32}
TOLD: dict[str, Any] = {
    "data": {"worlds": 2, "held_photos": 1, "held_scenes": 1, "held_crops": 20, "every": 2, "crops": CROPS},
    "embedder": {
        "blocks": [1, 1, 1, 1], "width": 8, "stages": [{"side": 32, "steps": 4}], "batch": 8, "half": False,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn worlds, for all tests here."""
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(autouse=True)
def _no_checkpoints(scratch: Path) -> None:
    """Each test begins its runs itself."""
    for left in scratch.glob("*.checkpoint"):
        left.unlink()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(folder: Path, scratch: Path, told: dict[str, Any], *more: str) -> dict[str, Any]:
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps(told))
    main([str(folder), "--scratch", str(scratch), "--recipe", str(recipe), *more])
    found: dict[str, Any] = json.loads((folder / RECIPE).read_text())
    return found


def test_weights_a_curve_and_the_recipe_come_out_and_a_run_goes_on_from_weights(scratch: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    told = made(first, scratch, TOLD)
    with (first / CURVE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"] and all(0 <= float(row["top1"]) <= 1 for row in rows)
    assert told["identities"] == 10 and told["side"] == 32 and "began_from" not in told
    begun = made(second, scratch, TOLD, "--start", str(first / WEIGHTS))
    assert begun["began_from"] == {"sha256": digest(first / WEIGHTS), "recipe": told}
    assert (second / CURVE).read_text().count("\n") == 3
    next(scratch.glob("embedder-*.checkpoint")).unlink()
    made(second, scratch, TOLD, "--start", str(first / WEIGHTS))
    assert (second / CURVE).read_text().count("\n") == 3, "the curve of one run, not of all"
    before, after = (read_weights(folder / WEIGHTS) for folder in (first, second))
    name = "project.weight"
    fresh = np.abs(before.arrays[name]).mean()
    assert 0 < np.abs(after.arrays[name] - before.arrays[name]).mean() < fresh / 2, "not begun anew"


def test_a_recipe_with_what_came_before_makes_the_bytes_of_both_runs(scratch: Path, tmp_path: Path) -> None:
    """By hand: one run, and one from its weights, kept in its place. From the recipe alone, in a scratch folder that has the drawn
    worlds and none of their checkpoints: the same weights, and the recipe again."""
    base, again, alone = tmp_path / "base", tmp_path / "again", tmp_path / "alone"
    base.mkdir()
    alone.mkdir()
    made(base, scratch, {**TOLD, "data": TOLD["data"] | {"seed": 5}})
    before = digest(base / WEIGHTS)
    by_hand = made(base, scratch, TOLD, "--start", str(base / WEIGHTS))
    assert by_hand["began_from"]["sha256"] == before, "not of what was written in its place"
    kept = base / RECIPE
    kept.write_text(json.dumps({**by_hand, "ran_as": "by hand, in two parts"}))
    for drawn in scratch.glob("world-*"):
        (alone / drawn.name).hardlink_to(drawn)
    told = ("--scratch", str(alone), "--recipe", str(kept))
    main([str(again), *told])
    assert (again / WEIGHTS).read_bytes() == (base / WEIGHTS).read_bytes()
    assert json.loads((again / RECIPE).read_text()) == by_hand, "it did not run as the note says"
    (links,) = alone.glob(f"link-*/{WEIGHTS}")
    written = links.stat().st_mtime_ns
    main([str(again), *told])
    assert links.stat().st_mtime_ns == written, "what came before is trained once"


def test_weights_that_no_recipe_tells_how_to_make_are_asked_for(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({**TOLD, "began_from": {"sha256": "ab" * 32, "recipe": None}}))
    with pytest.raises(RecipeError, match=r"SHA-256 abababababab.* give their file by --start"):
        main([str(tmp_path / "out"), "--scratch", str(tmp_path), "--recipe", str(recipe)])
    recipe.write_text(json.dumps({**TOLD, "began_from_sha256": "ab" * 32}))
    with pytest.raises(RecipeError, match=r"recipe\.json: no recipe of an embedder"):
        main([str(tmp_path / "out"), "--scratch", str(tmp_path), "--recipe", str(recipe)])


def test_the_frozen_stage_follows_the_recipe_of_the_checkpoint() -> None:
    """Whose chain is whole: the first weights began from nothing."""
    base = Path(__file__).parents[2] / "models" / "detector" / "base"
    words = yaml.safe_load((base / "dvc.yaml").read_text())["stages"]["embedder_base"]["cmd"].split()
    assert words[:3] == ["python", "-m", "orchestration.embedder_base"]
    assert words[words.index("--recipe") + 1] == "models/detector/base/embedder.json" and "--start" not in words
    chain = [read_recipe(base / RECIPE)]
    while (former := chain[-1].began_from) is not None:
        assert former.recipe is not None
        chain.append(former.recipe)
    assert [recipe.embedder.steps for recipe in chain] == [2_000, 5_500, 3_000]
    assert chain[1].embedder.imprinted == 0, "proxies began at random before there were imprints"


def test_a_run_that_was_stopped_gives_the_same_bytes(scratch: Path, tmp_path: Path) -> None:
    """Stopped after half the steps: what is level so long does not hang on how many are to come."""
    level = {**TOLD["embedder"], "warm_up": 0, "cool_down": 0}
    whole, half = tmp_path / "whole", tmp_path / "half"
    for folder in (whole, half):
        folder.mkdir()
    made(whole, scratch, {**TOLD, "embedder": level})
    (scratch / "embedder.checkpoint").unlink()
    made(half, scratch, {**TOLD, "embedder": level | {"stages": [{"side": 32, "steps": 2}]}})
    made(half, scratch, {**TOLD, "embedder": level})
    assert (half / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert (half / CURVE).read_text().count("\n") == 3


def test_a_world_is_drawn_once_and_a_broken_drawing_again(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = CropsConfig(**CROPS)
    first = world_crops(7_000, cfg, tmp_path)
    assert set(first.kind.tolist()) == {SHELF, COUNTER, PHOTO} and first.pixels.shape[1:] == (32, 32, 3)
    assert (first.kind == PHOTO).sum() == 10 and first.share.min() >= 0.25
    before = np.array(first.pixels)  # the file itself is mapped, and drawn anew
    (rows,) = tmp_path.glob("*.npz")
    rows.unlink()  # as if it was killed before all was written
    again = world_crops(7_000, cfg, tmp_path)
    np.testing.assert_array_equal(again.pixels, before)
    monkeypatch.setattr(package_crops, "draw_crops", None)
    np.testing.assert_array_equal(world_crops(7_000, cfg, tmp_path).product, first.product)


def test_attributes_tell_products_of_one_brand_apart() -> None:
    """Accent and motif together come once in a brand."""
    told = attributes(7_000, 60)
    assert told.shape == (60, len(ATTRIBUTES)) and told.min() >= 0
    art = told[:, [ATTRIBUTES.index(name) for name in ("accent", "motif")]]
    brand = told[:, [ATTRIBUTES.index(name) for name in ("layout", "pattern", "logo")]]
    assert len(np.unique(np.hstack([art, brand]), axis=0)) >= 58
