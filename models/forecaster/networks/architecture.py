"""The networks: an encoding of features with gaps, an LSTM or Transformer along the horizon, and heads that never cross.

Sources: Hochreiter and Schmidhuber (1997) for the LSTM, Schuster and Paliwal (1997) for both directions of it; Vaswani
et al. (2017) for attention, Xiong et al. (2020) for normalising before it, Press et al. (2022) for distance in it; Rendle
(2010) for a series and a step that meet in a product of few factors, Guo and Berkhahn (2016) for learnt numbers of a shop.
Imports torch: only functions import this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.forecaster.config import NetworkKind
from models.forecaster.model import Loss
from models.forecaster.networks.config import NetworkConfig

LOG_BOUND = (
    6.0  # a mean lies within exp(+-6) of the divisor, and of what its series does to it: beyond it a gradient is noise
)
RESPONSE_BOUND = 2.0  # of the logarithm by which a series differs
NARROWEST = 0.02  # distance of the outer quantiles that a head begins with: a softplus near 0 learns nothing
RARELY = 0.005  # a mask that is (nearly) always on or off tells nothing
TAILS = (0.25, 0.75, 0.05, 0.95)  # spreads, the next one where the last is 0


@dataclass(frozen=True)
class Normalisation:
    """What the encoding learns from training rows: centre, spread (F,), masked columns (K,), categories (C,) each."""

    centre: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    masked: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    category: npt.NDArray[np.float32]


def normalisation(rows: npt.NDArray[np.float32], max_categories: int) -> Normalisation:
    """Learn the encoding of rows (M, F): median and interquartile range, which features have gaps or categories."""
    missing = np.isnan(rows)
    share = missing.mean(axis=0)
    centre, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    columns: list[int] = []
    categories: list[float] = []
    for index in range(rows.shape[1]):
        known = rows[~missing[:, index], index].astype(np.float64)
        if known.size == 0:
            continue
        centre[index] = np.median(known)
        tails = np.quantile(known, TAILS)
        widths = [high - low for low, high in zip(tails[::2], tails[1::2], strict=True)]
        # A flag that is hardly ever set is far out where it is (to the bound), or a few rows would never be learnt from.
        spread[index] = next((width for width in (*widths, known.std()) if width > 0), 1.0)
        found = np.unique(known)
        if 2 < found.size <= max_categories and np.array_equal(found, np.round(found)):
            columns += [index] * found.size
            categories += found.tolist()
    return Normalisation(
        centre.astype(np.float32),
        spread.astype(np.float32),
        np.flatnonzero((share > RARELY) & (share < 1 - RARELY)),
        np.asarray(columns, dtype=np.int64),
        np.asarray(categories, dtype=np.float32),
    )


class Encoding(nn.Module):
    """X (N, H, F) with NaN -> (N, H, E): clipped robust scores, 0 where unknown, masks of gaps, one column a category."""

    centre: Tensor
    spread: Tensor
    masked: Tensor
    column: Tensor
    category: Tensor

    def __init__(self, known: Normalisation, cfg: NetworkConfig) -> None:
        super().__init__()
        for name in ("centre", "spread", "masked", "column", "category"):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(getattr(known, name))))
        self.bound = cfg.input_bound
        self.width = known.centre.size + known.masked.size + known.column.size

    def forward(self, X: Tensor) -> Tensor:
        missing = torch.isnan(X)
        score = torch.where(missing, self.centre.expand_as(X), X)
        parts = [((score - self.centre) / self.spread).clamp(-self.bound, self.bound)]
        if self.masked.numel():
            parts.append(missing.index_select(2, self.masked).to(X.dtype))
        if self.column.numel():
            parts.append((X.index_select(2, self.column) == self.category).to(X.dtype))
        return torch.cat(parts, dim=2)


class SeriesResponse(nn.Module):
    """(N, H, E), place (N,) -> (N, H, 1) > 0: by how much a step moves this series more than it moves all.

    The logarithm is a product of few factors, those of the step and those of the series. A series begins at 0 and is left
    there where nothing was learnt of it, as is the last place, of those that nobody knows.
    """

    def __init__(self, inputs: int, n_series: int, cfg: NetworkConfig) -> None:
        super().__init__()
        self.n_series, self.hidden_share = n_series, cfg.series_dropout
        self.own = nn.Embedding(n_series + 1, cfg.series_width, padding_idx=n_series)  # no gradient there
        nn.init.zeros_(self.own.weight)
        self.step = nn.Sequential(
            nn.Linear(inputs, cfg.hidden),
            nn.GELU(),
            nn.Dropout(cfg.dropout),
            nn.Linear(cfg.hidden, cfg.series_width),
        )

    def forward(self, encoded: Tensor, place: Tensor) -> Tensor:
        at = torch.where(torch.isnan(place), self.n_series, place).long()
        if self.training and self.hidden_share > 0:
            at = torch.where(torch.rand(at.shape) < self.hidden_share, self.n_series, at)
        met = (self.step(encoded) * self.own(at)[:, None, :]).sum(dim=2, keepdim=True)
        return torch.exp(RESPONSE_BOUND * torch.tanh(met / RESPONSE_BOUND))


class LstmTrunk(nn.Module):
    """(N, H, E) -> (N, H, D): both directions of the horizon, for every covariate of it is known ahead."""

    def __init__(self, inputs: int, cfg: NetworkConfig) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, cfg.hidden)
        self.lstm = nn.LSTM(
            cfg.hidden,
            cfg.hidden,
            num_layers=cfg.lstm_layers,
            dropout=cfg.dropout if cfg.lstm_layers > 1 else 0.0,
            bidirectional=True,
            batch_first=True,
        )
        self.mix = nn.Linear(3 * cfg.hidden, cfg.hidden)
        self.drop = nn.Dropout(cfg.dropout)

    def forward(self, encoded: Tensor) -> Tensor:
        step = self.drop(nn.functional.gelu(self.project(encoded)))
        both, _ = self.lstm(step)
        # The step itself goes round the recurrence: most of a forecast is what the trees see in a single row.
        mixed: Tensor = self.drop(nn.functional.gelu(self.mix(torch.cat([step, both], dim=2))))
        return mixed


class AttentionBlock(nn.Module):
    """(N, H, D) -> (N, H, D): every step attends to all, less to distant ones, then passes two layers of its own."""

    slope: Tensor

    def __init__(self, cfg: NetworkConfig) -> None:
        super().__init__()
        self.heads, self.width = cfg.heads, cfg.hidden // cfg.heads
        self.before, self.between = nn.LayerNorm(cfg.hidden), nn.LayerNorm(cfg.hidden)
        self.query_key_value = nn.Linear(cfg.hidden, 3 * cfg.hidden)
        self.out = nn.Linear(cfg.hidden, cfg.hidden)
        self.feed = nn.Sequential(
            nn.Linear(cfg.hidden, 2 * cfg.hidden),
            nn.GELU(),
            nn.Dropout(cfg.dropout),
            nn.Linear(2 * cfg.hidden, cfg.hidden),
        )
        self.drop = nn.Dropout(cfg.dropout)
        # What a step of distance takes from a score: half in the first head, half of that in the next, and so on.
        self.register_buffer("slope", 0.5 ** torch.arange(1, cfg.heads + 1, dtype=torch.float32)[:, None, None])

    def forward(self, steps: Tensor) -> Tensor:
        parts = self.query_key_value(self.before(steps)).unflatten(2, (3, self.heads, self.width))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, H, D / heads) each
        place = torch.arange(steps.shape[1], dtype=steps.dtype)
        distance = (place[:, None] - place[None, :]).abs()
        score = query @ key.transpose(2, 3) / self.width**0.5 - self.slope * distance
        seen = (score.softmax(dim=3) @ value).transpose(1, 2).flatten(2)
        steps = steps + self.drop(self.out(seen))
        answer: Tensor = steps + self.drop(self.feed(self.between(steps)))
        return answer


class TransformerTrunk(nn.Module):
    """(N, H, E) -> (N, H, D): blocks of self-attention across the steps.

    Places are not learnt: they would help to know an origin by its 42 calendar days, and to learn by heart what all series
    had in common there. It still over-fits sooner than the LSTM: on Rossmann its best epoch was the fourth of seven.
    """

    def __init__(self, inputs: int, cfg: NetworkConfig) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, cfg.hidden)
        self.drop = nn.Dropout(cfg.dropout)
        self.blocks = nn.Sequential(*(AttentionBlock(cfg) for _ in range(cfg.transformer_layers)))
        self.norm = nn.LayerNorm(cfg.hidden)

    def forward(self, encoded: Tensor) -> Tensor:
        steps: Tensor = self.norm(self.blocks(self.drop(nn.functional.gelu(self.project(encoded)))))
        return steps


class QuantileHead(nn.Module):
    """(N, H, D) -> (N, H, 4): mean, q10, q50, q90 in units of the scale, q10 <= q50 <= q90 by construction.

    The median is told as its distance from the mean, which that loss may not move here (the response of a series, which
    multiplies all four, hears of all losses), and the outer two by their distances from the median. start: the four of the
    training targets, which an unlearnt head says.
    """

    def __init__(self, width: int, loss: Loss, start: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 4)
        self.poisson = loss == "poisson"
        mean, low, middle, high = start.tolist()
        first = float(np.log(max(mean, 1e-3))) if self.poisson else mean
        gaps = [float(np.log(np.expm1(max(gap, NARROWEST)))) for gap in (middle - low, high - middle)]
        with torch.no_grad():
            self.linear.weight.mul_(0.1)
            self.linear.bias.copy_(torch.tensor([first, middle - mean, *gaps]))

    def forward(self, steps: Tensor) -> Tensor:
        raw = self.linear(steps)
        mean = raw[..., 0:1]
        if self.poisson:
            mean = mean.clamp(-LOG_BOUND, LOG_BOUND).exp()
        middle = mean.detach() + raw[..., 1:2]
        gap = nn.functional.softplus(raw[..., 2:4])
        return torch.cat([mean, middle - gap[..., 0:1], middle, middle + gap[..., 1:2]], dim=2)


class Generator(nn.Module):
    """X (N, H, F) float32, NaN where unknown -> Y (N, H, 4): what is exported, and free of noise.

    n_series: with any, X has one more column, the place of the pair's series among them.
    """

    def __init__(
        self,
        kind: NetworkKind,
        known: Normalisation,
        *,
        loss: Loss,
        start: npt.NDArray[np.float64],
        n_series: int = 0,
        cfg: NetworkConfig,
    ) -> None:
        super().__init__()
        self.n_features = known.centre.size
        self.encoding = Encoding(known, cfg)
        self.hidden_share = cfg.feature_dropout
        width = self.encoding.width
        self.trunk: nn.Module = TransformerTrunk(width, cfg) if kind == "transformer" else LstmTrunk(width, cfg)
        self.head = QuantileHead(cfg.hidden, loss, start)
        self.response = SeriesResponse(width, n_series, cfg) if n_series else None

    def encoded(self, X: Tensor) -> Tensor:
        """The features (N, H, E), without the series."""
        encoding: Tensor = self.encoding(X[:, :, : self.n_features])
        return encoding

    def forward(self, X: Tensor) -> Tensor:
        place = X[:, 0, -1]
        if self.training and self.hidden_share > 0:
            X = X.masked_fill(torch.rand((X.shape[0], 1, X.shape[2])) < self.hidden_share, torch.nan)
        encoded = self.encoded(X)
        answer: Tensor = self.head(self.trunk(encoded))
        return answer if self.response is None else answer * self.response(encoded, place)


class Ensemble(nn.Module):
    """Generators of the same features as one: the average of what they say, (N, H, 4)."""

    def __init__(self, generators: Sequence[nn.Module]) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)

    def forward(self, X: Tensor) -> Tensor:
        return torch.stack([generator(X) for generator in self.generators]).mean(dim=0)


def weights_of(module: nn.Module) -> dict[str, Any]:
    """A copy of the state, to come back to."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def blend_weights(target: nn.Module, source: nn.Module, share: float) -> None:
    """Move the weights of `target` towards those of `source` by `share` of the way."""
    with torch.no_grad():
        for own, other in zip(target.parameters(), source.parameters(), strict=True):
            own.lerp_(other, share)
