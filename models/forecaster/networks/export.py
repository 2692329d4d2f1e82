"""A network to ONNX: encoding, trunk and head in one graph, compared with torch on inputs with gaps."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.forecaster.export import PARITY_TOLERANCE, SMALLEST, ExportError
from models.forecaster.model import OUTPUTS

if TYPE_CHECKING:
    from models.forecaster.networks.fit import Network

OPSET = 18  # the lowest that the exporter writes without converting
IR_VERSION = 9
MAX_PAIRS = 1 << 24
EXPORTER_LOG = "torch.onnx"  # it warns of libraries that nobody asked for


def export_network(network: "Network") -> bytes:
    """Return the graph X (N, H, F) -> Y (N, H, 4), N and H <= horizon free; ExportError if its answers differ."""
    model = _serialised(network)
    _check_parity(network, model)
    return model


def _serialised(network: "Network") -> bytes:
    import torch

    from models.forecaster.networks.fit import controlled

    example = torch.zeros((3, network.horizon, network.n_inputs))
    shapes: dict[int, Any] = {0: torch.export.Dim("N", min=1, max=MAX_PAIRS)}
    if network.horizon > 1:
        shapes[1] = torch.export.Dim("H", min=1, max=network.horizon)
    with controlled(network.threads, seed=0), _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network.module,
            (example,),
            input_names=["X"],
            output_names=["Y"],
            opset_version=OPSET,
            dynamic_shapes={"X": shapes},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError(f"{network.kind}: the exporter returned no graph: pin another torch")
    proto = program.model_proto
    proto.ir_version = IR_VERSION
    _forget_origins(proto)
    return bytes(proto.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own parts, and logs what is not installed."""
    logger = logging.getLogger(EXPORTER_LOG)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _forget_origins(proto: Any) -> None:
    """Drop what the exporter notes of source files and stacks: it names folders of the machine and swells the graph."""
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
        value.doc_string = ""
    del proto.graph.value_info[:]


def _check_parity(network: "Network", model: bytes) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = network.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    sample = np.concatenate([network.sample, knock_out(network.sample)])
    for steps in sorted({1, (network.horizon + 1) // 2, network.horizon}):
        X = np.ascontiguousarray(sample[:, :steps])
        got, want = np.asarray(session.run(["Y"], {"X": X})[0]), network.predict(X)
        for column, output in enumerate(OUTPUTS):
            error = np.abs(got[:, :, column] - want[output]) / np.maximum(np.abs(want[output]), SMALLEST)
            if not (worst := float(error.max())) <= PARITY_TOLERANCE:
                raise ExportError(
                    f"{network.kind}, output {output}, {steps} steps: graph and torch differ by {worst:.1e} relative "
                    f"> {PARITY_TOLERANCE}: pin another torch or ONNX Runtime"
                )


def knock_out(sample: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A copy of X (N, H, F) with a third of the values missing, and all of the last pair."""
    holes = sample.copy()
    holes[np.arange(sample.size).reshape(sample.shape) % 3 == 0] = np.nan
    holes[-1] = np.nan
    return holes
