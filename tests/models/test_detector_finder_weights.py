"""Files of weights: what was written is read, a user's network is taken without running anything in it, others are refused."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.detector.finder_ultralytics import new_network
from models.detector.finder_weights import FinderWeights, read_finder
from models.detector.weight_files import WeightsError


@pytest.fixture(scope="module")
def weights() -> FinderWeights:
    return FinderWeights.of(new_network("yolo11n").state_dict(), "yolo11n", ({"epoch": 1.0, "train/box_loss": 2.5},))


def test_a_base_checkpoint_is_small_and_reads_as_it_was_written(weights: FinderWeights, tmp_path: Path) -> None:
    (tmp_path / "base.safetensors").write_bytes(weights.to_half())
    found = read_finder(tmp_path / "base.safetensors")
    assert (tmp_path / "base.safetensors").stat().st_size < 6_000_000
    assert (found.architecture, found.curve, found.whole) == ("yolo11n", weights.curve, True)
    for name, array in weights.arrays.items():
        kept = array.astype(np.float16).astype(np.float32) if array.ndim > 1 else array
        assert np.array_equal(found.arrays[name], kept), name
    assert found.to_half() == weights.to_half()


def users_file(path: Path, classes: int) -> Any:
    """A checkpoint as Ultralytics writes it: the whole network in half precision, pickled."""
    import torch

    from models.detector.finder_ultralytics import quiet_import

    with quiet_import():
        from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolo11n.yaml", ch=3, nc=classes, verbose=False)
    torch.save({"epoch": 3, "model": None, "ema": network.half(), "train_args": {"imgsz": 640}}, path)
    return network


def test_a_users_network_is_read_and_its_classes_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "users.pt"
    state = users_file(path, classes=80).state_dict()
    found = read_finder(path)
    assert not found.whole and found.architecture == "yolo11n"
    first = "model.0.conv.weight"
    assert np.array_equal(found.arrays[first], state[first].float().numpy())
    assert not [name for name in found.arrays if ".cv3." in name] and len(found.arrays) > 200
    with pytest.raises(WeightsError, match="find classes of their own"):
        found.to_half()
    users_file(path, classes=1)
    assert read_finder(path).whole


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    import torch

    mark = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(mark),)

    torch.save({"model": None, "ema": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(WeightsError, match="holds more than layers"):
        read_finder(tmp_path / "hostile.pt")
    assert not mark.exists()
    torch.load(tmp_path / "hostile.pt", weights_only=False)
    assert mark.exists(), "the file was harmless: the test shows nothing"


def test_other_files_are_refused(weights: FinderWeights, tmp_path: Path) -> None:
    arrays = {name: array.astype(np.float16) for name, array in weights.arrays.items()}
    first = "model.0.conv.weight"
    told = {"storeloop-finder-1": json.dumps({"architecture": "yolo11n", "curve": []})}
    another = {"storeloop-finder-1": json.dumps({"architecture": "resnet", "curve": []})}
    refused = {
        "less.safetensors": (
            {name: array for name, array in arrays.items() if name != first},
            told,
            "1 weights are missing",
        ),
        "more.safetensors": (arrays | {"extra": np.zeros(3, np.float32)}, told, "1 weights are missing or too many"),
        "shape.safetensors": (arrays | {first: np.zeros((2, 2), np.float32)}, told, r"has shape \(2, 2\)"),
        "nan.safetensors": (arrays | {first: np.full_like(arrays[first], np.nan)}, told, "is not finite"),
        "whole.safetensors": (
            arrays | {first: np.zeros(arrays[first].shape, np.int8)},
            told,
            "int8, no floating-point",
        ),
        "name.safetensors": (arrays, another, "says it is 'resnet'"),
        "other.safetensors": ({"weight": np.zeros((4, 4), np.float32)}, {}, "1 weights of another network"),
    }
    for name, (content, metadata, said) in refused.items():
        save_file(content, tmp_path / name, metadata)
        with pytest.raises(WeightsError, match=said) as caught:
            read_finder(tmp_path / name)
        assert name in str(caught.value)
    for name, content in {
        "cut.safetensors": weights.to_half()[:1000],
        "text.pt": b"hello",
        "weights.bin": b"1",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=name):
            read_finder(tmp_path / name)
    with pytest.raises(WeightsError, match="no such file"):
        read_finder(tmp_path / "gone.safetensors")
