"""Fitting the network: where each path looked, whether it stopped, and what was left of its stop, in one loss."""

from typing import TYPE_CHECKING, Any

import numpy as np

from models.behaviour.batches import INPUTS, OUTPUTS, assemble, by_length, grid
from models.behaviour.config import Config
from models.behaviour.data import Dataset
from models.behaviour.sequences import inputs_of
from models.behaviour.shop import Ints
from models.behaviour.spec import LEVELS
from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import onnx_bytes, torch_controlled

if TYPE_CHECKING:
    from torch import Tensor

    from models.behaviour.model import Watcher

WARM_UP = 0.25  # share of the steps in which the learning rate rises
LEAST_SPREAD = 1e-3


def fit(data: Dataset, cfg: Config, paths: Ints, *, seed: int, on_progress: ProgressCallback = silent) -> "Watcher":
    """A network fitted to some paths (N,)."""
    import torch

    from models.behaviour.model import Watcher

    rng = np.random.default_rng(seed)
    with torch_controlled(cfg.threads, seed):
        network = Watcher(data.shop, inputs_of(data.shop), cfg.width, cfg.dropout)
        known = data.steps.inputs[np.isin(data.steps.path, paths)]
        network.center.copy_(torch.from_numpy(known.mean(axis=0)))
        network.spread.copy_(torch.from_numpy(known.std(axis=0) + np.float32(LEAST_SPREAD)))
        batches = [paths[each] for each in by_length(data.steps.lengths[paths], cfg.batch)]
        optimizer: Any = torch.optim.AdamW(network.parameters(), lr=cfg.learning_rate, weight_decay=cfg.weight_decay)
        rates = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, cfg.learning_rate, total_steps=cfg.epochs * len(batches), pct_start=WARM_UP
        )
        network.train()
        for epoch in range(cfg.epochs):
            for number in rng.permutation(len(batches)):
                loss = _loss(network, data, cfg, batches[number])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), cfg.clip_norm)
                optimizer.step()
                rates.step()
            on_progress(f"network, epoch {epoch + 1} of {cfg.epochs}", (epoch + 1) / cfg.epochs)
        network.eval()
    return network


def _loss(network: "Watcher", data: Dataset, cfg: Config, paths: Ints) -> "Tensor":
    """Cross entropy of lanes and of stops at the steps near a gondola, and pinball loss of what was left at those of stops.

    Told for a usual path: in batches of like length a step of a long path counts as much as one of a short path.
    """
    import torch
    from torch.nn import functional

    fed = assemble(data.steps, paths, data.shop.gondolas)
    scores, stop, left = network(*(torch.from_numpy(fed[name]) for name in INPUTS))
    place, known = grid(data.steps, paths)
    near = torch.from_numpy(known & (fed["faced"] < data.shop.gondolas))
    targets = data.targets
    looked, stays, remaining = (
        torch.from_numpy(each[place]) for each in (targets.looked, targets.stays, targets.remaining_s)
    )
    lanes = functional.cross_entropy(scores[near], looked[near], reduction="sum")
    stops = functional.binary_cross_entropy_with_logits(stop[near], stays[near].float(), reduction="sum")
    under_way = near & stays
    off = remaining[under_way].float()[:, None] / data.left_scale_s - left[under_way]
    levels = torch.tensor(LEVELS)
    rest = torch.maximum(levels * off, (levels - 1) * off).mean(dim=1).sum()
    usual = len(paths) * len(data.steps.path) / len(data.day)
    loss: Tensor = (lanes + stops + cfg.left_weight * rest) / usual
    return loss


def to_graph(network: "Watcher", data: Dataset, threads: int) -> bytes:
    """The network as ONNX, numbers of paths B and of steps T free."""
    import torch

    count, steps = torch.export.Dim("B", min=1, max=65_536), torch.export.Dim("T", min=2, max=65_536)
    fed = assemble(data.steps, np.arange(2), data.shop.gondolas)
    return onnx_bytes(
        network,
        tuple(torch.from_numpy(fed[name]) for name in INPUTS),
        inputs=list(INPUTS),
        outputs=list(OUTPUTS),
        shapes={name: {0: count, 1: steps} for name in INPUTS},
        threads=threads,
    )
