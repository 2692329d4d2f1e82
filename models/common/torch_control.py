"""Torch with a stated number of threads and a seeded stream, and its graphs to ONNX without traces of the machine."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OPSET = 18  # the lowest that the exporter writes without converting
IR_VERSION = 9
EXPORTER_LOG = "torch.onnx"  # it warns of libraries that nobody asked for


@contextmanager
def torch_controlled(threads: int, seed: int) -> Iterator[None]:
    """Torch with so many threads, deterministic kernels and a seeded stream; as it was before, afterwards."""
    import torch

    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # a module whose attributes are made when it is imported
    filled = memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(True)
            # Strictness would also fill all fresh memory, a quarter of the time, to show who reads what nobody wrote.
            memory.fill_uninitialized_memory = False
            torch.manual_seed(seed)
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            memory.fill_uninitialized_memory = filled
            torch.set_num_threads(before)


def onnx_bytes(
    module: Any,
    example: tuple[Any, ...],
    *,
    inputs: list[str],
    outputs: list[str],
    shapes: dict[str, Any],
    threads: int,
) -> bytes:
    """Serialise a torch module; `shapes` names the dimensions of each input that are free. RuntimeError if torch cannot."""
    import torch

    with torch_controlled(threads, seed=0), _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            example,
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch's exporter returned no graph: pin another torch")
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
