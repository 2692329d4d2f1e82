"""Whole pairs for the networks: which are trained and validated on, and their features laid out by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.forecaster.config import Config
from models.forecaster.data import Dataset, Panel, assemble
from models.forecaster.effects import Effects
from models.forecaster.model import Loss, Rows
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.rows import CHOICE_ROWS, Kind, kind_of, sample
from models.forecaster.selection import choose_features
from models.forecaster.series import KnownSeries, known_series

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
MIN_KNOWN_SHARE = 0.5  # of the horizon must lie before the validation periods for a pair to be trained on


class GridsError(ValueError):
    """Arrays that no network can be fitted on or run with; the message names shape, bound and remedy."""


@dataclass(frozen=True)
class Grids:
    """N pairs x H steps: X (N, H, F) float32, NaN where unknown; value (N, H), NaN where unusable; scale (N, H) > 0.

    Where series are known, the last column of X is the place of each pair's among them.
    """

    X: npt.NDArray[np.float32]
    value: Float
    scale: Float

    def __post_init__(self) -> None:
        if self.X.ndim != 3 or 0 in self.X.shape[1:] or self.X.dtype != np.float32:
            raise GridsError(f"X: shape {self.X.shape}, type {self.X.dtype}: expected (N, H, F) float32 with H, F >= 1")
        for name, values in (("value", self.value), ("scale", self.scale)):
            if values.shape != self.X.shape[:2]:
                raise GridsError(f"{name}: shape {values.shape}: expected {self.X.shape[:2]}, one for every step of X")
        if infinite := int(np.isinf(self.X).sum() + np.isinf(self.value).sum()):
            raise GridsError(f"X, value: {infinite} values are infinite: use NaN for what is unknown")
        if bad := int((~(np.isfinite(self.scale) & (self.scale > 0))).sum()):
            raise GridsError(f"scale: {bad} of {self.scale.size} are missing or <= 0: every target needs its divisor")

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, index: Any) -> "Grids":
        """The pairs at `index` (integers or a mask over N)."""
        return Grids(self.X[index], self.value[index], self.scale[index])


@dataclass(frozen=True)
class Prepared:
    """Grids of the periods before the cutoff and what a forecast needs to know beside them."""

    train: Grids
    valid: Grids
    judged: Ints  # index of the validation pairs in the panel
    names: tuple[str, ...]
    kind: Kind
    series: KnownSeries | None  # those whose own response is learnt; None: they cannot be told apart


def prepare_grids(
    data: Dataset,
    config: Config,
    cfg: NetworkConfig,
    *,
    names: Sequence[str] | None = None,
    effects: Effects | None = None,
    newest: bool = False,
    seed: int,
) -> Prepared:
    """Training and validation pairs of `data`, at most `cfg.max_pairs` and `cfg.validation_pairs`, sampled by the seed.

    A pair trains if most of its targets lie before `validation_start`, and validates if they begin there; targets on the
    wrong side of a boundary are NaN, so that none on or after `test_start` is ever read. names: the features, default
    those that the trees would choose. newest: train on the validation periods too and keep no pair aside. DataError if
    there is no pair to train on.
    """
    rng = np.random.default_rng(seed)
    kind = kind_of(data, config)
    loss, floor = kind.loss, kind.floor
    validation = data.test_period if newest else int(np.searchsorted(data.periods, data.split.validation_start))
    past, held = _targets(data, data.panel, 0, validation), _targets(data, data.panel, validation, data.test_period)
    ends = data.panel.period + max(1, round(MIN_KNOWN_SHARE * config.horizon))
    training = np.flatnonzero((ends < validation) & ~np.isnan(past).all(axis=1))
    judged = np.flatnonzero((data.panel.period >= validation - 1) & ~np.isnan(held).all(axis=1))
    if training.size == 0:
        end = data.split.test_start if newest else data.split.validation_start
        raise DataError(
            f"0 of {len(data.panel)} (series, origin) pairs have half of their {config.horizon} targets before "
            f"{end} and one of them usable: give a longer history or a shorter horizon"
        )
    training, judged = sample(training, cfg.max_pairs, rng), sample(judged, cfg.validation_pairs, rng)
    chosen = (
        tuple(names)
        if names is not None
        else _names(data, config, training, past, floor=floor, loss=loss, rng=rng, seed=seed)
    )

    series = _series_to_know(data.panel, cfg)

    def grids(pairs: Ints, targets: Float) -> Grids:
        return grid_of(data.panel.take(pairs), config, chosen, targets[pairs], series, floor=floor, effects=effects)

    return Prepared(grids(training, past), grids(judged, held), judged, chosen, kind, series)


def _series_to_know(panel: Panel, cfg: NetworkConfig) -> KnownSeries | None:
    """The series whose own response is learnt: the same whichever periods are trained on."""
    if not cfg.series_width:
        return None
    series = known_series(panel.state, panel.series)
    pairs = min(len(panel), cfg.max_pairs)
    return series if series is not None and pairs >= cfg.min_pairs_of_series * len(series) else None


def grid_of(
    panel: Panel,
    config: Config,
    names: Sequence[str],
    value: Float,
    series: KnownSeries | None = None,
    *,
    floor: float,
    effects: Effects | None = None,
) -> Grids:
    """Features `names` (F,) of N pairs, X (N, H, F), beside them their place in `series`, with their targets `value` (N, H)."""
    matrix = assemble(
        panel.state,
        panel.known_future,
        origin=panel.origin,
        horizon=config.horizon,
        frequency=config.frequency,
        scale_floor=floor,
        feature_names=tuple(names),
        effects=effects,
    )
    shape = (len(panel), config.horizon)
    X = matrix.X.reshape(*shape, len(names))
    return Grids(X if series is None else series.beside(X, panel.state), value, matrix.scale.reshape(shape))


def _targets(data: Dataset, panel: Panel, first: int, end: int) -> Float:
    """Usable sales (N, H) of the target periods first <= p < end, NaN elsewhere."""
    period = panel.period[:, None] + np.arange(1, data.horizon + 1)
    return np.where((period >= first) & (period < end), data.targets(panel), np.nan)


def _names(
    data: Dataset,
    config: Config,
    training: Ints,
    past: Float,
    *,
    floor: float,
    loss: Loss,
    rng: np.random.Generator,
    seed: int,
) -> tuple[str, ...]:
    """The features that `selection` chooses for the trees, by rows of the training pairs."""
    pair, column = np.nonzero(~np.isnan(past[training]))
    part = sample(np.arange(pair.size), CHOICE_ROWS, rng)
    pair, column = training[pair[part]], column[part]
    matrix = assemble(
        data.panel.state,
        data.panel.known_future,
        origin=data.panel.origin,
        horizon=config.horizon,
        frequency=config.frequency,
        scale_floor=floor,
        rows=(pair, column + 1),
    )
    weight = matrix.scale if loss == "poisson" else np.ones_like(matrix.scale)
    rows = Rows(matrix.X, past[pair, column] / matrix.scale, weight / weight.mean())
    return choose_features(matrix, rows, config, loss, seed=seed).names
