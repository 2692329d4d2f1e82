"""A network as a member of the champion: fitted on the trees' features, judged on the validation periods, then exported."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback
from models.forecaster.config import Config, NetworkKind
from models.forecaster.data import Dataset
from models.forecaster.effects import Effects
from models.forecaster.model import OUTPUTS
from models.forecaster.networks.candidate import fit_prepared
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.networks.grids import Grids, prepare_grids


@dataclass(frozen=True)
class NetworkMember:
    """A fitted network: its graph, and what it said of the validation pairs before it was fitted on them too.

    valid: V pairs, `pairs` (V,) their index in the panel; said (V, H, 4) in units of the scale; seconds on one thread.
    """

    kind: NetworkKind
    onnx: bytes
    valid: Grids
    pairs: npt.NDArray[np.int64]
    said: npt.NDArray[np.float32]
    epochs: int
    seconds: float


def fit_member(
    kind: NetworkKind,
    data: Dataset,
    config: Config,
    cfg: NetworkConfig,
    names: Sequence[str],
    effects: Effects | None = None,
    *,
    refit: bool,
    seed: int,
    on_progress: ProgressCallback,
) -> NetworkMember:
    """Fit on the pairs before the validation periods; with `refit` once more, for as many epochs, on those too."""
    import torch

    del torch  # imported ahead, so that it is not timed
    began = time.perf_counter()
    prepared = prepare_grids(data, config, cfg, names=names, effects=effects, seed=seed)
    threads = config.threads
    network = fit_prepared(kind, prepared, cfg, threads=threads, seed=seed, on_progress=on_progress)
    answer = network.predict(prepared.valid.X)
    epochs, valid, pairs = network.epochs, prepared.valid, prepared.judged
    said = np.stack([answer[output] for output in OUTPUTS], axis=2)
    if refit:
        prepared = prepare_grids(data, config, cfg, names=names, effects=effects, newest=True, seed=seed)
        again = cfg.model_copy(update={"epochs": epochs})
        network = fit_prepared(kind, prepared, again, threads=threads, seed=seed, on_progress=on_progress)
    return NetworkMember(kind, network.to_onnx(), valid, pairs, said, epochs, time.perf_counter() - began)
