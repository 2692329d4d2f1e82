"""Row of active labelling: labels that an inspection head needs when they are chosen, beside labels drawn at random."""

from pathlib import Path

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

SEEDS = (51, 52, 53, 54, 55)  # the schedule, the head and the default strategy were chosen on 11 and 12
OURS, PEER = "mix", "random"
MOST = 0.6
PICTURE = Path(__file__).parents[2] / ".storeloop" / "bench" / "active-labelling.png"
_T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t of n - 1 degrees of freedom, 97.5 %


def _labels(context: BenchContext) -> BenchResult:
    del context
    from active_labelling import BLIND_EMBEDDING, LEARNT_EMBEDDING, STRATEGIES, belt, curves, drawn

    found = {name: [] for name in (LEARNT_EMBEDDING, BLIND_EMBEDDING)}
    for seed in SEEDS:
        packages = belt(seed)
        for name, rows in found.items():
            # Every strategy once, the two that are judged on both.
            rows.append(curves(packages, name, seed, STRATEGIES if name == LEARNT_EMBEDDING else (PEER, OURS)))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(drawn(found))
    needed = {
        name: {strategy: np.array([each.needed(strategy) for each in rows]) for strategy in rows[0].quality}
        for name, rows in found.items()
    }
    full = {name: np.array([each.full for each in rows]) for name, rows in found.items()}
    return labels_verdict(needed, full)


def ratio(ours: np.ndarray, peer: np.ndarray) -> tuple[float, float, float]:
    """Geometric mean of ours over the peer's by seed, and its 95 % interval by Student's t of the logarithms."""
    logs = np.log(ours / peer)
    width = _T_975[len(logs)] * logs.std(ddof=1) / np.sqrt(len(logs))
    return tuple(float(np.exp(logs.mean() + side)) for side in (0.0, -width, width))  # type: ignore[return-value]


def labels_verdict(needed: dict[str, dict[str, np.ndarray]], full: dict[str, np.ndarray]) -> BenchResult:
    """`needed` and `full` (S,) by embedding; the verdict asks the ratio's upper end and every seed, on every embedding."""
    first = next(iter(needed))
    met, parts = True, []
    for name, by_strategy in needed.items():
        middle, low, high = ratio(by_strategy[OURS], by_strategy[PEER])
        met &= high <= MOST and bool((by_strategy[OURS] <= MOST * by_strategy[PEER]).all())
        pairs = ", ".join(f"{a:.0f}/{b:.0f}" for a, b in zip(by_strategy[OURS], by_strategy[PEER], strict=True))
        others = ", ".join(
            f"{strategy} {ratio(values, by_strategy[PEER])[0]:.2f}"
            for strategy, values in by_strategy.items()
            if strategy not in {OURS, PEER}
        )
        parts.append(
            f"{name}: {middle:.2f} [{low:.2f}, {high:.2f}] of the labels, by seed {pairs}; with every label "
            f"{full[name].mean():.1%} right kinds" + (f"; other strategies {others}" if others else "")
        )
    note = (
        f"{'. '.join(parts)}. Belts {', '.join(map(str, SEEDS))}, pool 2,500; labels until quality stays within a point of every "
        "label's, mean of 3 draws; no embedding has seen a label of these belts"
    )
    ours, peer = (float(np.exp(np.log(needed[first][name]).mean())) for name in (OURS, PEER))
    return BenchResult(ours, "labels", PEER, peer, f"<= {MOST:.0%} of random's, each seed and upper end", met, note)


ROWS = [
    BenchRow(
        "active-labelling",
        "eyes",
        "Labels of packages until an inspection head is as good as with every label",
        _labels,
        rooms=("models", "sources"),
    )
]
