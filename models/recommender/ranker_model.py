"""Architecture of the ranker (torch): a weighted sum of features beside a small network over them and their quantiles."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SMALLEST = 1e-6  # a feature that never moves is not divided by its spread

Floats = npt.NDArray[np.float32]


class WideDeep(nn.Module):
    """Features (N, C, F) of candidates to scores (N, C)."""

    def __init__(self, mean: Floats, spread: Floats, edges: Floats, start: Floats, hidden: int, dropout: float) -> None:
        """mean, spread (F,) and quantiles `edges` (F, Q) of the features in training; `start` (F,) of the wide part."""
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.edges: Tensor
        scale = np.maximum(spread, SMALLEST)
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("spread", torch.from_numpy(scale.astype(np.float32)))
        self.register_buffer("edges", torch.from_numpy(edges))
        n_features = len(mean)
        self.wide = nn.Parameter(torch.from_numpy((start * scale).astype(np.float32)))
        last = nn.Linear(hidden // 2, 1)  # silent at first: the ranker starts as the mix
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.deep = nn.Sequential(
            nn.Linear(2 * n_features, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.GELU(),
            nn.Dropout(dropout),
            last,
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores; equal features, equal scores."""
        scaled = (features - self.mean) / self.spread
        below = (features[..., None] > self.edges).to(features.dtype).mean(dim=-1) * 2.0 - 1.0
        deep: Tensor = self.deep(torch.cat([scaled, below], dim=-1))
        return (scaled * self.wide).sum(dim=-1) + deep.squeeze(-1)
