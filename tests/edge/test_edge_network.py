"""A champion with a network in its blend on an edge box: the whole network signed, weights of 8 bits within their bound."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.export import INT8_TOLERANCE, Precision, build_bundle
from edge.runtime import EdgeRuntime, open_bundle
from models.common.keys import read_private_key, read_public_key
from models.forecaster.predict import load


@pytest.fixture(scope="module")
def boxes(release_with_network: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Any]:
    made, folder = release_with_network, tmp_path_factory.mktemp("boxes")
    spec = load(made.folder / "artifact").spec
    assert "network" in spec.blend.members and spec.series is not None  # else these tests say nothing
    key, trusted = read_private_key(made.private), read_public_key(made.public)
    found = {}
    for precision in ("fp32", "int8"):
        bundle = folder / f"{precision}.bundle"
        _, reports = build_bundle(made.folder, bundle, key, revision=1, precision=precision)
        found[precision] = (bundle, {report.file: report for report in reports}, trusted)
    return found


def answered(box: EdgeRuntime) -> np.ndarray:
    try:
        rows = box.answer({})["forecasts"]
    finally:
        box.close()
    return np.array([[row[name] for name in ("mean", "q10", "q50", "q90")] for row in rows]).transpose(0, 2, 1)


def unpacked(entry: Any, folder: Path) -> EdgeRuntime:
    from edge.bundle import unpack

    bundle, _, trusted = entry
    unpack(bundle, trusted, folder)
    return open_bundle(folder, trusted)  # its self-test passes, or this raises


def test_the_box_says_what_the_cloud_says(boxes: dict[Precision, Any], release_with_network: Any, tmp_path) -> None:
    said = answered(unpacked(boxes["fp32"], tmp_path / "there"))
    np.testing.assert_allclose(said, release_with_network.values, rtol=1e-4)


def test_8_bits_shrink_the_network_and_move_no_output_far(
    boxes: dict[Precision, Any], release_with_network: Any, tmp_path: Path
) -> None:
    reports = boxes["int8"][1]
    network = reports["network.onnx"]
    assert network.precision == "int8" and network.quantised_nodes > 0 and network.bytes_after < network.bytes_before
    assert all(0 < output.worst_of_range <= INT8_TOLERANCE for output in network.parity)
    assert reports["forecast.onnx"].precision == "fp32"  # trees hold no products of matrices
    said, cloud = answered(unpacked(boxes["int8"], tmp_path / "there")), release_with_network.values
    assert not np.allclose(said, cloud, rtol=1e-6)
    assert np.abs(said - cloud).max() <= 2 * INT8_TOLERANCE * np.ptp(cloud)
