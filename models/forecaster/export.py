"""Boosters to ONNX: one graph with the four outputs for forecasts, one with the mean alone for reasons.

XGBoost compares float32 with float32 (x < threshold, missing goes its own way), so ONNX Runtime must agree to rounding
of the sums; a converter that does not is caught here, not by a customer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.model import OUTPUTS, predict_booster

PARITY_TOLERANCE = 1e-4  # relative, of every output
SMALLEST = 1e-2  # of the scale; below it the error is judged absolutely
_OPSET = [("", 17), ("ai.onnx.ml", 3)]
_IR_VERSION = 9


class ExportError(RuntimeError):
    """An exported graph that does not answer as its booster; the message names output, row and both values."""


def export_boosters(
    boosters: Mapping[str, Any], n_features: int, check: npt.NDArray[np.float32], threads: int
) -> dict[str, bytes]:
    """Return {"forecast.onnx": (M, F) -> (M, 4), "mean.onnx": (M, F) -> (M, 1)}.

    check (K, F): rows on which every output is compared with its booster, half of them with values knocked out.
    """
    graphs = {output: _tree_graph(boosters[output], n_features, output) for output in OUTPUTS}
    files = {
        "forecast.onnx": _serialise(graphs, n_features, OUTPUTS),
        "mean.onnx": _serialise(graphs, n_features, ("mean",)),
    }
    rows = np.concatenate([check, _knock_out(check)])
    for name, outputs in (("forecast.onnx", OUTPUTS), ("mean.onnx", ("mean",))):
        _check_parity(name, files[name], outputs, boosters, rows=rows, threads=threads)
    return files


def _tree_graph(booster: Any, n_features: int, output: str) -> Any:
    """Nodes and initializers of one booster, every inner name prefixed with the output's."""
    import onnx
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = convert_xgboost(booster, initial_types=[("X", FloatTensorType([None, n_features]))])
    graph = onnx.compose.add_prefix_graph(model.graph, prefix=f"{output}_", rename_inputs=False)
    return graph


def _serialise(graphs: Mapping[str, Any], n_features: int, outputs: tuple[str, ...]) -> bytes:
    from onnx import TensorProto, checker, helper

    nodes = [node for output in outputs for node in graphs[output].node]
    initializers = [tensor for output in outputs for tensor in graphs[output].initializer]
    columns = [graphs[output].output[0].name for output in outputs]
    nodes.append(helper.make_node("Concat", columns, ["Y"], name="outputs", axis=1))
    graph = helper.make_graph(
        nodes,
        "forecaster",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, n_features])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, len(outputs)])],
        initializer=initializers,
    )
    opsets = [helper.make_opsetid(domain, number) for domain, number in _OPSET]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="storeloop", ir_version=_IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _knock_out(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    holes = rows.copy()
    cells = np.arange(rows.size).reshape(rows.shape)
    holes[cells % 3 == 0] = np.nan
    holes[-1] = np.nan
    return holes


def _check_parity(
    name: str,
    model: bytes,
    outputs: tuple[str, ...],
    boosters: Mapping[str, Any],
    *,
    rows: npt.NDArray[np.float32],
    threads: int,
) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    got = np.asarray(session.run(["Y"], {"X": rows})[0])
    for column, output in enumerate(outputs):
        want = predict_booster(boosters[output], rows, threads)
        error = np.abs(got[:, column] - want) / np.maximum(np.abs(want), SMALLEST)
        if not (worst := float(error.max())) <= PARITY_TOLERANCE:
            row = int(error.argmax())
            raise ExportError(
                f"{name}, output {output}, row {row}: expected {want[row]}, found {got[row, column]} "
                f"(relative {worst:.1e} > {PARITY_TOLERANCE}): the converter does not fit this XGBoost; pin another"
            )
