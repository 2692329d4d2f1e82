"""Two networks of Grocery Store photos by the same budget: our embedder with a gallery of classes, and a plain ResNet50.

Both see the training photos at the same side for the same number of epochs in the same batches; ours begins with our
base checkpoint, learns fine classes as identities with their coarse class beside, and names a photo by its likest class.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

SEEDS = (0, 1)
AT_ONCE = 2  # trainings, each by one thread


@dataclass(frozen=True, eq=False)
class Photos:
    """Squares (N, S, S, 3) with fine classes (N,), and the coarse class (81,) of each fine one."""

    squares: np.ndarray
    fine: np.ndarray
    coarse_of: np.ndarray


@dataclass(frozen=True)
class Accuracy:
    """Shares of test photos whose class, and whose coarse class, is right."""

    fine: float
    coarse: float


@dataclass(frozen=True)
class Budget:
    """What each of the two nets may do."""

    epochs: int
    side: int
    batch: int


def photos(folder: Path, splits: tuple[str, ...], side: int, most: int | None = None) -> Photos:
    """Photos of some splits, stretched to squares; at most the first `most` of each class."""
    from models.common.pictures import read_bytes, read_picture
    from models.detector.boxes import crop
    from sources.adapters.grocery_images import grocery_images

    rows = grocery_images(folder)
    tables = rows.tables()
    classes = tables["label_classes"].to_pylist()
    number = {row["label"]: int(row["position"]) for row in classes}
    parents = sorted({row["parent"] for row in classes})
    split = {row["image_id"]: row["split"] for row in tables["images"].to_pylist()}
    squares, fine = [], []
    count = np.zeros(len(number), dtype=np.int64)
    for row in tables["image_labels"].to_pylist():
        kind = number[row["label"]]
        if split[row["image_id"]] not in splits or (most is not None and count[kind] >= most):
            continue
        count[kind] += 1
        pixels = read_picture(read_bytes(folder / row["image_id"]))
        squares.append(crop(pixels, np.array([0.0, 0.0, pixels.shape[1], pixels.shape[0]]), side, margin=0))
        fine.append(kind)
    return Photos(np.stack(squares), np.array(fine), np.array([parents.index(row["parent"]) for row in classes]))


def ours(train: Photos, test: Photos, budget: Budget, seed: int, base: Path) -> Accuracy:
    """Fine-tuned from the base checkpoint; a class is the mean of its photos' embeddings."""
    from models.detector.embedder_config import AugmentConfig, EmbedderConfig, Stage
    from models.detector.embedder_naming import embeddings
    from models.detector.embedder_train import fit_embedder
    from models.detector.embedder_weights import read_weights

    steps = budget.epochs * len(train.fine) // budget.batch
    small = max(steps // 2, 1)
    start = read_weights(base)
    cfg = EmbedderConfig(
        blocks=start.blocks,
        width=start.width,
        batch=budget.batch,
        stages=(Stage(side=3 * budget.side // 4, steps=small), Stage(side=budget.side, steps=max(steps - small, 1))),
        augment=AugmentConfig(
            mirror_share=0.5, degrees=12, zoom=0.18, stretch=0.1, shift=0.06, erase_share=0.3, blur_share=0.1, noise=2
        ),
    )
    known = np.unique(train.fine)
    weights = fit_embedder(
        train.squares, train.fine, cfg, seed=seed, start=start, coarse=train.coarse_of[known][:, None]
    )
    seen, asked = (
        embeddings(weights, np.concatenate([part.squares, part.squares[:, :, ::-1]]), budget.side)
        for part in (train, test)
    )
    # A photo and its mirror image are one: their mean is what is compared.
    seen, asked = ((each[: len(each) // 2] + each[len(each) // 2 :]) / 2 for each in (seen, asked))
    means = np.stack([seen[train.fine == kind].mean(axis=0) for kind in known])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return _accuracy(known[(asked @ means.T).argmax(axis=1)], test)


def plain(train: Photos, test: Photos, budget: Budget, seed: int) -> Accuracy:
    """ResNet50 from scratch as it is usually trained: cross-entropy, random crops, mirroring, SGD with a cosine."""
    import torch
    from torchvision.models import resnet50
    from torchvision.transforms import v2

    from models.common.torch_control import torch_controlled
    from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, to_tensor
    from models.detector.embedder_augment import resized

    def tensor(squares: np.ndarray) -> torch.Tensor:
        fed = torch.from_numpy(to_tensor(list(squares), IMAGENET_MEAN, IMAGENET_STD))
        return fed.to(memory_format=torch.channels_last)

    with torch_controlled(1, seed):
        net = resnet50(weights=None, num_classes=len(train.coarse_of)).to(memory_format=torch.channels_last)
        varied = v2.Compose(
            [v2.RandomResizedCrop(budget.side, scale=(0.5, 1.0), antialias=True), v2.RandomHorizontalFlip()]
        )
        steps = budget.epochs * len(train.fine) // budget.batch
        descent = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
        cycle = torch.optim.lr_scheduler.OneCycleLR(descent, 0.05, total_steps=steps, pct_start=0.1)
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(len(train.fine)) for _ in range(budget.epochs + 1)])
        net.train()
        for step in range(steps):
            rows = order[step * budget.batch :][: budget.batch]
            fed = torch.stack([varied(each) for each in tensor(train.squares[rows])])
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(fed.to(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(logits.float(), torch.from_numpy(train.fine[rows]))
            descent.zero_grad()
            loss.backward()
            descent.step()
            cycle.step()
        net.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            told = []
            for first in range(0, len(test.fine), 64):
                seen = tensor(resized(test.squares[first : first + 64], budget.side))
                # As of ours: a photo and its mirror image are one.
                told.append((net(seen).float() + net(seen.flip(3)).float()).argmax(1))
    return _accuracy(torch.cat(told).numpy(), test)


def _accuracy(told: np.ndarray, test: Photos) -> Accuracy:
    coarse = test.coarse_of[told] == test.coarse_of[test.fine]
    return Accuracy(float((told == test.fine).mean()), float(coarse.mean()))


def compare(train: Photos, test: Photos, budget: Budget, base: Path) -> dict[str, list[Accuracy]]:
    """Accuracies of both by seed."""
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
        told = {
            "ours": [pool.submit(ours, train, test, budget, seed, base) for seed in SEEDS],
            "plain": [pool.submit(plain, train, test, budget, seed) for seed in SEEDS],
        }
        return {name: [each.result() for each in some] for name, some in told.items()}
