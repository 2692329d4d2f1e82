"""The boosters: XGBoost (Chen and Guestrin 2016) on target / scale, one for the mean and one for each quantile.

Direct multi-horizon: the step is a feature, so one booster serves all steps. The mean is fitted by Poisson
(quasi-)likelihood with the scale as exposure, so that its gradient is that of the values themselves; quantiles by the pinball
loss (Koenker and Bassett 1978), for counts on the value jittered over one unit (Machado and Santos Silva 2005), which
makes the quantiles of a discrete variable well defined and lets coverage be judged exactly.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.forecaster.config import QUANTILES, Config

OUTPUTS: tuple[str, ...] = ("mean", "q10", "q50", "q90")
Loss = Literal["poisson", "squared"]
Float = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Training rows of one booster: X (M, F) float32, target (M,) = value / scale, weight (M,)."""

    X: npt.NDArray[np.float32]
    target: Float
    weight: Float


def mean_params(cfg: Config, loss: Loss, rows: Rows, seed: int) -> dict[str, Any]:
    """XGBoost parameters of the mean; it starts from the weighted mean of the target."""
    start = max(float(np.average(rows.target, weights=rows.weight)), 1e-3 if loss == "poisson" else -np.inf)
    objective = {"poisson": "count:poisson", "squared": "reg:squarederror"}[loss]
    metric = {"poisson": "poisson-nloglik", "squared": "rmse"}[loss]
    return {
        **_shared(cfg, seed),
        "objective": objective,
        "eval_metric": metric,
        "eta": cfg.learning_rate,
        "base_score": round(start, 6),
    }


def quantile_params(cfg: Config, level: float, rows: Rows, seed: int) -> dict[str, Any]:
    """XGBoost parameters of the quantile at `level`; it starts from that quantile of the target."""
    return {
        **_shared(cfg, seed),
        "objective": "reg:quantileerror",
        "quantile_alpha": level,
        "eval_metric": "quantile",
        "eta": cfg.quantile_learning_rate,
        "base_score": round(float(np.quantile(rows.target, level)), 6),
    }


def fit_booster(
    params: dict[str, Any], rows: Rows, valid: Rows | None, *, trees: int, early_stopping: int
) -> tuple[Any, int]:
    """Fit one booster, cut at its best round on `valid` (without it, all `trees`); returns it and its rounds."""
    import xgboost as xgb

    threads = params["nthread"]
    train = xgb.QuantileDMatrix(rows.X, rows.target, weight=rows.weight, nthread=threads)
    if valid is None:
        return xgb.train(params, train, num_boost_round=trees, verbose_eval=False), trees
    held = xgb.QuantileDMatrix(valid.X, valid.target, weight=valid.weight, nthread=threads, ref=train)
    booster = xgb.train(
        params,
        train,
        num_boost_round=trees,
        evals=[(held, "validation")],
        early_stopping_rounds=early_stopping,
        verbose_eval=False,
    )
    rounds = int(booster.best_iteration) + 1
    return booster[:rounds], rounds


def predict_booster(booster: Any, X: npt.NDArray[np.float32], threads: int) -> npt.NDArray[np.float32]:
    """Prediction (M,) of one booster for X (M, F), in units of the scale."""
    import xgboost as xgb

    return np.asarray(booster.predict(xgb.DMatrix(X, nthread=threads)), dtype=np.float32)


def output_level(output: str) -> float | None:
    """Quantile level of an output, None for the mean."""
    return None if output == "mean" else QUANTILES[OUTPUTS.index(output) - 1]


def _shared(cfg: Config, seed: int) -> dict[str, Any]:
    return {
        "tree_method": "hist",
        "max_depth": cfg.depth,
        "min_child_weight": cfg.min_child_weight,
        "colsample_bytree": cfg.feature_share,
        "subsample": cfg.row_share,
        "nthread": cfg.threads,
        "seed": seed,
        "verbosity": 0,
    }
