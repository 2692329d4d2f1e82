"""Rows that boosters are fitted on: sampled from the panel, assembled, and turned into targets and weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.forecaster.config import Config
from models.forecaster.data import Dataset, FeatureMatrix, Panel, assemble
from models.forecaster.effects import Effects
from models.forecaster.model import Loss, Rows
from models.forecaster.selection import MIN_SERIES, Chosen, choose_features
from models.forecaster.sources import feature_sources

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
SCALE_FLOOR_QUANTILE = 0.01
CHOICE_ROWS = 40_000  # rows that features are chosen by
# Of single units so many tell as much: three seeds of a twin of 1,500 series, rmse 3.656 and 3.660, deviance 1.683 and
# 1.685, pinball losses 0.288 and 0.288, 0.861 and 0.859, 0.515 and 0.512.
CHOICE_ROWS_OF_COUNTS = 20_000
# X (M, F), value (M,), scale (M,), short (M,): True where the value is the least that was wanted
ModelRows = tuple[npt.NDArray[np.float32], Float, Float, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Kind:
    """What targets are: their loss, whether whole units, whether never below 0, and the least scale."""

    loss: Loss
    counts: bool
    non_negative: bool
    floor: float

    def refits(self, wanted: bool | None) -> bool:
        """Whether the validation periods are fitted on too in the end, where a config leaves it open (None)."""
        return not self.counts if wanted is None else wanted


@dataclass(frozen=True)
class Assembler:
    """Rows of the panel by (pair, column of the target) with what all of them share."""

    panel: Panel
    cfg: Config
    floor: float
    target: Float
    short: npt.NDArray[np.bool_]  # (N, H)
    effects: Effects | None = None

    def matrix(self, pair: Ints, column: Ints, names: tuple[str, ...] | None = None) -> FeatureMatrix:
        return assemble(
            self.panel.state,
            self.panel.known_future,
            origin=self.panel.origin,
            horizon=self.cfg.horizon,
            frequency=self.cfg.frequency,
            scale_floor=self.floor,
            feature_names=names,
            rows=(pair, column + 1),
            effects=self.effects,
        )

    def rows(self, pair: Ints, column: Ints, names: tuple[str, ...]) -> ModelRows:
        matrix = self.matrix(pair, column, names)
        return matrix.X, self.target[pair, column], matrix.scale, self.short[pair, column]


def choose(
    assembler: Assembler, pair: Ints, column: Ints, cfg: Config, kind: Kind, *, rng: np.random.Generator, seed: int
) -> Chosen:
    """The features to train on, by a sample of the training rows."""
    loss = kind.loss
    part = sample(np.arange(pair.size), CHOICE_ROWS_OF_COUNTS if kind.counts else CHOICE_ROWS, rng)
    part = part[~assembler.short[pair[part], column[part]]]
    matrix = assembler.matrix(pair[part], column[part])
    rows = mean_rows(
        (matrix.X, assembler.target[pair[part], column[part]], matrix.scale, np.zeros(part.size, bool)), loss
    )
    panel = assembler.panel
    many = np.unique(panel.series).size >= MIN_SERIES
    sources = feature_sources(tuple(sorted(panel.state)), tuple(sorted(panel.known_future)), cfg.frequency)
    return choose_features(
        matrix,
        rows,
        cfg,
        loss,
        seed=seed,
        origin=panel.period[pair[part]] if many else None,
        of_origin=[name for name, source in sources.items() if source.kind == "plain"],
        # The fewer units are sold, the further apart lie their quantiles in units of the scale, which no mean shows.
        always=("scale",) if kind.counts else (),
    )


def joined(first: ModelRows, second: ModelRows) -> ModelRows:
    """The rows of both."""
    X, value, scale, short = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return X, value, scale, short


def told(rows: ModelRows) -> ModelRows:
    """The rows whose value is what was wanted."""
    X, value, scale, short = rows
    return rows if not short.any() else (X[~short], value[~short], scale[~short], short[~short])


def mean_rows(rows: ModelRows, loss: Loss) -> Rows:
    """Targets and weights of the mean, days that were cut short among them."""
    X, value, scale, short = rows
    weight = scale if loss == "poisson" else np.ones_like(scale)
    bounds = (short, scale) if short.any() else (None, None)
    return Rows(X, value / scale, weight / weight.mean(), *bounds)


def quantile_rows(rows: ModelRows, counts: bool, bound: int, rng: np.random.Generator) -> Rows:
    """Targets of a quantile, at most `bound` of them: counts are spread over one unit."""
    X, value, scale, _ = told(rows)
    kept = sample(np.arange(value.size), bound, rng)
    jitter = rng.random(kept.size) - 0.5 if counts else 0.0
    return Rows(X[kept], (value[kept] + jitter) / scale[kept], np.ones(kept.size))


def kind_of(data: Dataset, cfg: Config) -> Kind:
    """What the targets before the cutoff are; DataError if `cfg.loss` cannot be theirs."""
    counts, non_negative = _value_kind(data)
    loss: Loss = cfg.loss if cfg.loss != "auto" else ("poisson" if non_negative else "squared")
    if loss == "poisson" and not non_negative:
        raise DataError("sales.value: values below 0 with loss='poisson': choose loss='squared' or mend the table")
    # A series that sold nothing lately has next to no scale; its first sale must not look like a thousandfold one.
    floor = 1.0 if counts else float(np.quantile(data.panel.state["scale"], SCALE_FLOOR_QUANTILE))
    return Kind(loss, counts, non_negative, floor)


def _value_kind(data: Dataset) -> tuple[bool, bool]:
    """(whole units?, never negative?) of the usable values before the cutoff."""
    known = data.values[:, : data.test_period][data.usable[:, : data.test_period]]
    if known.size == 0:
        raise DataError(
            "sales: 0 open, uncensored, known values before the cutoff: check the columns open, censored and value"
        )
    non_negative = bool(known.min() >= 0)
    return data.unit == "units" and non_negative and bool(np.all(known == np.round(known))), non_negative


def sample(index: Ints, bound: int, rng: np.random.Generator) -> Ints:
    return index if index.size <= bound else np.sort(rng.choice(index, size=bound, replace=False))
