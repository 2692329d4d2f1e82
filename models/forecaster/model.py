"""The boosters: XGBoost (Chen and Guestrin 2016) on target / scale, one for the mean and one for each quantile.

Direct multi-horizon: the step is a feature, so one booster serves all steps. The mean is fitted by Poisson
(quasi-)likelihood with the scale as exposure, so that its gradient is that of the values themselves; quantiles by the pinball
loss (Koenker and Bassett 1978), for counts on the value jittered over one unit (Machado and Santos Silva 2005), which
makes the quantiles of a discrete variable well defined and lets coverage be judged exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.forecaster.censoring import FIRST_SHAPE, CensoredPoisson, mean_given_at_least
from models.forecaster.config import Config

OUTPUTS: tuple[str, ...] = ("mean", "q10", "q50", "q90")
Loss = Literal["poisson", "squared"]
START_ROUNDS = 5  # of the mean that short rows are completed by: it settles within a thousandth
Float = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Training rows of one booster: X (M, F) float32, target (M,) = value / scale, weight (M,).

    short (M,), with scale (M,): rows whose target is the least that was wanted (see `censoring`); None: there is none.
    """

    X: npt.NDArray[np.float32]
    target: Float
    weight: Float
    short: npt.NDArray[np.bool_] | None = None
    scale: Float | None = None


def mean_params(cfg: Config, loss: Loss, rows: Rows, seed: int) -> dict[str, Any]:
    """XGBoost parameters of the mean; it starts from the weighted mean of the target."""
    start = max(_start(rows), 1e-3 if loss == "poisson" else -np.inf)
    objective = {"poisson": "count:poisson", "squared": "reg:squarederror"}[loss]
    metric = {"poisson": "poisson-nloglik", "squared": "rmse"}[loss]
    return {
        **_shared(cfg, seed),
        "objective": objective,
        "eval_metric": metric,
        "eta": cfg.learning_rate,
        "base_score": round(start, 6),
    }


def _start(rows: Rows) -> float:
    """Weighted mean of the target, of short rows of what was wanted: not less than on the others, as they sold most."""
    if rows.short is None or rows.scale is None:
        return float(np.average(rows.target, weights=rows.weight))
    start = float(np.average(rows.target[~rows.short], weights=rows.weight[~rows.short]))
    scale, target = rows.scale[rows.short], rows.target.copy()
    least = rows.target[rows.short] * scale
    for _ in range(START_ROUNDS):
        target[rows.short] = mean_given_at_least(least, start * scale, FIRST_SHAPE) / scale
        start = float(np.average(target, weights=rows.weight))
    return start


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


def binned(rows: Rows, valid: Rows | None, threads: int, *, like: Any = None) -> tuple[Any, Any]:
    """The rows as XGBoost trains on them, and those of `valid` (None without any).

    Only training rows are binned: every round puts the validation rows down a tree, and to turn bins back into values for
    that took as long as to grow it. like: rows binned before, of which the bounds of the bins are taken; to find them is
    half of the work.
    """
    import xgboost as xgb

    train = xgb.QuantileDMatrix(rows.X, rows.target, weight=rows.weight, nthread=threads, ref=like)
    return train, None if valid is None else unbinned(valid, threads)


def unbinned(rows: Rows, threads: int) -> Any:
    """The rows as XGBoost puts them down its trees."""
    import xgboost as xgb

    return xgb.DMatrix(rows.X, rows.target, weight=rows.weight, nthread=threads)


def relabelled(matrix: Any, rows: Rows) -> Any:
    """The binned `matrix` with targets and weights of `rows`, whose X it was made of."""
    matrix.set_info(label=rows.target, weight=rows.weight)
    return matrix


def fit_booster(
    params: dict[str, Any],
    rows: Rows,
    valid: Rows | None,
    *,
    trees: int,
    early_stopping: int,
    matrices: tuple[Any, Any] | None = None,
) -> tuple[Any, int]:
    """Fit one booster, cut at its best round on `valid` (without it, all `trees`); returns it and its rounds.

    matrices: what `binned` made of the rows, where several boosters are fitted on the same.
    """
    import xgboost as xgb

    train, held = matrices or binned(rows, valid, params["nthread"])
    likelihood = _likelihood(rows)
    own: dict[str, Any] = {} if likelihood is None else {"obj": likelihood.gradient}
    if valid is None:
        return xgb.train(params, train, num_boost_round=trees, verbose_eval=False, **own), trees
    if likelihood is not None:
        own["custom_metric"] = _metric(likelihood, valid)
        params = {**params, "disable_default_eval_metric": 1}
    booster = xgb.train(
        params,
        train,
        num_boost_round=trees,
        evals=[(held, "validation")],
        early_stopping_rounds=early_stopping,
        verbose_eval=False,
        **own,
    )
    rounds = int(booster.best_iteration) + 1
    return booster[:rounds], rounds


def _likelihood(rows: Rows) -> CensoredPoisson | None:
    """The likelihood of rows among which some are short; None where XGBoost's own objective is the one."""
    if rows.short is None or rows.scale is None:
        return None
    return CensoredPoisson(rows.target * rows.scale, rows.scale, rows.weight, rows.short)


def _metric(likelihood: CensoredPoisson, valid: Rows) -> Callable[[Float, Any], tuple[str, float]]:
    scale = np.ones_like(valid.target) if valid.scale is None else valid.scale
    short = np.zeros(valid.target.shape, dtype=bool) if valid.short is None else valid.short
    value = valid.target * scale

    def metric(margin: Float, _rows: Any) -> tuple[str, float]:
        return "censored-nloglik", likelihood.loss(margin, value=value, scale=scale, short=short)

    return metric


def predict_booster(booster: Any, X: npt.NDArray[np.float32], threads: int) -> npt.NDArray[np.float32]:
    """Prediction (M,) of one booster for X (M, F), in units of the scale."""
    import xgboost as xgb

    return np.asarray(booster.predict(xgb.DMatrix(X, nthread=threads)), dtype=np.float32)


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
