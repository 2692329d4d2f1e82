"""Calibrated 8 bits for graphs of convolutions: ranges learnt from real inputs, what decides in fine steps left in fp32.

ONNX Runtime's static quantisation: unsigned activations, signed weights with a scale for each output channel, which is what
processors with VNNI multiply fastest. The ranges are the least and greatest values seen: on a detector trained on made-up shelves
they cost no mAP, and neither percentiles nor entropy did better.

What no learnt convolution follows stays fp32. In a YOLO graph that is the decoding of boxes, where pixels up to 640 and scores up
to 1 share one tensor: a scale for both rounds every score to 0. The convolution in there holds the numbers 0 to 15 (the mean of
a distribution, Li et al. 2020, arXiv:2006.04388), and counts as decoding, too.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Feeds = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Scheme:
    """Kinds of nodes computed in 8 bits; with `fine_heads` the last convolutions are not among them."""

    what: str
    kinds: tuple[str, ...]
    fine_heads: bool = False


# SiLU is a sigmoid and a product: both in 8 bits spare the way to fp32 and back between convolutions.
WHOLE = Scheme(
    "all up to the heads",
    ("Conv", "Sigmoid", "Mul", "Add", "Concat", "MaxPool", "Split", "Slice", "Resize"),
    fine_heads=True,
)
CONVOLUTIONS = Scheme("convolutions up to the heads", ("Conv",), fine_heads=True)
# A ResNet's sums and ReLUs are faster in fp32 than as 8-bit sums: ReLUs melt into the convolutions either way.
BACKBONE = Scheme("convolutions and the last product", ("Conv", "Gemm"))


@dataclass(frozen=True)
class Quantised:
    """A graph with `nodes` of its nodes in 8 bits."""

    model: bytes
    nodes: int


def quantise(model: bytes, inputs: Sequence[Feeds], scheme: Scheme) -> Quantised:
    """The graph in 8 bits by `scheme`, calibrated on `inputs`; `nodes` is 0, and the graph as it was, where it holds no such node.

    ValueError for no inputs.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not inputs:
        raise ValueError("no inputs to calibrate on: give some dozens of what the graph will see")
    with tempfile.TemporaryDirectory(prefix="edge-int8-") as scratch:
        given, prepared, out = (Path(scratch) / name for name in ("given.onnx", "prepared.onnx", "int8.onnx"))
        given.write_bytes(model)
        # Folds what is constant; symbolic shapes are for transformers.
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        whole = onnx.load(prepared)
        graph = whole.graph
        for number, node in enumerate(graph.node):  # kept and chosen nodes are told apart by name
            node.name = f"{number}:{node.name}"
        kept = decoding(graph, fine_heads=scheme.fine_heads)
        chosen = [each.name for each in graph.node if each.op_type in scheme.kinds and each.name not in kept]
        if not any(each.op_type == "Conv" and each.name in set(chosen) for each in graph.node):
            return Quantised(model, 0)
        onnx.save(whole, prepared)
        quantize_static(
            prepared,
            out,
            _Inputs(inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=chosen,
            op_types_to_quantize=list(scheme.kinds),
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        return Quantised(out.read_bytes(), len(chosen))


def decoding(graph: Any, *, fine_heads: bool) -> frozenset[str]:
    """Names of the nodes that no learnt convolution follows; with `fine_heads` the last convolutions among them.

    A product of matrices is learnt, too: what comes before one is no decoding.
    """
    made_by = {output: node for node in graph.node for output in node.output}
    learnt = {each.name for each in graph.node if _is_learnt(each, made_by)}
    before: set[str] = set()  # nodes that something learnt follows
    waiting = [each for each in graph.node if each.name in learnt]
    while waiting:
        for name in waiting.pop().input:
            if (node := made_by.get(name)) is not None and node.name not in before:
                before.add(node.name)
                waiting.append(node)
    spared = before if fine_heads else before | learnt
    return frozenset(each.name for each in graph.node) - spared


def _is_learnt(node: Any, made_by: Mapping[str, Any]) -> bool:
    if node.op_type == "Gemm":
        return True
    reads = made_by.get(node.input[0]) if node.input else None
    return bool(node.op_type == "Conv" and (reads is None or reads.op_type != "Softmax"))


class _Inputs:
    """`inputs` as the calibration asks for them."""

    def __init__(self, inputs: Sequence[Feeds]) -> None:
        self._inputs: Iterator[Feeds] = iter(inputs)

    def get_next(self) -> dict[str, npt.NDArray[np.generic]] | None:
        """The next one; None after the last."""
        found = next(self._inputs, None)
        return None if found is None else dict(found)
