"""Rows of visual inspection: packages of a belt of an unseen seed, and casting photos, each beside its peers."""

from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

SEED = 101  # the belt's knobs were chosen on seeds 11 to 13
TRAINED, HELD = 5_000, 8_600
DEFECT_SHARE = 0.5  # half of the packages, so that 2,000 unseen defects come with as many sound packages
LEAST_DEFECTS, LEVEL, HUMAN_SHARE = 2_000, 0.005, 0.05
FOLDS, REPEATS, LEAST_AUROC = 5, 5, 0.95


def _belt(context: BenchContext) -> BenchResult:
    del context
    from models.inspection.config import Config
    from models.inspection.data import prepare
    from models.inspection.evaluate import CHAMPION, evaluate
    from models.inspection.peers import ANOMALY, LOGISTIC, SENSORS
    from models.inspection.train import train
    from sources.twin.belt.belt import Belt
    from sources.twin.belt.params import BeltParams
    from sources.twin.belt.tables import approved_samples, inspections

    share = HELD / (TRAINED + HELD) / 2
    cfg = Config(epochs=10, miss_level=LEVEL, calibrate_share=share, test_share=share)
    belt, count = Belt(BeltParams(defect_share=DEFECT_SHARE), SEED), TRAINED + HELD
    data = prepare(
        {"inspections": inspections(belt, 0, count), "approved_samples": approved_samples(belt, 0, count)}, cfg
    )
    report = evaluate(train(data, cfg, seed=0).predictor(), data, truth=belt.truth(0, count).severity)
    peers = {name: report.value(name, "human share") for name in (SENSORS, LOGISTIC, ANOMALY)}
    best = min(peers, key=lambda name: peers[name])
    missed, error = (report.value(CHAMPION, name) for name in ("miss rate", "miss rate, standard error"))
    human, defects = (report.value(CHAMPION, name) for name in ("human share", "unseen defects"))
    worst = max(data.kinds[1:], key=lambda kind: report.value(CHAMPION, "miss rate", kind))
    note = (
        f"misses {missed:.3%} ± {error:.3%} (standard error) over {cfg.resamplings} resamplings of >= {defects:.0f} unseen defects; "
        f"human share of sound packages {report.value(CHAMPION, 'human share of sound'):.2%}, of defects "
        f"{report.value(CHAMPION, 'human share of defects'):.2%}; sound packages rejected "
        f"{report.value(CHAMPION, 'false rejection'):.2%}; right decisions, a human's counted as wrong, "
        f"{report.value(CHAMPION, 'right decisions'):.1%}; most missed kind {worst} {report.value(CHAMPION, 'miss rate', worst):.1%}; "
        f"AUROC {_aurocs(report, (CHAMPION, SENSORS, LOGISTIC, ANOMALY))}"
    )
    bound = f"<= {HUMAN_SHARE:.0%} with misses <= {LEVEL:.1%} + 2 standard errors, >= {LEAST_DEFECTS:,} unseen defects"
    met = missed <= LEVEL + 2 * error and human <= HUMAN_SHARE and defects >= LEAST_DEFECTS
    return BenchResult(human, "of packages to a human", best, peers[best], bound, met, note)


def _aurocs(report: Any, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {report.value(name, 'AUROC'):.4f}" for name in names)


def photos(context: BenchContext) -> tuple[np.ndarray, np.ndarray]:
    """Grey casting photos (N, S, S) and which are defective (N,)."""
    from PIL import Image

    if context.real_data is None:
        raise ValueError("casting_defects is a real data set: set STORELOOP_REAL_DATA")
    files = sorted((context.real_data / "casting_defects" / "casting_data").glob("*/*_front/*.jpeg"))
    grey = []
    for file in files:
        with Image.open(file) as photo:
            grey.append(np.asarray(photo.convert("L")))
    return np.stack(grey), np.array([file.parent.name.startswith("def") for file in files])


def _casting(context: BenchContext) -> BenchResult:
    from models.inspection.round_parts import fold_aurocs, ring_features

    grey, faulty = photos(context)
    found = fold_aurocs(ring_features(grey), faulty, folds=FOLDS, repeats=REPEATS, seed=0)
    ours, peer = found["rings"], found["anomaly"]
    width = 1.96 * ours.std(ddof=1) / np.sqrt(len(ours))
    note = (
        f"{len(faulty)} photos, {int(faulty.sum())} defective; {REPEATS}x{FOLDS} folds: {ours.mean():.4f} ± {width:.4f}, "
        f"worst fold {ours.min():.3f}; the anomaly model sees sound parts alone, {peer.mean():.4f} ± "
        f"{1.96 * peer.std(ddof=1) / np.sqrt(len(peer)):.4f}"
    )
    mean = float(ours.mean())
    return BenchResult(
        mean,
        "AUROC",
        "Gaussian anomaly model (PaDiM)",
        float(peer.mean()),
        f">= {LEAST_AUROC}",
        mean >= LEAST_AUROC,
        note,
    )


ROWS = [
    BenchRow(
        "inspection-belt", "inspection", "packages with defects, misses bounded", _belt, rooms=("models", "sources")
    ),
    BenchRow(
        "inspection-casting",
        "inspection",
        "defective castings by photo",
        _casting,
        needs_real_data=True,
        rooms=("models",),
    ),
]
