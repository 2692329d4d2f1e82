"""A small trained release, as orchestration hands it over. Loaded by path, not a test."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

from features.online import StateBatch, write_snapshot
from models.forecaster.config import Config
from models.forecaster.data import prepare
from models.forecaster.fallback import LastGoodForecast, write_last_good
from models.forecaster.predict import ForecastInput, load
from models.forecaster.train import train

HORIZON = 14


def _shop_module():
    file = Path(__file__).parents[1] / "models" / "synthetic_retail.py"
    spec = importlib.util.spec_from_file_location("synthetic_retail", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_release(folder: Path, *, seed: int = 3, network: str = "auto") -> dict[str, np.ndarray]:
    """Train on a synthetic shop, with a `network` in the blend if one is named; write artifact, state (with gaps) and fallback.

    Returns what the model forecasts: series_ids (S,), values (S, H, 4).
    """
    cfg = Config(
        frequency="daily",
        horizon=HORIZON,
        trees=20,
        quantile_trees=10,
        max_rows=2500,
        max_pairs=600 if network == "auto" else 2_400,  # a blend wants its members judged
        threads=1,
        network=network,
    )
    made = _shop_module()
    # A network knows the series that are told, and takes a currency, for of units effects would take its place.
    unit = "units" if network == "auto" else "EUR"
    tables = made.shop(cfg, n_series=12, n_periods=220, seed=seed, unit=unit, closed_sundays=True).tables
    tables = tables if network == "auto" else made.with_store_keys(tables)
    data = prepare(tables, cfg)
    train(data, cfg, seed=seed).save(folder / "artifact")
    batch = _latest(tables)
    write_snapshot(folder / "state", batch)
    predictor = load(folder / "artifact")
    spec = predictor.spec
    reply = predictor.predict(
        ForecastInput(
            state={name: batch.state[name] for name in spec.state_columns},
            known_future={name: batch.known_future[name] for name in spec.covariates},
            origin=batch.origin,
            steps=HORIZON,
        )
    )
    values = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2)
    units = (predictor.unit,) * len(batch.series_ids)
    forecast = LastGoodForecast(batch.series_ids, units, batch.origin, values.astype(np.float32), "daily")
    write_last_good(folder / "fallback", forecast)
    return {"series_ids": np.array(batch.series_ids), "values": values}


def _latest(tables) -> StateBatch:
    """State at the last origin; some values made unknown, as they are for young series."""
    state, ahead = tables["state"].to_pandas(), tables["known_future"].to_pandas()
    last = state["origin"].max()
    state = state[state["origin"] == last].sort_values("series_id")
    ahead = ahead[ahead["origin"] == last].sort_values(["series_id", "step"])
    rng = np.random.default_rng(0)
    columns = {}
    for name in state.columns.drop(["series_id", "origin"]):
        values = state[name].to_numpy(dtype=float).copy()
        if name != "scale":
            values[rng.random(values.size) < 0.15] = np.nan
        columns[name] = values
    covariates = {
        name: ahead[name].to_numpy(dtype=float).reshape(len(state), -1)
        for name in ahead.columns.drop(["series_id", "origin", "step", "period_start"])
    }
    origin = state["origin"].to_numpy().astype("datetime64[D]")
    return StateBatch(tuple(state["series_id"]), origin, columns, covariates)
