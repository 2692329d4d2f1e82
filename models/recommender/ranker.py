"""The Wide & Deep ranker (Cheng et al. 2016): re-orders the best items of the mix by all that is known of them.

Wide is a weighted sum of the features, which starts as the mix itself; deep is a small network over the features and over
where each lies among those of training (its quantile), which does not care how a feature is spread. Both are told by the
items that customers took next, ranked by parts that had not seen them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import onnx_bytes, torch_controlled
from models.recommender.candidates import FEATURES
from models.recommender.config import Config
from models.recommender.histories import Ints

if TYPE_CHECKING:
    from torch import nn

QUANTILES = 32
WIDE_START = 0.4  # of the mix's own weight: the deep part has to have a say from the start
LAST_RATE = 0.02  # of the learning rate, at the end
MIN_CUSTOMERS = 200  # whose item is among the candidates; fewer teach nothing that the mix does not know


@dataclass(frozen=True)
class Ranker:
    """A fitted ranker as ONNX bytes: X (N, C, F) float32 -> Y (N, C)."""

    graph: bytes
    losses: tuple[float, ...]


def fit_ranker(
    features: npt.NDArray[np.float32],
    items: Ints,
    target: Ints,
    cfg: Config,
    *,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> Ranker | None:
    """Fit on features (N, C, F) of candidates (N, C), -1 in empty places, and the item (N,) each customer took.

    Customers whose item is no candidate are left out; None where fewer than 200 remain. Loss: softmax over the candidates.
    """
    import torch
    from torch.nn import functional as F

    hit = items == target[:, None]
    rows = np.flatnonzero(hit.any(axis=1))
    if rows.size < MIN_CUSTOMERS:
        return None
    X, empty, place = features[rows], items[rows] < 0, hit[rows].argmax(axis=1)
    rng = np.random.default_rng(seed)
    with torch_controlled(cfg.threads, seed):
        module = _module(X[~empty], cfg)
        optimizer = torch.optim.AdamW(module.parameters(), lr=cfg.ranker_rate, weight_decay=1e-4)
        per_epoch = -(-rows.size // cfg.batch)
        steps, losses = per_epoch * cfg.ranker_epochs, []
        for epoch in range(cfg.ranker_epochs):
            total = 0.0
            for number, batch in enumerate(np.array_split(rng.permutation(rows.size), per_epoch)):
                for group in optimizer.param_groups:
                    group["lr"] = cfg.ranker_rate * max(LAST_RATE, 1.0 - (epoch * per_epoch + number) / steps)
                scores = module(torch.from_numpy(X[batch])).masked_fill(torch.from_numpy(empty[batch]), -1e9)
                loss = F.cross_entropy(scores, torch.from_numpy(place[batch]))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach())
            losses.append(total / per_epoch)
            on_progress(
                f"ranker: epoch {epoch + 1} of {cfg.ranker_epochs}, loss {losses[-1]:.3f}",
                (epoch + 1) / cfg.ranker_epochs,
            )
        module.eval()
        graph = _exported(module, X[:64], cfg)
    return Ranker(graph, tuple(losses))


def _module(known: npt.NDArray[np.float32], cfg: Config) -> "nn.Module":
    from models.recommender.ranker_model import WideDeep

    levels = np.linspace(0.0, 1.0, QUANTILES + 2)[1:-1]
    edges = np.quantile(known, levels, axis=0).T.astype(np.float32)  # (F, QUANTILES)
    start = np.zeros(len(FEATURES), dtype=np.float32)
    start[FEATURES.index("mix")] = WIDE_START
    return WideDeep(known.mean(axis=0), known.std(axis=0), edges, start, cfg.ranker_hidden, cfg.ranker_dropout)


def _exported(module: Any, sample: npt.NDArray[np.float32], cfg: Config) -> bytes:
    import torch

    from models.recommender.sequence import check_graph

    shapes = {"features": {0: torch.export.Dim("N", min=1, max=1 << 20), 1: torch.export.Dim("C", min=1, max=1 << 14)}}
    graph = onnx_bytes(
        module, (torch.from_numpy(sample[:3, :7]),), inputs=["X"], outputs=["Y"], shapes=shapes, threads=cfg.threads
    )
    check_graph("ranker", graph, module, [sample, sample[:1, :1], sample[:5, :3]])
    return graph
