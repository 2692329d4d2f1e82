"""A network as a member of the champion: fitted on the trees' features, judged on the validation periods, then exported."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback
from models.forecaster.config import Config, NetworkKind
from models.forecaster.data import Dataset
from models.forecaster.effects import Effects
from models.forecaster.model import OUTPUTS
from models.forecaster.networks.candidate import fit_prepared
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.networks.export import export_network
from models.forecaster.networks.fit import Network
from models.forecaster.networks.grids import Grids, prepare_grids
from models.forecaster.series import KnownSeries


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
    epochs: tuple[int, ...]  # that each of the networks took
    seconds: float
    series: KnownSeries | None  # whose places are the last column of what it reads


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
    """Fit `cfg.ensemble` networks on the pairs before the validation periods; with `refit` go on with those periods too.

    Each has a seed and a sample of pairs of its own, all are judged on the same pairs.
    """
    import torch

    del torch  # imported ahead, so that it is not timed
    began = time.perf_counter()
    threads = config.threads
    held = prepare_grids(data, config, cfg, names=names, effects=effects, seed=seed)
    networks: list[Network] = []
    epochs, said = [], []
    for index in range(cfg.ensemble):

        def tell(stage: str, fraction: float, done: int = index) -> None:
            on_progress(f"network {done + 1} of {cfg.ensemble}: {stage}", (done + fraction) / cfg.ensemble)

        own = seed + index
        prepared = held if index == 0 else prepare_grids(data, config, cfg, names=names, effects=effects, seed=own)
        network = fit_prepared(kind, prepared, cfg, threads=threads, seed=own, on_progress=tell)
        answer = network.predict(held.valid.X)
        epochs.append(network.epochs)
        said.append(np.stack([answer[output] for output in OUTPUTS], axis=2))
        if refit:
            longer = prepare_grids(data, config, cfg, names=names, effects=effects, newest=True, seed=own)
            network = fit_prepared(kind, longer, cfg, begin=network, threads=threads, seed=own)
        networks.append(network)
    return NetworkMember(
        kind=kind,
        onnx=export_network(averaged(networks)),
        valid=held.valid,
        pairs=held.judged,
        said=np.mean(said, axis=0, dtype=np.float32),
        epochs=tuple(epochs),
        seconds=time.perf_counter() - began,
        series=held.series,
    )


def averaged(networks: Sequence[Network]) -> Network:
    """Networks of the same features as one that says their average (Hansen and Salamon 1990)."""
    from models.forecaster.networks.architecture import Ensemble

    if len(networks) == 1:
        return networks[0]
    return replace(networks[0], module=Ensemble([network.module for network in networks]).eval())
