"""Small graphs in place of trained networks, and releases that carry them. Not a test."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import RootModel

SIDE = 64


def detector_graph() -> bytes:
    """(1, 3, 64, 64) to (1, 5, 4): four boxes that stand where each product of the fakes may stand, scored by its brightness."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = _detector_parts("images", helper)
    return _graph(nodes, constants, [1, 3, SIDE, SIDE], [1, 5, 4], helper, numpy_helper, TensorProto)


def _detector_parts(given: str, helper: Any) -> tuple[list[Any], dict[str, Any]]:
    """Nodes from the picture `given` to the boxes, and their constants."""
    kernel = np.zeros((1, 3, 8, 8), np.float32)
    kernel[:] = 1 / 64  # mean of each colour over 8 x 8, summed: 1.02 to 1.92 on the fakes' colours, 0 on black
    where = np.array([[11, 8, 12, 12], [11, 23, 12, 12], [11, 38, 12, 12], [11, 53, 12, 12]], np.float32).T[None]
    places = np.array([[0, 0, 4 + 15 * row, 7] for row in range(4)], np.int64)
    nodes = [
        helper.make_node("Conv", [given, "kernel"], ["bright"]),
        helper.make_node("GatherND", ["bright", "places"], ["scores"]),
        helper.make_node("Clip", ["scores", "zero", "one"], ["clipped"]),
        helper.make_node("Unsqueeze", ["clipped", "axes"], ["row"]),
        helper.make_node("Concat", ["where", "row"], ["output"], axis=1),
    ]
    constants = {"kernel": kernel, "where": where, "places": places, "axes": np.array([0, 1], np.int64)}
    return nodes, constants | {"zero": np.float32(0), "one": np.float32(1)}


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


def deep_detector_graph() -> bytes:
    """As `detector_graph` behind a learnt layer: a convolution that changes nothing, and the SiLU of a YOLO."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = _detector_parts("active", helper)
    first = np.zeros((3, 3, 3, 3), np.float32)
    first[range(3), range(3), 1, 1] = 1.0
    layer = [
        helper.make_node("Conv", ["images", "first"], ["same"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["same"], ["gate"]),
        helper.make_node("Mul", ["same", "gate"], ["active"]),
    ]
    constants |= {"first": first}
    return _graph([*layer, *nodes], constants, [1, 3, SIDE, SIDE], [1, 5, 4], helper, numpy_helper, TensorProto)


def deep_embedder_graph() -> bytes:
    """(B, 3, 16, 16) to (B, 3): the mean colour by way of a convolution, a ReLU and a product of matrices."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["images", "spread", "lifted"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "narrow"], ["output"]),
    ]
    spread = np.zeros((6, 3, 1, 1), np.float32)
    spread[[0, 2, 4], [0, 1, 2]] = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
    lifted = np.array([0.485, 0, 0.456, 0, 0.406, 0], np.float32)
    narrow = np.eye(6, dtype=np.float32)[:, ::2]
    constants = {"spread": spread, "lifted": lifted, "narrow": narrow}
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


def small_release(folder: Path, products: Mapping[str, Any], detector: bytes, embedder: bytes) -> Path:
    """A release that sees coloured squares, each product by its colour."""
    from edge.eyes.bot import EyesSpec
    from models.detector.networks import DetectorConfig, NamerConfig

    vectors = np.array(list(products.values()), np.float32)
    spec = EyesSpec(
        detector=DetectorConfig(side=SIDE),
        namer=NamerConfig(side=16, margin=0, least_similarity=0.9),
        products=tuple(products),
    )
    return write_release(folder, detector, embedder, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), spec)


def exported(network: Any, given: Any, *, batches: bool = False) -> bytes:
    """A PyTorch network as ONNX, one input `images` and one output; with `batches`, of any number of pictures."""
    import io
    import warnings

    import torch

    made = io.BytesIO()
    free = {"images": {0: "b"}, "output": {0: "b"}} if batches else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter by tracing is told to be old; it needs no further library
        torch.onnx.export(
            network, (given,), made, input_names=["images"], output_names=["output"], opset_version=17, dynamo=False,
            dynamic_axes=free,
        )  # fmt: skip
    return made.getvalue()
