"""Small graphs in place of trained networks, and releases that carry them. Not a test."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import RootModel

SIDE = 64


def detector_graph() -> bytes:
    """(1, 3, 64, 64) to (1, 5, 4): four boxes that stand where each product of the fakes may stand, scored by its brightness."""
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.zeros((1, 3, 8, 8), np.float32)
    kernel[:] = 1 / 64  # mean of each colour over 8 x 8, summed: 1.02 to 1.92 on the fakes' colours, 0 on black
    where = np.array([[11, 8, 12, 12], [11, 23, 12, 12], [11, 38, 12, 12], [11, 53, 12, 12]], np.float32).T[None]
    places = np.array([[0, 0, 4 + 15 * row, 7] for row in range(4)], np.int64)
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["bright"]),
        helper.make_node("GatherND", ["bright", "places"], ["scores"]),
        helper.make_node("Clip", ["scores", "zero", "one"], ["clipped"]),
        helper.make_node("Unsqueeze", ["clipped", "axes"], ["row"]),
        helper.make_node("Concat", ["where", "row"], ["output"], axis=1),
    ]
    constants = {"kernel": kernel, "where": where, "places": places, "axes": np.array([0, 1], np.int64)}
    constants |= {"zero": np.float32(0), "one": np.float32(1)}
    return _graph(nodes, constants, [1, 3, SIDE, SIDE], [1, 5, 4], helper, numpy_helper, TensorProto)


def embedder_graph() -> bytes:
    """(B, 3, 16, 16) to (B, 3): the mean colour, ImageNet's scaling undone."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Mul", ["flat", "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["output"]),
    ]
    constants = {"std": np.float32([0.229, 0.224, 0.225]), "mean": np.float32([0.485, 0.456, 0.406])}
    return _graph(nodes, constants, ["b", 3, 16, 16], ["b", 3], helper, numpy_helper, TensorProto)


def _graph(nodes: Any, constants: Any, given: Any, made: Any, helper: Any, numpy_helper: Any, kinds: Any) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", kinds.FLOAT, given)],
        [helper.make_tensor_value_info("output", kinds.FLOAT, made)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def write_release(folder: Path, detector: bytes, embedder: bytes, gallery: np.ndarray, spec: Any) -> Path:
    """The release of these networks in `folder`, the products of `spec` by the unit vectors `gallery`."""
    from safetensors.numpy import save

    from edge.eyes.bot import BOT
    from models.common.artifact import write_artifact

    files = {
        "detector.onnx": detector,
        "embedder.onnx": embedder,
        "gallery.safetensors": save({"vectors": np.ascontiguousarray(gallery, np.float32)}),
        "eyes.json": spec.model_dump_json().encode(),
    }
    write_artifact(
        folder / "artifact", name=BOT, config=RootModel[dict[str, Any]]({}), files=files, metrics=(), input_schema={},
        output_schema={}, data_fingerprint="none", code_revision="none", trained_until=date(2026, 1, 1), seed=0,
    )  # fmt: skip
    return folder
