"""A network to ONNX: encoding, trunk and head in one graph, compared with torch on inputs with gaps."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.torch_control import onnx_bytes
from models.forecaster.export import PARITY_TOLERANCE, SMALLEST, ExportError
from models.forecaster.model import OUTPUTS
from models.forecaster.networks.fit import Network

MAX_PAIRS = 1 << 24


def export_network(network: Network) -> bytes:
    """Return the graph X (N, H, F) -> Y (N, H, 4), N and H <= horizon free; ExportError if its answers differ."""
    model = _serialised(network)
    _check_parity(network, model)
    return model


def _serialised(network: Network) -> bytes:
    import torch

    example = torch.zeros((3, network.horizon, network.n_inputs))
    shapes: dict[int, Any] = {0: torch.export.Dim("N", min=1, max=MAX_PAIRS)}
    if network.horizon > 1:
        shapes[1] = torch.export.Dim("H", min=1, max=network.horizon)
    try:
        return onnx_bytes(
            network.module, (example,), inputs=["X"], outputs=["Y"], shapes={"X": shapes}, threads=network.threads
        )
    except RuntimeError as error:
        raise ExportError(f"{network.kind}: {error}") from error


def _check_parity(network: Network, model: bytes) -> None:
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
