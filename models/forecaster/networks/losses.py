"""What a network is fitted by: the trees' loss of the mean and the pinball loss of each quantile, over known steps.

Koenker and Bassett (1978) for the quantiles, Machado and Santos Silva (2005) for the jitter of counts; Poisson
quasi-likelihood with the scale as exposure as in `models.forecaster.model`. Imports torch: only functions import this.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.forecaster.config import QUANTILES
from models.forecaster.model import Loss
from models.forecaster.networks.grids import Grids

SMALLEST = 1e-6  # a mean whose logarithm is taken


@dataclass(frozen=True)
class Batch:
    """B pairs: X (B, H, F), target (B, H) in units of the scale with 0 where unknown, known and weight (B, H).

    unit (B, H): one unit sold, in units of the scale, over which counts are jittered; 0 for what is no count.
    """

    X: Tensor
    target: Tensor
    known: Tensor
    weight: Tensor
    unit: Tensor

    def take(self, index: Tensor) -> "Batch":
        """The pairs at `index`."""
        parts = (self.X, self.target, self.known, self.weight, self.unit)
        return Batch(*(part.index_select(0, index) for part in parts))

    def jittered(self, noise: torch.Generator) -> Tensor:
        """Targets (B, H) with counts spread evenly over +-1/2."""
        return self.target + self.unit * (torch.rand(self.target.shape, generator=noise) - 0.5)


def batch_of(grids: Grids, loss: Loss, counts: bool, weight: float | None = None) -> Batch:
    """All pairs of `grids` as one batch. weight: mean weight of the training targets, default that of these."""
    known = ~np.isnan(grids.value)
    target = np.where(known, grids.value / grids.scale, 0.0)
    exposure = grids.scale if loss == "poisson" else np.ones_like(grids.scale)
    level = mean_exposure(grids, loss) if weight is None else weight
    unit = 1.0 / grids.scale if counts else np.zeros_like(grids.scale)
    tensors = [torch.from_numpy(part.astype(np.float32)) for part in (target, exposure / level, unit)]
    return Batch(torch.from_numpy(grids.X), tensors[0], torch.from_numpy(known), tensors[1], tensors[2])


def mean_exposure(grids: Grids, loss: Loss) -> float:
    """Mean weight of the known targets, by which weights are divided."""
    return float(grids.scale[~np.isnan(grids.value)].mean()) if loss == "poisson" else 1.0


def forecast_loss(answer: Tensor, batch: Batch, jittered: Tensor, *, loss: Loss, quantile_weight: float) -> Tensor:
    """Mean over the known targets of the loss of the mean and the weighted pinball losses. answer (B, H, 4)."""
    known = batch.known.to(answer.dtype)
    mean, target = answer[..., 0], batch.target
    if loss == "poisson":
        # The constant makes a perfect forecast cost 0, which keeps the figure readable.
        whole = torch.where(target > 0, target * (target.clamp_min(SMALLEST).log() - 1), torch.zeros(()))
        error = mean - target * mean.clamp_min(SMALLEST).log() + whole
    else:
        error = 0.5 * (mean - target) ** 2
    levels = answer.new_tensor(QUANTILES)
    over = jittered[..., None] - answer[..., 1:]
    pinball = torch.maximum(levels * over, (levels - 1) * over).sum(dim=2)
    total = (batch.weight * error + quantile_weight * pinball) * known
    return total.sum() / known.sum().clamp_min(1.0)
