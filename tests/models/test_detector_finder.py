"""The finder learns to find bright rectangles in a few steps, and goes on after a kill to the same bytes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from models.common.protocols import DataError
from models.detector.finder import fit_finder
from models.detector.finder_config import FinderConfig
from models.detector.finder_ultralytics import new_network
from models.detector.finder_weights import FinderWeights

spec = importlib.util.spec_from_file_location("finder_toy", Path(__file__).with_name("finder_toy.py"))
finder_toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(finder_toy)
TOY, recall, toy = finder_toy.TOY, finder_toy.recall, finder_toy.toy


@pytest.fixture(scope="module")
def fitted() -> FinderWeights:
    data = toy(48, seed=1)
    return fit_finder(data.pictures, data.boxes, TOY, seed=5, watch=toy(8, seed=2))


def test_a_few_steps_find_most_bright_rectangles(fitted: FinderWeights) -> None:
    unseen = toy(16, seed=3)
    assert recall(FinderWeights.of(new_network("yolo11n").state_dict(), "yolo11n"), unseen) < 0.3
    assert recall(fitted, unseen) > 0.7


def test_the_curve_has_a_row_for_each_epoch_with_falling_loss(fitted: FinderWeights) -> None:
    losses = [row["train/box_loss"] + row["train/cls_loss"] for row in fitted.curve]
    assert [row["epoch"] for row in fitted.curve] == [1, 2, 3]
    assert losses[-1] < 0.7 * losses[0]
    assert 0 <= fitted.curve[-1]["metrics/mAP50-95"] <= fitted.curve[-1]["metrics/mAP50"] <= 1


def test_a_killed_run_goes_on_to_the_same_bytes(fitted: FinderWeights, tmp_path: Path) -> None:
    data, watch = toy(48, seed=1), toy(8, seed=2)

    def kill(stage: str, fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt(stage)

    with pytest.raises(KeyboardInterrupt, match="epoch 2 of 3"):
        fit_finder(data.pictures, data.boxes, TOY, seed=5, watch=watch, folder=tmp_path, on_progress=kill)
    told: list[float] = []
    again = fit_finder(
        data.pictures,
        data.boxes,
        TOY,
        seed=5,
        watch=watch,
        folder=tmp_path,
        on_progress=lambda stage, fraction: told.append(fraction),
    )
    assert told == [2 / 3, 1.0]
    assert again.to_half() == fitted.to_half()
    assert all(np.array_equal(array, fitted.arrays[name]) for name, array in again.arrays.items())
    done = fit_finder(data.pictures, data.boxes, TOY, seed=5, folder=tmp_path, on_progress=kill)
    assert done.to_half() == fitted.to_half()
    with pytest.raises(DataError, match="another configuration or seed"):
        fit_finder(data.pictures, data.boxes, TOY, seed=6, folder=tmp_path)


def test_a_start_is_gone_on_from(fitted: FinderWeights) -> None:
    data = toy(16, seed=4)
    little = TOY.model_copy(update={"epochs": 1, "squares": 16, "learning_rate": 1e-5})
    going_on = fit_finder(data.pictures, data.boxes, little, seed=5, start=fitted)
    scratch = fit_finder(data.pictures, data.boxes, little, seed=5)
    unseen = toy(16, seed=3)
    assert recall(going_on, unseen) > 0.7 and recall(scratch, unseen) < 0.3
    assert "metrics/mAP50" not in going_on.curve[0]


def test_knobs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"warmup_epochs 3.0 lies above epochs 2: lower it"):
        FinderConfig(epochs=2, warmup_epochs=3)
    with pytest.raises(ValueError, match="multiple of 32"):
        FinderConfig(crop=100)
