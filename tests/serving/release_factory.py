"""Releases for tests: a tiny real forecaster, its state, its last forecast. Loaded by conftest and the benchmark."""

import importlib.util
import shutil
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from features.online import StateBatch, write_snapshot
from models.forecaster.config import Config
from models.forecaster.data import prepare
from models.forecaster.fallback import LastGoodForecast, write_last_good
from models.forecaster.predict import ForecastInput
from models.forecaster.train import train
from serving.release import Pointer, build_release, write_pointer

CONFIG = Config(trees=20, quantile_trees=10, depth=4, max_pairs=2_000, threads=1, min_child_weight=1.0)
# As many and as deep trees as a real training gives, from few rows: latency depends on the trees alone.
DEMO_CONFIG = Config(max_pairs=1_500, early_stopping=500, min_child_weight=1.0, threads=1)
FIRST, SECOND = "first", "second"


@cache
def model_helper(name: str) -> ModuleType:
    """A helper of the tests of the models."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "models" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Releases:
    """A releases folder with two releases of a bot; `ids` by release name; series or customers that it knows."""

    root: Path
    ids: dict[str, str]
    series_ids: tuple[str, ...]
    name: str = "forecaster"

    @property
    def bot(self) -> Path:
        return self.root / self.name

    def promote(self, name: str) -> None:
        pointer = Pointer(release=name, artifact_id=self.ids[name], registry_version={FIRST: "1", SECOND: "2"}[name])
        write_pointer(self.bot / "champion.json", pointer)

    def copy_to(self, root: Path) -> "Releases":
        shutil.copytree(self.root, root)
        return replace(self, root=root)


def make_releases(
    root: Path, *, n_series: int = 12, config: Config = CONFIG, names: tuple[str, ...] = (FIRST, SECOND)
) -> Releases:
    tables = model_helper("synthetic_retail").shop(config, n_series=n_series, n_periods=200).tables
    batch = last_state(tables)
    ids = {}
    for seed, name in enumerate(names):
        folder = root / "forecaster" / name
        trained = train(prepare(tables, config), config, seed=seed)
        reply = trained.predictor().predict(
            ForecastInput(
                {k: batch.state[k] for k in trained.spec.state_columns},
                {k: batch.known_future[k] for k in trained.spec.covariates},
                batch.origin,
            )
        )
        values = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2).astype(np.float32)
        forecast = LastGoodForecast(batch.series_ids, ("units",) * n_series, batch.origin, values, "daily")
        ids[name] = trained.save(root / "artifacts" / name).artifact_id

        def fill(folder: Path, *, name: str = name, forecast: LastGoodForecast = forecast) -> None:
            shutil.copytree(root / "artifacts" / name, folder / "artifact")
            write_snapshot(folder / "state", batch)
            write_last_good(folder / "fallback", forecast)

        build_release(folder, ids[name], fill)
    releases = Releases(root, ids, batch.series_ids)
    releases.promote(FIRST)
    return releases


def last_state(tables: dict) -> StateBatch:
    """State and covariates at the last origin of the synthetic tables."""
    state = tables["state"].to_pandas().sort_values(["series_id", "origin"]).groupby("series_id").tail(1)
    ahead = tables["known_future"].to_pandas()
    ahead = ahead[ahead["origin"] == state["origin"].max()].sort_values(["series_id", "step"])
    names = [name for name in ahead.columns if name not in ("series_id", "origin", "step", "period_start")]
    count = len(state)
    return StateBatch(
        tuple(state["series_id"]),
        state["origin"].to_numpy().astype("datetime64[D]"),
        {name: state[name].to_numpy(float) for name in state.columns if name not in ("series_id", "origin")},
        {name: ahead[name].to_numpy(float).reshape(count, -1) for name in names},
    )
