"""Fitting a network: one cycle of the learning rate, stopped by the validation pairs, the same bytes for a seed."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import torch_controlled
from models.forecaster.config import QUANTILES, NetworkKind
from models.forecaster.model import OUTPUTS, Loss
from models.forecaster.networks.config import KINDS, NetworkConfig
from models.forecaster.networks.grids import Grids, GridsError

Float = npt.NDArray[np.floating[Any]]
MAX_HORIZON = 42
MIN_TARGETS = 30
PREDICT_PAIRS = 512  # pairs run at once: their encoded features would be gigabytes in one piece
NORMALISATION_ROWS = 100_000
PARITY_PAIRS = 24


@dataclass(frozen=True)
class Network:
    """A fitted network: kind, its generator (torch), the horizon H and F inputs, validation loss by epoch.

    epochs: those that the kept weights took; sample: the pairs that an export is compared on.
    """

    kind: NetworkKind
    module: Any
    horizon: int
    n_inputs: int
    history: tuple[float, ...]
    epochs: int
    threads: int
    sample: npt.NDArray[np.float32]

    def predict(self, X: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """mean, q10, q50, q90 (N, H) in units of the scale for X (N, H, F) float32 with NaN; H may be shorter."""
        import torch

        if X.ndim != 3 or X.shape[2] != self.n_inputs or not 1 <= X.shape[1] <= self.horizon:
            raise GridsError(f"X: shape {X.shape}: expected (N, H, {self.n_inputs}) with 1 <= H <= {self.horizon}")
        answer = np.empty((*X.shape[:2], len(OUTPUTS)), dtype=np.float32)
        with torch_controlled(self.threads, seed=0), torch.no_grad():
            for start in range(0, X.shape[0], PREDICT_PAIRS):
                part = np.ascontiguousarray(X[start : start + PREDICT_PAIRS], dtype=np.float32)
                answer[start : start + PREDICT_PAIRS] = self.module(torch.from_numpy(part)).numpy()
        return {output: answer[:, :, column] for column, output in enumerate(OUTPUTS)}


def fit_network(
    kind: NetworkKind,
    grids: Grids,
    valid: Grids,
    *,
    loss: Loss,
    counts: bool,
    cfg: NetworkConfig,
    non_negative: bool = True,
    n_series: int = 0,
    begin: Network | None = None,
    threads: int = 1,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> Network:
    """Fit a network of `kind` on `grids`, stopped early by `valid` (none: all epochs); same inputs, same bytes.

    Of more than `cfg.max_pairs` a seeded sample is fitted on. "lstm_gan" differs from "lstm" by its critic alone: both
    begin with the same weights and see the same batches. n_series: known series, whose places are the last column of X;
    0: X has none. begin: a fitted network of this kind to go on from.
    GridsError names what cannot be fitted on.
    """
    _check(kind, grids, valid, loss=loss, non_negative=non_negative, threads=threads)
    rng = np.random.default_rng(seed)
    grids, valid = (
        _bounded(part, bound, rng) for part, bound in ((grids, cfg.max_pairs), (valid, cfg.validation_pairs))
    )
    with torch_controlled(threads, seed):
        generator = _new(kind, grids, loss, counts, n_series, cfg, rng) if begin is None else deepcopy(begin.module)
        history, best = _cycle(
            generator, kind, grids, valid, loss=loss, counts=counts, cfg=cfg, seed=seed, on_progress=on_progress
        )
    return Network(
        kind=kind,
        module=generator,
        horizon=grids.X.shape[1],
        n_inputs=grids.X.shape[2],
        history=history,
        epochs=best,
        threads=threads,
        sample=grids.X[:PARITY_PAIRS].copy(),  # a view would keep all pairs in memory
    )


def _new(
    kind: NetworkKind,
    grids: Grids,
    loss: Loss,
    counts: bool,
    n_series: int,
    cfg: NetworkConfig,
    rng: np.random.Generator,
) -> Any:
    """A generator that has learnt its encoding, and says what targets are at large."""
    from models.forecaster.networks.architecture import Generator, normalisation

    known = np.argwhere(~np.isnan(grids.value))
    if known.shape[0] > NORMALISATION_ROWS:
        known = known[np.sort(rng.choice(known.shape[0], NORMALISATION_ROWS, replace=False))]
    features = grids.X[:, :, :-1] if n_series else grids.X
    learnt = normalisation(features[known[:, 0], known[:, 1]], cfg.max_categories)
    start = _start(grids, loss, counts, rng)
    return Generator(kind, learnt, loss=loss, start=start, n_series=n_series, cfg=cfg)


def _cycle(
    generator: Any,
    kind: NetworkKind,
    grids: Grids,
    valid: Grids,
    *,
    loss: Loss,
    counts: bool,
    cfg: NetworkConfig,
    seed: int,
    on_progress: ProgressCallback,
) -> tuple[tuple[float, ...], int]:
    """Run the epochs and leave the generator with its best weights; validation losses and the best epoch (from 1).

    Judged and kept are weights averaged over the last steps (Polyak and Juditsky 1992).
    """
    import torch

    from models.forecaster.networks.adversary import Adversary
    from models.forecaster.networks.architecture import blend_weights, weights_of
    from models.forecaster.networks.losses import batch_of, forecast_loss, mean_exposure

    data = batch_of(grids, loss, counts)
    held = batch_of(valid, loss, counts, mean_exposure(grids, loss)) if len(valid) else None
    adversary = Adversary(generator.encoding.width, cfg, seed) if kind == "lstm_gan" else None
    learnt = [*generator.parameters(), *(adversary.paths.parameters() if adversary else ())]
    optimiser = torch.optim.AdamW(learnt, lr=cfg.learning_rate, weight_decay=cfg.weight_decay)
    steps = -(-len(grids) // cfg.batch_pairs)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, cfg.learning_rate, total_steps=steps * cfg.epochs + 1, cycle_momentum=False
    )
    order, jitter = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
    # The critic draws numbers of its own when it is made; dropout must not notice, or the LSTM would be another one.
    torch.manual_seed(seed)
    history: list[float] = []
    averaged = deepcopy(generator).eval()
    best, kept, taken = 0, weights_of(averaged), 0
    slowness = 1.0 / max(1.0, steps * cfg.averaging_epochs)
    for epoch in range(cfg.epochs):
        generator.train()
        for index in torch.split(torch.randperm(len(grids), generator=order), cfg.batch_pairs):
            batch = data.take(index)
            target = batch.jittered(jitter)
            answer = generator(batch.X)
            total = forecast_loss(answer, batch, target, loss=loss, quantile_weight=cfg.quantile_weight)
            if adversary is not None:
                with torch.no_grad():
                    encoded = generator.encoded(batch.X)
                total = total + cfg.adversarial_weight * adversary.loss(answer, target, batch.known, encoded)
            optimiser.zero_grad()
            torch.autograd.backward(total)
            torch.nn.utils.clip_grad_norm_(learnt, cfg.gradient_bound)
            optimiser.step()
            cycle.step()
            taken += 1
            blend_weights(averaged, generator, max(slowness, 1.0 / (1.0 + taken)))
        history.append(_validation_loss(averaged, held, loss=loss, cfg=cfg, seed=seed) if held else float(-epoch))
        if history[-1] <= min(history):
            best, kept = epoch + 1, weights_of(averaged)
        told = f", validation loss {history[-1]:.5f}" if held else ""
        on_progress(f"fitting {kind}: epoch {epoch + 1}{told}", (epoch + 1) / cfg.epochs)
        if epoch + 1 - best >= cfg.patience:
            break
    if not best:
        raise GridsError(
            f"validation losses {history}: none is a number: choose a learning_rate below {cfg.learning_rate}, or look for "
            "targets thousands of times their scale"
        )
    generator.load_state_dict(kept)
    generator.eval()
    return tuple(history) if held else (), best


def _validation_loss(generator: Any, held: Any, *, loss: Loss, cfg: NetworkConfig, seed: int) -> float:
    import torch

    from models.forecaster.networks.losses import forecast_loss

    noise, total, known = torch.Generator().manual_seed(seed), 0.0, 0.0
    with torch.no_grad():
        for index in torch.split(torch.arange(held.X.shape[0]), PREDICT_PAIRS):
            batch = held.take(index)
            answer, target = generator(batch.X), batch.jittered(noise)
            size = float(batch.known.sum())
            total += size * float(forecast_loss(answer, batch, target, loss=loss, quantile_weight=cfg.quantile_weight))
            known += size
    return total / max(known, 1.0)


def _start(grids: Grids, loss: Loss, counts: bool, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Mean and quantiles (4,) of the training targets in units of the scale, weighted and jittered as their losses are."""
    known = ~np.isnan(grids.value)
    target, scale = grids.value[known] / grids.scale[known], grids.scale[known]
    mean = np.average(target, weights=scale if loss == "poisson" else None)
    jitter = (rng.random(target.size) - 0.5) / scale if counts else 0.0
    return np.asarray([mean, *np.quantile(target + jitter, QUANTILES)], dtype=np.float64)


def _bounded(grids: Grids, bound: int, rng: np.random.Generator) -> Grids:
    return grids if len(grids) <= bound else grids.take(np.sort(rng.choice(len(grids), bound, replace=False)))


def _check(kind: str, grids: Grids, valid: Grids, *, loss: Loss, non_negative: bool, threads: int) -> None:
    if kind not in KINDS:
        raise GridsError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    if threads < 1:
        raise GridsError(f"threads {threads}: expected at least 1")
    if grids.X.shape[1] > MAX_HORIZON:
        raise GridsError(f"X: {grids.X.shape[1]} steps: expected at most {MAX_HORIZON}: shorten the horizon")
    if grids.X.shape[1:] != valid.X.shape[1:]:
        raise GridsError(f"X: training {grids.X.shape[1:]}, validation {valid.X.shape[1:]}: expected equal (H, F)")
    if (known := int((~np.isnan(grids.value)).sum())) < MIN_TARGETS:
        raise GridsError(f"value: {known} usable training targets: at least {MIN_TARGETS} are needed: give more pairs")
    lowest = float(np.nanmin(grids.value))
    if lowest < 0 and (loss == "poisson" or non_negative):
        raise GridsError(
            f"value: lowest is {lowest:g} with loss {loss!r}, non_negative {non_negative}: take 'squared', False"
        )
