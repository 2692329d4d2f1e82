"""The Q-network as an ONNX graph: the arithmetic of `network.py`, operation by operation, for boxes that run graphs alone."""

from typing import Any

import numpy as np

from models.pricing.network import HEADS, LEAST_LOG, MOST_LOG, Network

INPUT, OUTPUT = "X", "Y"
_OPSET, _IR_VERSION = 17, 9


def to_graph(network: Network) -> bytes:
    """The graph X (N, W) -> Y (N, A), float32, N free: Q-values in the market's scale; equal networks give equal bytes."""
    from onnx import TensorProto, checker, helper, numpy_helper

    constants = {name: np.ascontiguousarray(part, dtype=np.float32) for name, part in sorted(network.parts.items())}
    constants |= {"least": np.array(LEAST_LOG, np.float32), "most": np.array(MOST_LOG, np.float32)}
    first_gain = network.width - network.prices
    slices = {"from": [first_gain], "to": [network.width], "axis": [1]}
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    tensors += [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in slices.items()]

    def node(operation: str, inputs: str, output: str, **options: Any) -> Any:
        return helper.make_node(operation, inputs.split(), [output], name=f"{operation}_{output}", **options)

    def layer(name: str, inputs: str) -> Any:
        return node("Gemm", f"{inputs} {name}.weight {name}.bias", name, transB=1)

    nodes = [
        layer("first", INPUT),
        node("Relu", "first", "first_hidden"),
        layer("second", "first_hidden"),
        node("Relu", "second", "hidden"),
        *(layer(head, "hidden") for head in HEADS),
        node("Clip", "weight least most", "clipped"),
        node("Exp", "clipped", "scaled"),
        node("Slice", f"{INPUT} from to axis", "gains"),
        node("Mul", "gains scaled", "weighted"),
        node("Add", "advantage weighted", "better"),
        node("ReduceMean", "better", "mean", axes=[1], keepdims=1),
        node("Add", "value better", "total"),
        node("Sub", "total mean", OUTPUT),
    ]
    graph = helper.make_graph(
        nodes,
        "pricing",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", network.width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", network.prices])],
        initializer=tensors,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="storeloop", ir_version=_IR_VERSION)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
