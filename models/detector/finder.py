"""The finder's doors: fitted to pictures with boxes, from a start or from scratch, and written as a graph for service and box.

What of Ultralytics runs, `finder_training` says.
"""

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from models.common.pictures import Pixels
from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import onnx_bytes, torch_controlled
from models.detector.boxes import Floats
from models.detector.finder_config import FinderConfig
from models.detector.finder_data import Labelled
from models.detector.finder_ultralytics import new_network, quiet_import
from models.detector.finder_weights import FinderWeights, Row

INPUT, OUTPUT = "images", "boxes"


def fit_finder(
    pictures: Sequence[Pixels],
    boxes: Sequence[Floats],
    cfg: FinderConfig,
    *,
    seed: int,
    on_progress: ProgressCallback = silent,
    start: FinderWeights | None = None,
    watch: Labelled | None = None,
    folder: Path | None = None,
) -> FinderWeights:
    """Weights fitted to pictures (H, W, 3) and boxes (N, 4) of the seen part of each item, averaged over the last steps.

    watch: pictures that are only looked at, for the curve. folder: where a run that was killed goes on from, to the same bytes;
    its picture, seed and configuration must be the same. One seed, one number of threads, one kind of processor: the same bytes.
    DataError for boxes that cannot be learnt from; ArithmeticError where the loss is no number.
    """
    labelled = Labelled(pictures, boxes)
    with quiet_import():
        from models.detector import finder_training as training

    def on_epoch(row: Row) -> None:
        told = f"mAP50 {row['metrics/mAP50']:.3f}" if "metrics/mAP50" in row else f"loss {row['train/box_loss']:.2f}"
        on_progress(f"finder: epoch {row['epoch']:.0f} of {cfg.epochs}, {told}", row["epoch"] / cfg.epochs)

    done = None if folder is None else training.read_checkpoint(folder, cfg, seed)
    if done is not None and done.epochs == cfg.epochs:
        architecture = cfg.architecture if start is None else start.architecture
        return FinderWeights.of(done.average, architecture, tuple(done.curve))
    with tempfile.TemporaryDirectory() as scratch, _as_before(), torch_controlled(cfg.threads, seed):
        fit = training.FinderFit(
            labelled,
            watch,
            cfg,
            seed=seed,
            folder=folder or Path(scratch),
            bfloat16=_bfloat16(cfg),
            start=start,
            on_epoch=on_epoch,
        )
        fit.train()  # type: ignore[no-untyped-call]
        return FinderWeights.of(fit.trained(), fit.architecture, tuple(fit.curve))


def finder_onnx(weights: FinderWeights, side: int, *, threads: int = 1) -> bytes:
    """The graph `images` (1, 3, S, S) in [0, 1] -> `boxes` (1, 5, N): middle x, middle y, width, height in pixels, score; no NMS.

    ValueError for a side that is no multiple of 32; WeightsError for weights without their last layers.
    """
    import torch

    if side < 32 or side % 32:
        raise ValueError(f"side {side} is no multiple of 32, of at least 32: YOLO halves it five times")
    example = (torch.zeros(1, 3, side, side),)
    shapes: dict[str, Any] = {"x": {}}
    return onnx_bytes(
        served_network(weights), example, inputs=[INPUT], outputs=[OUTPUT], shapes=shapes, threads=threads
    )


def served_network(weights: FinderWeights) -> Any:
    """The network as it looks, normalisation melted into its convolutions: (B, 3, S, S) -> (B, 5, N).

    WeightsError as `finder_onnx`.
    """
    network: Any = new_network(weights.architecture)
    weights.require_whole()
    weights.fill(network)
    network.eval().fuse(verbose=False)
    head: Any = network.model[-1]
    head.export, head.format = True, "onnx"  # one output
    return network


def _bfloat16(cfg: FinderConfig) -> bool:
    """Where the processor multiplies it; elsewhere it is slower than single precision."""
    if cfg.precision != "auto":
        return cfg.precision == "bfloat16"
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())


@contextmanager
def _as_before() -> Iterator[None]:
    """Ultralytics seeds everybody's random numbers, and sets switches of its own."""
    kept, numbers, variables = random.getstate(), np.random.get_state(), dict(os.environ)  # noqa: NPY002  # given back
    try:
        yield
    finally:
        random.setstate(kept)
        np.random.set_state(numbers)  # noqa: NPY002
        for name in ("CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED"):
            if name in variables:
                os.environ[name] = variables[name]
            else:
                os.environ.pop(name, None)
