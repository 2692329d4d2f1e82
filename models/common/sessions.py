"""One way to open a graph: one thread, no chatter, on the CPU."""

from typing import Any


def open_session(graph: bytes) -> Any:
    """An ONNX Runtime session. Errors: what ONNX Runtime raises for bytes that are no graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
