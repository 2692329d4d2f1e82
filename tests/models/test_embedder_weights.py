"""The embedder's weights survive a quarter of the bytes, and a stranger's file is read safely or refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from models.detector.embedder_config import EmbedderConfig, Stage
from models.detector.embedder_naming import embeddings
from models.detector.embedder_train import new_embedder
from models.detector.embedder_weights import (
    EmbedderWeights,
    WeightsError,
    dequantised,
    embedder_onnx,
    quantised,
    read_weights,
)

SMALL = EmbedderConfig(blocks=(1, 1, 1, 1), width=8, stages=(Stage(side=32, steps=1),))


@pytest.fixture(scope="module")
def weights() -> EmbedderWeights:
    import torch

    torch.manual_seed(1)
    return EmbedderWeights.of(new_embedder(SMALL).state_dict(), SMALL)


def test_int8_errs_by_half_a_step_at_most() -> None:
    """A channel whose largest weight is 1.27 has steps of 0.01: 0.304 becomes 30 of them."""
    array = np.array([[1.27, 0.304, -0.006], [0.0, 0.0, 0.0], [-254.0, 1.1, 3.0]])
    steps, size = quantised(array)
    assert steps.tolist() == [[127, 30, -1], [0, 0, 0], [-127, 1, 2]] and steps.dtype == np.int8
    np.testing.assert_allclose(size, [0.01, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(dequantised(steps, size), [[1.27, 0.3, -0.01], [0, 0, 0], [-254, 2, 4]], rtol=1e-5)
    rng = np.random.default_rng(0)
    filters = rng.normal(size=(16, 4, 3, 3)) * np.exp(rng.normal(size=(16, 1, 1, 1)))
    steps, size = quantised(filters)
    off = np.abs(dequantised(steps, size) - filters)
    assert (off <= size.reshape(-1, 1, 1, 1) * 0.5001).all() and off.max() > 0


def test_the_base_checkpoint_comes_back_and_sees_the_same(weights: EmbedderWeights, tmp_path: Path) -> None:
    path = tmp_path / "embedder.safetensors"
    path.write_bytes(weights.to_int8())
    assert path.stat().st_size < 0.3 * sum(array.nbytes for array in weights.arrays.values())
    assert path.read_bytes() == weights.to_int8()
    back = read_weights(path)
    assert (back.blocks, back.width, back.arrays.keys()) == (weights.blocks, 8, weights.arrays.keys())
    crops = np.random.default_rng(2).integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
    cosines = (embeddings(weights, crops, 32, half=False) * embeddings(back, crops, 32, half=False)).sum(axis=1)
    assert cosines.min() > 0.999


def test_the_graph_tells_what_torch_tells_for_any_batch(weights: EmbedderWeights) -> None:
    import onnxruntime

    from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, to_tensor

    session = onnxruntime.InferenceSession(embedder_onnx(weights, 32), providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(3).integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
    expected = embeddings(weights, crops, 32, half=False)
    for count in (1, 5):
        found = session.run(None, {"crops": to_tensor(list(crops[:count]), IMAGENET_MEAN, IMAGENET_STD)})[0]
        np.testing.assert_allclose(found, expected[:count], atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_resnet50_of_torchvision_gives_its_body(kind: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from torchvision.models import resnet50

    from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD

    theirs, path = resnet50(weights=None).eval(), tmp_path / f"resnet50.{kind}"
    if kind == "pth":
        torch.save(theirs.state_dict(), path)
    else:
        save_file(theirs.state_dict(), path)
    start = read_weights(path)
    assert start.bare and start.blocks == (3, 4, 6, 3)
    network = new_embedder(EmbedderConfig(width=8), start).eval()
    theirs.fc = torch.nn.Identity()
    light = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    even = (light - light.mean()) / light.std(correction=0)
    with torch.no_grad():
        for brightness in (1.0, 0.3):  # a dim shop looks like a bright one
            told = network.features((brightness * light - mean) / std).numpy()[
                :, :2048
            ]  # the means; then come the places
            np.testing.assert_allclose(told, theirs(even).numpy(), rtol=2e-2, atol=2e-2)
    with pytest.raises(WeightsError, match="no projection yet"):
        embedder_onnx(start, 32)


class Hostile:
    """What runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_a_pickle_that_runs_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    import torch

    mark = tmp_path / "ran"
    plain, wrapped = tmp_path / "plain.pth", tmp_path / "wrapped.pth"
    plain.write_bytes(pickle.dumps(Hostile(mark), protocol=2))
    torch.save({"conv1.weight": Hostile(mark)}, wrapped)
    for path in (plain, wrapped):
        with pytest.raises(WeightsError, match=r"no plain state dict .*torchvision"):
            read_weights(path)
    assert not mark.exists()


def test_files_that_are_no_weights_are_refused(weights: EmbedderWeights, tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import save_file

    content = weights.to_int8()
    refused = {
        "none.safetensors": (None, "no such file"),
        "word.onnx": (b"graph", "neither"),
        "empty.safetensors": (b"", "no whole safetensors"),
        "half.safetensors": (content[: len(content) // 2], "no whole safetensors"),
        "long.safetensors": (b"\xff" * 64, "no whole safetensors"),
    }
    for name, (data, told) in refused.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=told):
            read_weights(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        read_weights(tmp_path / "list.pth")
    save_file({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match="missing or too many"):
        read_weights(tmp_path / "part.safetensors")


def test_numbers_that_are_none_and_shapes_that_differ_are_refused(weights: EmbedderWeights) -> None:
    for spoilt, told in ((np.full((8, 6144), np.nan, np.float32), "not finite"), (np.zeros((8, 9)), "where")):
        bad = EmbedderWeights({**weights.arrays, "project.weight": spoilt}, weights.blocks, 8)
        with pytest.raises(WeightsError, match=told):
            new_embedder(SMALL, bad)
