"""Training the embedder: identities told apart on the unit sphere, so that an unseen product lies apart from the others too.

One proxy an identity (normalised softmax with a margin), coarse labels beside it where there are some, small pictures first,
AdamW with a level rate that falls at the end (Haegele et al. 2024), and weights averaged over the last steps.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.torch_control import torch_controlled
from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, to_tensor
from models.detector.embedder_augment import augmented
from models.detector.embedder_config import EmbedderConfig
from models.detector.embedder_weights import EmbedderWeights

if TYPE_CHECKING:
    from torch import Tensor

    from models.detector.embedder_model import Embedder, Heads

Ints: TypeAlias = npt.NDArray[np.integer]
LEAST_CROPS: Final = 2


@dataclass(frozen=True)
class Progress:
    """After `step` steps: mean `loss` of the steps since the last report, and `weights` as they would be kept now."""

    step: int
    loss: float
    weights: Callable[[], EmbedderWeights]


OnStep: TypeAlias = Callable[[Progress], None]


def fit_embedder(
    crops: Pixels,
    identities: Ints,
    cfg: EmbedderConfig,
    *,
    seed: int,
    on_progress: ProgressCallback = silent,
    start: EmbedderWeights | None = None,
    coarse: Ints | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
    on_step: OnStep | None = None,
) -> EmbedderWeights:
    """An embedder of `crops` (N, S, S, 3) of `identities` (N,), each of several crops; the same input, seed and threads give the
    same bytes.

    `coarse` (I, K): labels of each identity, numbered in the order of `np.unique(identities)`, -1 unknown; they steer what is
    learnt and are not kept. `start`: weights to go on from, as a base checkpoint. Every `every` steps `checkpoint` is written,
    from which a stopped run goes on, and `on_step` is told. DataError names what cannot be learnt from.
    """
    import torch

    from models.detector.embedder_model import Heads

    known, target = np.unique(np.asarray(identities), return_inverse=True)
    _check(crops, np.asarray(identities), known, coarse)
    labels = None if coarse is None else np.asarray(coarse, dtype=np.int64)
    with torch_controlled(cfg.threads, seed):
        network = new_embedder(cfg, start)
        classes = () if labels is None else tuple(int(column.max()) + 1 for column in labels.T)
        heads = Heads(len(known), cfg.width, classes)
        stopped = checkpoint if checkpoint is not None and checkpoint.is_file() else None
        if start is not None and not start.bare and cfg.imprinted and stopped is None:
            heads.proxies.data.copy_(torch.from_numpy(imprints(start, crops, target, cfg, seed)))
        run = _Run(network, heads, cfg, _fingerprint(cfg, seed, target, labels, crops.shape))
        if stopped is not None:
            run.resume(stopped)
        losses: list[float] = []
        while run.step < cfg.steps:
            now = cfg.at(run.step)
            rows = rows_of(len(target), now.seen, now.batch, seed)
            rng = np.random.default_rng((seed, 1, run.step))
            squares = augmented(np.asarray(crops[rows]), now.side, now.augment, rng)
            loss = run.advance(
                torch.from_numpy(to_tensor(list(squares), IMAGENET_MEAN, IMAGENET_STD)),
                torch.from_numpy(target[rows]),
                None if labels is None else torch.from_numpy(labels[target[rows]]),
            )
            losses.append(loss)
            if run.step % every == 0 or run.step == cfg.steps:
                if checkpoint is not None:
                    run.keep(checkpoint)
                if on_step is not None:
                    on_step(Progress(run.step, float(np.mean(losses)), run.weights))
                losses.clear()
            on_progress(f"embedder, step {run.step} of {cfg.steps}", run.step / cfg.steps)
        return run.weights()


def new_embedder(cfg: EmbedderConfig, start: EmbedderWeights | None = None) -> "Embedder":
    """A network with fresh weights, or those of `start`. ValueError where these do not fit."""
    import torch

    from models.detector.embedder_model import Embedder

    network = Embedder(cfg.blocks, cfg.width)
    if start is not None:
        start.fill(network)
    return network.to(memory_format=torch.channels_last)


def imprints(
    start: EmbedderWeights, crops: Pixels, target: Ints, cfg: EmbedderConfig, seed: int
) -> "npt.NDArray[np.float32]":
    """Proxies (I, D) where a few crops of each identity lie by weights to go on from: with random ones, what these know is
    unlearnt before the proxies have found their places (Qi et al. 2018, "Low-shot learning with imprinted weights")."""
    from models.detector.embedder_naming import embeddings

    shuffled = np.random.default_rng((seed, 2)).permutation(len(target))
    by_identity = shuffled[np.argsort(target[shuffled], kind="stable")]
    counts = np.bincount(target)
    place = np.arange(len(target)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.sort(by_identity[place < cfg.imprinted])
    vectors = embeddings(start, crops, cfg.at(0).side, threads=cfg.threads, half=cfg.half, rows=rows)
    sums = np.zeros((len(counts), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, target[rows], vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # As long as random ones of this width, on which the proxies' rate is set.
    return np.asarray(np.sqrt(sums.shape[1]) * sums / np.maximum(lengths, 1e-6), dtype=np.float32)


def _check(crops: Pixels, identities: Ints, known: Ints, coarse: Ints | None) -> None:
    if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise DataError(f"crops are {crops.dtype} {crops.shape}: give uint8 (N, S, S, 3)")
    if identities.shape != (len(crops),):
        raise DataError(f"{len(crops)} crops have identities of shape {identities.shape}: give one for each")
    if len(known) < 2 or len(crops) < LEAST_CROPS * len(known):
        raise DataError(
            f"{len(crops)} crops of {len(known)} identities: at least two identities of {LEAST_CROPS} crops are needed"
        )
    if coarse is not None and (coarse.ndim != 2 or len(coarse) != len(known)):
        raise DataError(f"coarse labels of shape {coarse.shape}: give ({len(known)}, K), a row for each identity")


def _fingerprint(
    cfg: EmbedderConfig, seed: int, target: Ints, coarse: Ints | None, shape: tuple[int, ...]
) -> dict[str, str]:
    """What a checkpoint must share with the run that goes on from it; stages may differ, so that a run can be made longer."""
    knobs = cfg.model_dump_json(exclude={"stages", "warm_up", "cool_down", "threads"}, exclude_defaults=True)
    digest = hashlib.sha256(f"{knobs} {seed} {shape}".encode() + target.astype(np.int64).tobytes())
    digest.update(b"" if coarse is None else coarse.tobytes())
    return {"run": digest.hexdigest()}


def rows_of(count: int, first: int, batch: int, seed: int) -> Ints:
    """The next `batch` of `count` rows after `first`: each once before any twice, in an order of its own each time; keyed, so that a
    stopped run can go on."""
    passes = range(first // count, (first + batch - 1) // count + 1)
    order = np.concatenate([np.random.default_rng((seed, 0, number)).permutation(count) for number in passes])
    return order[first - passes[0] * count :][:batch]


class _Run:
    """A network in training: `advance` takes a step, `keep` and `resume` bridge a stop."""

    def __init__(self, network: "Embedder", heads: "Heads", cfg: EmbedderConfig, mark: dict[str, str]) -> None:
        import torch

        self.step = 0
        self._network, self._heads, self._cfg, self._mark = network, heads, cfg, mark
        decayed = [p for p in network.parameters() if p.ndim > 1]
        spared = [p for p in network.parameters() if p.ndim == 1] + list(heads.coarse.parameters())
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": cfg.weight_decay, "times": 1.0},
            {"params": spared, "weight_decay": 0.0, "times": 1.0},
            {"params": [heads.proxies], "weight_decay": 0.0, "times": cfg.proxy_rate},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=cfg.learning_rate, fused=True)
        self._average = {name: value.clone() for name, value in network.state_dict().items()}
        network.train()

    def advance(self, crops: "Tensor", target: "Tensor", coarse: "Tensor | None") -> float:
        """One step on crops (B, 3, S, S) of identities (B,) and coarse labels (B, K); its loss."""
        import torch

        from models.detector.embedder_model import coarse_loss, margin_loss

        cfg = self._cfg
        for group in self._optimiser.param_groups:
            group["lr"] = group["times"] * cfg.learning_rate * rate(self.step, cfg)
        with torch.autocast("cpu", torch.bfloat16, enabled=cfg.half):
            features = self._network.features(crops.to(memory_format=torch.channels_last))
        loss = margin_loss(
            self._heads.cosines(self._network.embed(features)),
            target,
            scale=cfg.scale,
            margin=cfg.margin * min(1.0, self.step / max(10 * cfg.warm_up * cfg.steps, 1)),
            smoothing=cfg.label_smoothing,
        )
        if coarse is not None and cfg.coarse_weight:
            loss = loss + cfg.coarse_weight * coarse_loss(self._heads, features, coarse, smoothing=cfg.label_smoothing)
        if not torch.isfinite(loss):
            raise ArithmeticError(
                f"the loss of step {self.step} is {float(loss)}: lower learning_rate {cfg.learning_rate}"
            )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), cfg.clip)
        self._optimiser.step()
        self.step += 1
        self._blend(min(cfg.averaging, self.step / (self.step + 9)))
        return float(loss.detach())

    def _blend(self, decay: float) -> None:
        import torch

        with torch.no_grad():
            for name, value in self._network.state_dict().items():
                if value.is_floating_point():
                    self._average[name].lerp_(value, 1 - decay)
                else:
                    self._average[name].copy_(value)

    def weights(self) -> EmbedderWeights:
        """The averaged weights."""
        return EmbedderWeights.of(self._average, self._cfg)

    def _tensors(self) -> dict[str, "Tensor"]:
        """All that a run is, by name: the very tensors."""
        import torch

        named: dict[str, Tensor] = {f"average.{name}": value for name, value in self._average.items()}
        for part, module in (("network", self._network), ("heads", self._heads)):
            named |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for number, group in enumerate(self._optimiser.param_groups):
            for place, parameter in enumerate(group["params"]):
                state = self._optimiser.state[parameter]
                if not state:  # before the first step the optimiser has no moments yet
                    state["step"] = torch.zeros(())
                    state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                named |= {f"optimiser.{number}.{place}.{name}": value for name, value in state.items()}
        return named

    def keep(self, path: Path) -> None:
        """Write all that is needed to go on; the former file stays until this one is whole."""
        from safetensors.torch import save_file

        unfinished = path.with_suffix(".part")
        tensors = {name: value.detach().contiguous().clone() for name, value in self._tensors().items()}
        save_file(tensors, unfinished, metadata=self._mark | {"step": str(self.step)})
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a file of `keep`. DataError for that of another run."""
        import torch
        from safetensors import safe_open

        with safe_open(path, framework="pt") as kept, torch.no_grad():
            told = dict(kept.metadata() or {})
            if told.get("run") != self._mark["run"]:
                raise DataError(f"{path} is of another run, other crops, knobs or seed: remove it to start anew")
            for name, value in self._tensors().items():
                value.copy_(kept.get_tensor(name))
        self.step = int(told["step"])


def rate(step: int, cfg: EmbedderConfig) -> float:
    """Share of the highest learning rate at a step counted from 0: up, level, and down to 0."""
    done, left = (step + 1) / cfg.steps, (cfg.steps - step) / cfg.steps
    return min(1.0, done / cfg.warm_up if cfg.warm_up else 1.0, left / cfg.cool_down if cfg.cool_down else 1.0)
