"""Fitting the deep part: each item of a history is told from those before it, by a softmax over it and sampled others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import onnx_bytes, torch_controlled
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Histories, padded

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]
WARM_UP_SHARE = 0.1  # of all steps
LAST_RATE = 0.02  # of the learning rate, at the end of its cosine
CLIP = 5.0
LOGIT_ROWS = 512  # places whose softmax is worked out at once
PARITY_TOLERANCE = 1e-4


class ExportError(RuntimeError):
    """A graph that does not answer as the network it was made from."""


@dataclass(frozen=True)
class SequenceNetwork:
    """A fitted network: item vectors (I, d), its encoder as ONNX bytes, the mean loss of each epoch."""

    vectors: Floats
    encoder: bytes
    losses: tuple[float, ...]


def fit_sequences(
    data: Dataset, histories: Histories, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent
) -> SequenceNetwork:
    """Fit on all histories of two items or more; the same data, config and seed give the same bytes."""
    import torch

    from models.recommender.model import Encoder, Items

    rng = np.random.default_rng(seed)
    windows = _windows(histories, cfg.max_length)
    with torch_controlled(cfg.threads, seed):
        items = Items(data.attributes, cfg.width)
        encoder = Encoder(cfg.width, cfg.heads, cfg.layers, cfg.max_length, cfg.dropout)
        weights = [*items.parameters(), *encoder.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=cfg.learning_rate, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
        per_epoch = max(1, -(-len(windows) // cfg.batch))
        epochs = max(cfg.epochs, -(-cfg.steps_min // per_epoch))
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(per_epoch * epochs))
        losses = []
        for epoch in range(epochs):
            total = 0.0
            for batch in _batches(windows, cfg.batch, rng):
                loss = _loss(items(), encoder, batch, cfg, rng)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(weights, CLIP)
                optimizer.step()
                rate.step()
                total += float(loss.detach())
            losses.append(total / per_epoch)
            on_progress(f"sequences: epoch {epoch + 1} of {epochs}, loss {losses[-1]:.3f}", (epoch + 1) / epochs)
        encoder.eval()
        with torch.no_grad():
            vectors = np.ascontiguousarray(items().numpy())
        graph = _exported(encoder, cfg)
    return SequenceNetwork(vectors, graph, tuple(losses))


def _windows(histories: Histories, max_length: int) -> Histories:
    """Histories of two items or more, cut from their end into pieces of `max_length` + 1 that share one item."""
    lengths = histories.lengths
    pieces = np.where(lengths >= 2, -(-(lengths - 1) // max_length), 0)
    owner = np.repeat(np.arange(len(histories)), pieces)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    end = histories.starts[1:][owner] - number * max_length
    begin = np.maximum(histories.starts[owner], end - max_length - 1)
    size = end - begin
    starts = np.concatenate([[0], np.cumsum(size)])
    at = np.repeat(begin, size) + np.arange(starts[-1]) - np.repeat(starts[:-1], size)
    return Histories(starts, histories.items[at])


def _batches(windows: Histories, size: int, rng: np.random.Generator) -> "list[Histories]":
    """Windows of like length together (padding is work for nothing), in an order of chance."""
    order = np.argsort(windows.lengths + rng.random(len(windows)) * 2.0, kind="stable")
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    rng.shuffle(batches)
    return [windows.take(batch) for batch in batches]


def _loss(table: "Tensor", encoder: Any, batch: Histories, cfg: Config, rng: np.random.Generator) -> "Tensor":
    """Mean cross-entropy of each next item among those of the batch and `cfg.negatives` sampled ones.

    The sampled stand for all items that are not in the batch: their logits are raised by the logarithm of how many each
    stands for, so that the softmax estimates the one over all items.
    """
    import torch
    from torch.nn import functional as F

    grid, lengths = padded(batch, cfg.max_length + 1)
    told = torch.from_numpy(np.arange(grid.shape[1] - 1)[None, :] < (lengths - 1)[:, None])
    state = encoder(F.embedding(torch.from_numpy(grid[:, :-1]), table))[told]
    target = grid[:, 1:][told.numpy()]
    here = np.unique(target)
    n_items = table.shape[0]
    others = np.setdiff1d(rng.choice(n_items, min(cfg.negatives, n_items), replace=False), here)
    rows = F.embedding(torch.from_numpy(np.concatenate([here, others])), table)
    stands_for = torch.zeros(len(rows))
    if others.size:
        stands_for[here.size :] = float(np.log((n_items - here.size) / others.size))
    place = torch.from_numpy(np.searchsorted(here, target))
    # Piece by piece: tensors of tens of megabytes are fetched from and given back to the system at each step.
    pieces = [
        F.cross_entropy(part @ rows.T + stands_for, wanted, reduction="sum")
        for part, wanted in zip(torch.split(state, LOGIT_ROWS), torch.split(place, LOGIT_ROWS), strict=True)
    ]
    return torch.stack(pieces).sum() / len(place)


def _schedule(steps: int) -> Any:
    def factor(step: int) -> float:
        cosine = 0.5 * (1.0 + np.cos(np.pi * min(1.0, step / steps)))
        return float(min(1.0, (step + 1) / (1 + WARM_UP_SHARE * steps)) * max(LAST_RATE, cosine))

    return factor


def _exported(encoder: Any, cfg: Config) -> bytes:
    """Return the graph X (N, T, d) -> Y (N, T, d), N and T <= max_length free; ExportError if its answers differ."""
    import torch

    shapes = {
        "items": {0: torch.export.Dim("N", min=1, max=1 << 20), 1: torch.export.Dim("T", min=1, max=cfg.max_length)}
    }
    example = torch.randn(3, min(7, cfg.max_length), cfg.width)
    try:
        graph = onnx_bytes(encoder, (example,), inputs=["X"], outputs=["Y"], shapes=shapes, threads=cfg.threads)
    except RuntimeError as error:
        raise ExportError(f"sequence network: {error}") from error
    lengths = sorted({1, 2, cfg.max_length})
    check_graph("sequence network", graph, encoder, [torch.randn(4, length, cfg.width).numpy() for length in lengths])
    return graph


def check_graph(name: str, graph: bytes, module: Any, samples: "Sequence[Floats]") -> None:
    """ExportError if the graph answers to X otherwise than the torch module."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for sample in samples:
        with torch.no_grad():
            wanted = module(torch.from_numpy(sample)).numpy()
        worst = float(np.abs(session.run(["Y"], {"X": sample})[0] - wanted).max())
        if not worst <= PARITY_TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise ExportError(
                f"{name}, input {sample.shape}: graph and torch differ by {worst:.1e} > {PARITY_TOLERANCE} of the largest "
                "answer: pin another torch or ONNX Runtime"
            )
