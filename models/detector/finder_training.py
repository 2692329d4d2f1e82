"""Ultralytics' trainer of a YOLO11 (Jocher and Qiu 2024) of one class, on pictures in memory, and nothing around it.

None of its call-backs runs (they are what reaches for trackers and hubs), no data set or font is looked up, and its checkpoints,
which are pickles, are replaced by safetensors that a killed run goes on from to the same bytes.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset
from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator

from models.common.protocols import DataError
from models.detector.finder_config import FinderConfig
from models.detector.finder_data import Labelled, Square, cut, whole
from models.detector.finder_model import CLASS, FinderModel
from models.detector.finder_weights import FinderWeights, Row

CHECKPOINT = "checkpoint.safetensors"
WATCH_BATCH = 4
State: TypeAlias = dict[str, torch.Tensor]


class TrainingSquares(Dataset[Square]):
    """One random square of each picture; which one hangs on seed, epoch and picture alone."""

    def __init__(self, labelled: Labelled, cfg: FinderConfig, seed: int) -> None:
        self._labelled, self._cfg, self._seed = labelled, cfg, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._labelled.pictures)

    def __getitem__(self, number: int) -> Square:
        rng = np.random.default_rng([self._seed, self.epoch, number])
        return cut(self._labelled.pictures[number], self._labelled.boxes[number], self._cfg, rng)


class WatchedSquares(Dataset[Square]):
    """Whole pictures, letter-boxed as they are served."""

    def __init__(self, labelled: Labelled, side: int) -> None:
        self._labelled, self._side = labelled, side

    def __len__(self) -> int:
        return len(self._labelled.pictures)

    def __getitem__(self, number: int) -> Square:
        return whole(self._labelled.pictures[number], self._labelled.boxes[number], self._side)


class Shuffled(torch.utils.data.Sampler[int]):
    """Pictures of an epoch, out of an endless row of shuffled passes over all; hangs on seed and epoch alone."""

    def __init__(self, squares: TrainingSquares, count: int, seed: int) -> None:
        self._squares, self._count, self._seed = squares, count, seed

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        every = len(self._squares)
        first = self._squares.epoch * self._count
        for turn in range(first // every, (first + self._count - 1) // every + 1):
            order = np.random.default_rng([self._seed, turn]).permutation(every)
            yield from order[max(first - turn * every, 0) : first + self._count - turn * every].tolist()


class _Validator(DetectionValidator):
    def run_callbacks(self, event: str) -> None:
        del event


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run after `epochs` whole epochs: state of the network, of its average and of the optimiser."""

    epochs: int
    updates: int
    curve: list[Row]
    model: State
    average: State
    optimizer: dict[int, State]


def run_name(cfg: FinderConfig, seed: int) -> str:
    """What must be equal for a run to go on."""
    return json.dumps({"config": cfg.model_dump(mode="json"), "seed": seed}, sort_keys=True)


def read_checkpoint(folder: Path, cfg: FinderConfig, seed: int) -> Checkpoint | None:
    """What a killed run left in `folder`, None where there is nothing. DataError for a run of another configuration or seed."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        told = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    if told["run"] != run_name(cfg, seed):
        raise DataError(f"{path} is of another configuration or seed: name another folder, or remove it")
    parts: dict[str, State] = {"model": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    optimizer: dict[int, State] = {}
    for name, tensor in parts["optimizer"].items():
        number, key = name.split(".", 1)
        optimizer.setdefault(int(number), {})[key] = tensor
    return Checkpoint(
        int(told["epoch"]) + 1,
        int(told["updates"]),
        json.loads(told["curve"]),
        parts["model"],
        parts["average"],
        optimizer,
    )


class FinderFit(DetectionTrainer):
    """A run of training; `trained` gives the averaged weights afterwards, `curve` a row for each epoch."""

    model: Any
    ema: Any
    optimizer: Any

    def __init__(
        self,
        train: Labelled,
        watch: Labelled | None,
        cfg: FinderConfig,
        *,
        seed: int,
        folder: Path,
        bfloat16: bool,
        start: FinderWeights | None,
        on_epoch: Callable[[Row], None],
    ) -> None:
        self._train, self._watch, self._cfg, self._seed = train, watch, cfg, seed
        self._bfloat16, self._start, self._on_epoch = bfloat16, start, on_epoch
        self.architecture = cfg.architecture if start is None else start.architecture
        self.curve: list[Row] = []
        super().__init__(
            overrides={
                "task": "detect", "mode": "train", "model": f"{self.architecture}.yaml", "data": None, "pretrained": False,
                "seed": seed,
                "save_dir": str(folder), "exist_ok": True, "device": "cpu", "workers": 0, "amp": False, "plots": False,
                "verbose": False, "deterministic": True, "val": watch is not None, "patience": 0, "close_mosaic": 0,
                "imgsz": cfg.crop, "batch": cfg.batch, "nbs": cfg.batch, "epochs": cfg.epochs, "max_det": 300,
                "optimizer": "AdamW", "lr0": cfg.learning_rate, "lrf": 0.02, "cos_lr": True, "momentum": 0.9,
                "weight_decay": cfg.weight_decay, "warmup_epochs": cfg.warmup_epochs, "warmup_bias_lr": 0.0,
            },
            _callbacks={},
        )  # fmt: skip

    @property
    def checkpoint(self) -> Path:
        """Where the run goes on from after a kill."""
        return Path(self.save_dir) / CHECKPOINT

    def trained(self) -> State:
        """Weights, averaged over the last steps."""
        state: State = self.ema.ema.state_dict()
        return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}

    def run_callbacks(self, event: str) -> None:
        """None of Ultralytics' own: they report to hubs and trackers."""
        if event == "on_train_epoch_start":
            self.train_loader.dataset.epoch = self.epoch

    def get_dataset(self) -> dict[str, Any]:
        """Nothing to look up."""
        return {"train": "", "val": "", "nc": 1, "names": {0: CLASS}, "channels": 3}

    def get_dataloader(self, dataset_path: str, batch_size: int = 8, rank: int = 0, mode: str = "train") -> Any:
        """Squares for training; whole pictures for watching."""
        del dataset_path, rank
        if mode == "train" or self._watch is None:
            squares = TrainingSquares(self._train, self._cfg, self._seed)
            # A last batch of one square would give its normalisation a single value for each channel.
            count = self._cfg.squares or len(squares)
            return DataLoader(
                squares,
                batch_size=min(batch_size, count),
                sampler=Shuffled(squares, count, self._seed),
                collate_fn=collate,
                drop_last=True,
            )
        return DataLoader(WatchedSquares(self._watch, self._cfg.side), batch_size=WATCH_BATCH, collate_fn=collate)

    def setup_model(self) -> None:
        """A new network, or the given weights."""
        self.model = FinderModel(self.architecture, self._bfloat16)
        if self._start is not None:
            self._start.fill(self.model)
        self.model = self.model.to(memory_format=torch.channels_last)  # a tenth faster

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Colours in [0, 1]."""
        batch["img"] = (batch["img"].float() / 255).contiguous(memory_format=torch.channels_last)
        return batch

    def get_validator(self) -> Any:
        """Ultralytics' own figures, without its call-backs."""
        return _Validator(self.test_loader, save_dir=self.save_dir, args=dict(vars(self.args)), _callbacks={})

    def validate(self) -> tuple[dict[str, float], float]:
        """Figures on the watched pictures, where this epoch is one to look."""
        looks = (self.epoch + 1) % self._cfg.watch_every == 0 or self.epoch + 1 == self.epochs
        if self._watch is None or not looks:
            return {}, 0.0
        told: tuple[dict[str, float], float] = super().validate()  # type: ignore[no-untyped-call]
        return told

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """A row of the curve."""
        row = {name.replace("(B)", ""): float(value) for name, value in metrics.items()}
        self.curve.append({"epoch": self.epoch + 1.0, **row})
        self._on_epoch(self.curve[-1])

    def save_model(self) -> bool:
        """All that the next epoch hangs on, whole or not at all."""
        tensors = {f"model.{name}": each for name, each in self.model.state_dict().items()}
        tensors |= {f"average.{name}": each for name, each in self.ema.ema.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(each) for name, each in state.items()}
        told = {"epoch": str(self.epoch), "updates": str(self.ema.updates), "curve": json.dumps(self.curve)}
        told |= {"run": run_name(self._cfg, self._seed)}
        partial = self.checkpoint.with_suffix(".partial")
        save_file({name: each.contiguous() for name, each in tensors.items()}, partial, told)
        partial.replace(self.checkpoint)
        return True

    def resume_training(self, ckpt: Any) -> None:
        """Go on after the last whole epoch, where there is one."""
        del ckpt
        kept = read_checkpoint(Path(self.save_dir), self._cfg, self._seed)
        if kept is None:
            return
        self.model.load_state_dict(kept.model)
        self.ema.ema.load_state_dict(kept.average)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": kept.optimizer, "param_groups": groups})
        self.ema.updates, self.curve, self.start_epoch = kept.updates, kept.curve, kept.epochs

    def final_eval(self) -> None:
        """Each epoch was judged as it came."""

    def _handle_nan_recovery(self, epoch: int) -> bool:
        if self.loss is not None and not bool(torch.isfinite(self.loss)):
            raise ArithmeticError(f"the loss of epoch {epoch + 1} is {float(self.loss)}: lower learning_rate")
        return False


def collate(squares: list[Square]) -> dict[str, Any]:
    """A batch as Ultralytics' loss and validator read it: `img` (B, 3, S, S) uint8, `bboxes` (M, 4) as shares of the square."""
    side = squares[0].pixels.shape[0]
    boxes = np.concatenate([square.boxes for square in squares]) / side
    middle = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    of = np.repeat(np.arange(len(squares)), [len(square.boxes) for square in squares])
    pixels = np.ascontiguousarray(np.stack([square.pixels for square in squares]).transpose(0, 3, 1, 2))
    return {
        "img": torch.from_numpy(pixels),
        "bboxes": torch.from_numpy(middle.astype(np.float32)),
        "cls": torch.zeros(len(boxes), 1),
        "batch_idx": torch.from_numpy(of.astype(np.float32)),
        "im_file": [str(number) for number in range(len(squares))],
        "ori_shape": [(side, side)] * len(squares),
        "ratio_pad": [None] * len(squares),
    }
