"""A network behind the door of `candidates`: fitted on the periods before the cutoff, timed, and forecasting the test pairs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.forecaster.candidates import Forecast
from models.forecaster.config import QUANTILES, Config, NetworkKind
from models.forecaster.data import Dataset, Panel
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.networks.fit import Network, fit_network
from models.forecaster.networks.grids import Prepared, grid_of, prepare_grids

Float = npt.NDArray[np.floating[Any]]
NAMES: dict[NetworkKind, str] = {"lstm": "LSTM", "lstm_gan": "LSTM-GAN", "transformer": "Transformer"}


@dataclass(frozen=True)
class NetworkCandidate:
    """A network to be fitted when it is asked. features: those to read, default what the trees would choose."""

    kind: NetworkKind
    config: Config
    cfg: NetworkConfig
    seed: int
    features: Sequence[str] | None = None
    on_progress: ProgressCallback = silent

    @property
    def name(self) -> str:
        """As it stands in reports."""
        return NAMES[self.kind]

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """Fit on the pairs before the cutoff, then forecast `test` (N pairs); the seconds are of both, imports left out."""
        import torch

        del torch  # imported ahead, so that it is not timed
        started = time.perf_counter()
        prepared, network = fit_dataset(
            self.kind,
            data,
            self.config,
            self.cfg,
            seed=self.seed,
            features=self.features,
            on_progress=self.on_progress,
        )
        found = forecast_panel(network, prepared, self.config, test)
        outputs = found if "open" not in test.known_future else _closed(found, test)
        quantiles = dict(zip(QUANTILES, (outputs["q10"], outputs["q50"], outputs["q90"]), strict=True))
        return Forecast(self.name, outputs["mean"], quantiles, time.perf_counter() - started)


def fit_dataset(
    kind: NetworkKind,
    data: Dataset,
    config: Config,
    cfg: NetworkConfig,
    *,
    seed: int,
    features: Sequence[str] | None = None,
    on_progress: ProgressCallback = silent,
) -> tuple[Prepared, Network]:
    """Fit on the periods before the cutoff, by `cfg.refit` some epochs more with the validation periods among them."""
    prepared = prepare_grids(data, config, cfg, names=features, seed=seed)
    network = fit_prepared(kind, prepared, cfg, threads=config.threads, seed=seed, on_progress=on_progress)
    if not prepared.kind.refits(cfg.refit):
        return prepared, network
    longer = prepare_grids(data, config, cfg, names=prepared.names, newest=True, seed=seed)
    return longer, fit_prepared(
        kind, longer, cfg, begin=network, threads=config.threads, seed=seed, on_progress=on_progress
    )


def fit_prepared(
    kind: NetworkKind,
    prepared: Prepared,
    cfg: NetworkConfig,
    *,
    begin: Network | None = None,
    threads: int,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> Network:
    """`fit_network` on prepared grids; going on from `begin` takes the epochs and the rate of a refit."""
    return fit_network(
        kind,
        prepared.train,
        prepared.valid,
        loss=prepared.kind.loss,
        counts=prepared.kind.counts,
        non_negative=prepared.kind.non_negative,
        cfg=cfg if begin is None else cfg.going_on(),
        n_series=0 if prepared.series is None else len(prepared.series),
        begin=begin,
        threads=threads,
        seed=seed,
        on_progress=on_progress,
    )


def forecast_panel(network: Network, prepared: Prepared, config: Config, panel: Panel) -> dict[str, Float]:
    """mean, q10, q50, q90 (N, H) in the unit of the series; of what is never negative the mean and, but for counts, the
    quantiles are not either (those of counts are of the value jittered by +-1/2).
    """
    unknown = np.full((len(panel), config.horizon), np.nan)
    grid = grid_of(panel, config, prepared.names, unknown, prepared.series, floor=prepared.kind.floor)
    found: dict[str, Float] = {
        name: values.astype(np.float64) * grid.scale for name, values in network.predict(grid.X).items()
    }
    if not prepared.kind.non_negative:
        return found
    return {
        name: values if prepared.kind.counts and name != "mean" else np.maximum(values, 0.0)
        for name, values in found.items()
    }


def _closed(outputs: dict[str, Float], test: Panel) -> dict[str, Float]:
    open_ = np.where(test.known_future["open"] == 0, 0.0, 1.0)
    return {name: values * open_ for name, values in outputs.items()}
