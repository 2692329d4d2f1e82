"""The base checkpoint of the finder: worlds drawn by number alone, stages one after another, a stopped run that goes on."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.detector.finder_config import FinderConfig
from models.detector.finder_weights import read_finder
from orchestration import finder_pictures
from orchestration.finder_base import FinderBaseConfig, train_base
from orchestration.finder_pictures import (
    AS_LOOKED_AT,
    FinderPicturesConfig,
    camera_params,
    kept_pictures,
    world_pictures,
)
from sources.twin.cameras.params import CameraParams

FEW = FinderPicturesConfig(worlds=1, plain_share=1, shelf_scenes=1, checkout_scenes=1, clips=0)
STAGE = FinderConfig(side=64, crop=64, epochs=1, squares=4, batch=2, warmup_epochs=0, precision="float32")
SMALL = FinderBaseConfig(pictures=FEW, watched=FEW, watched_every=2, stages=(STAGE, STAGE))


def quiet(stage: str, fraction: float) -> None:
    del stage, fraction


def test_a_world_hangs_on_its_number_and_seed_alone() -> None:
    first, again = (list(world_pictures(FEW, world=71_000, seed=4)) for _ in range(2))
    other = list(world_pictures(FEW, world=71_001, seed=4))
    assert [picture.kind for picture in first] == ["shelf", "shelf", "checkout", "checkout"]
    assert [picture.file for picture in first] == [picture.file for picture in again]
    assert not {picture.file for picture in first} & {picture.file for picture in other}
    assert first[0].pixels.shape == (480, 640, 3)


def test_an_item_is_a_package_of_which_a_quarter_is_seen() -> None:
    pictures = list(world_pictures(FEW, world=71_000, seed=4))
    assert any((picture.share < 0.25).any() for picture in pictures), "nothing is hidden: the test shows nothing"
    for picture in pictures:
        np.testing.assert_array_equal(picture.items, picture.boxes[picture.share >= 0.25])
        assert (picture.items[:, 2:] > picture.items[:, :2]).all() and picture.items.min() >= 0


def test_cameras_differ_from_world_to_world_within_the_twins_bounds() -> None:
    drawn = [camera_params(np.random.default_rng(seed), plain=False) for seed in range(40)]
    assert len({params.picture.width for params in drawn}) > 2 and len({params.shelf.levels for params in drawn}) > 3
    plain = camera_params(np.random.default_rng(1), plain=True)
    assert plain == CameraParams.model_validate({"products": plain.products, **AS_LOOKED_AT})


def test_worlds_that_are_learnt_from_and_watched_are_never_the_same() -> None:
    cfg = FinderBaseConfig()
    assert finder_pictures.TRAIN_WORLDS + cfg.pictures.worlds <= finder_pictures.WATCH_WORLDS


def test_stages_follow_one_another_and_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = train_base(tmp_path / "out", tmp_path / "scratch", SMALL, quiet)
    written = (tmp_path / "out" / "finder.safetensors").read_bytes()
    assert written == weights.to_half()
    assert read_finder(tmp_path / "scratch" / "stage_0.safetensors").to_half() != written
    rows = list(csv.DictReader((tmp_path / "out" / "finder_curve.csv").read_text().splitlines()))
    assert [(row["stage"], row["epoch"]) for row in rows] == [("0", "1"), ("1", "1")]
    assert float(rows[0]["box loss"]) > 0 and 0 <= float(rows[1]["mAP50"]) <= 1
    recipe = json.loads((tmp_path / "out" / "finder.json").read_text())
    assert FinderBaseConfig.model_validate(recipe["config"]) == SMALL and recipe["pictures"] == 4
    assert recipe["steps"] == 4  # two stages of four squares, two at a time

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("worlds that are kept are drawn again")

    monkeypatch.setattr(finder_pictures, "world_pictures", never)
    (tmp_path / "scratch" / "stage_1.safetensors").unlink()
    shutil.rmtree(tmp_path / "scratch" / "stage_1")
    train_base(tmp_path / "again", tmp_path / "scratch", SMALL, quiet)
    assert (tmp_path / "again" / "finder.safetensors").read_bytes() == written
    kept = kept_pictures(
        FEW, first_world=finder_pictures.TRAIN_WORLDS, seed=4, folder=tmp_path / "scratch" / "pictures"
    )
    assert [len(picture.boxes) for picture in kept] == [len(picture.share) for picture in kept]
