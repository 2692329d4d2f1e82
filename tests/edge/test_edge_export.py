"""Export: the same numbers, or a refusal; int8 where it buys something."""

from datetime import date
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import BaseModel

from edge.export import ExportError, export_artifact, parity
from edge.forecaster import open_bot
from models.common.artifact import read_artifact, read_file, write_artifact

RNG = np.random.default_rng(5)
WEIGHTS = (RNG.normal(size=(32, 64)).astype(np.float32), RNG.normal(size=(64, 2)).astype(np.float32))
ROWS = {"x": RNG.normal(size=(200, 32)).astype(np.float32)}


class NoConfig(BaseModel):
    width: int = 64


def network(first: np.ndarray = WEIGHTS[0]) -> bytes:
    """x (N, 32) -> relu(x W1) W2, (N, 2)."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "w2"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(WEIGHTS[1], "w2")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def artifact_of(folder: Path, model: bytes) -> Path:
    write_artifact(
        folder,
        name="network",
        config=NoConfig(),
        files={"network.onnx": model, "notes.md": b"x"},
        metrics=(),
        input_schema={},
        output_schema={},
        data_fingerprint="d",
        code_revision="c",
        trained_until=date(2026, 1, 1),
        seed=1,
    )
    return folder


def test_int8_shrinks_a_network_and_says_what_it_costs(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path / "in", network())
    (report,) = export_artifact(artifact, tmp_path / "out", {"network.onnx": ROWS}, precision="int8")
    assert (report.precision, report.quantised_nodes) == ("int8", 2)
    assert report.bytes_after < 0.5 * report.bytes_before
    (output,) = report.parity
    hidden = np.maximum(ROWS["x"] @ WEIGHTS[0], 0)
    span = np.ptp(hidden @ WEIGHTS[1])
    assert 0 < output.worst_of_range < 0.02
    assert output.worst_absolute == pytest.approx(output.worst_of_range * span, rel=1e-3)
    before, after = read_artifact(artifact), read_artifact(tmp_path / "out")
    assert after.artifact_id != before.artifact_id
    assert after.files["network.onnx"].size_bytes == report.bytes_after
    assert read_file(tmp_path / "out", after, "notes.md") == b"x"


def test_a_network_that_int8_ruins_is_refused(tmp_path: Path) -> None:
    spiky = WEIGHTS[0].copy()
    spiky[0, 0] = 4000.0  # one weight takes the whole scale, all others round to nothing
    rows = {"x": ROWS["x"].copy()}
    rows["x"][:, 0] = 0.0
    artifact = artifact_of(tmp_path / "in", network(spiky))
    with pytest.raises(ExportError, match="of its range off"):
        export_artifact(artifact, tmp_path / "out", {"network.onnx": rows}, precision="int8")
    assert not (tmp_path / "out").exists()


def test_fp32_is_the_artifact_itself(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path / "in", network())
    (report,) = export_artifact(artifact, tmp_path / "out", {"network.onnx": ROWS}, precision="fp32")
    assert (report.precision, report.parity[0].worst_absolute) == ("fp32", 0.0)
    for file in artifact.iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_a_graph_without_inputs_to_compare_by_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"network\.onnx: no inputs"):
        export_artifact(artifact_of(tmp_path / "in", network()), tmp_path / "out", {}, precision="fp32")


def test_parity_measures_a_known_difference() -> None:
    larger = WEIGHTS[0] * np.float32(1.01)
    (output,) = parity(network(), network(larger), ROWS)
    assert output.worst_relative == pytest.approx(0.01, rel=5e-2)
    assert output.values == 400
    with pytest.raises(ExportError, match="missing values differ"):
        parity(network(), network(np.full_like(larger, np.nan)), ROWS)


def test_trees_stay_as_they_are_and_say_why(release, tmp_path: Path) -> None:
    feeds = open_bot(release.folder).model_inputs()
    assert np.isnan(feeds["forecast.onnx"]["X"]).any()
    reports = export_artifact(release.folder / "artifact", tmp_path / "out", feeds, precision="int8")
    assert {report.file for report in reports} == {"forecast.onnx", "mean.onnx"}
    for report in reports:
        assert (report.precision, report.quantised_nodes) == ("fp32", 0)
        assert "would buy nothing" in report.reason
        assert report.bytes_before == report.bytes_after
    assert read_artifact(tmp_path / "out") == read_artifact(release.folder / "artifact")
