"""Rows of online learning in the twin: re-weighted beside frozen, popularity and oracle; the experiment that finds it; A/A."""

from pathlib import Path

from bench_row import BenchContext, BenchResult, BenchRow

SEEDS = (61, 62, 63)  # no knob was chosen on them
LIFT, OF_ORACLE, POPULARITY_BAND = 0.19, 0.85, (0.2, 0.6)
AA_RUNS, NOMINAL = 1_000, 0.05


def _twin(context: BenchContext) -> BenchResult:
    from orchestration.online_experiment import run_experiment
    from orchestration.online_loop import FROZEN, POPULARITY, REWEIGHTED, LoopConfig, OnlineWorld, run_loop

    said, met, lifts, shares, frozen = [], True, [], [], []
    for seed in SEEDS:
        world = OnlineWorld(LoopConfig(), seed)
        folder = Path(context.scratch) / str(seed)
        loop = run_loop(world, folder)
        experiment = run_experiment(world, folder)
        lift, low, high = experiment.relative
        lifts.append(loop.lift)
        shares.append(loop.last_third(REWEIGHTED))
        frozen.append(loop.last_third(FROZEN))
        of_oracle, popular = loop.of_oracle(REWEIGHTED), loop.of_oracle(POPULARITY)
        met &= loop.lift >= LIFT and of_oracle >= OF_ORACLE and experiment.found
        met &= POPULARITY_BAND[0] <= popular <= POPULARITY_BAND[1]
        said.append(
            f"seed {seed}: lift {loop.lift:+.1%} ({of_oracle / popular - 1:+.1%} over adaptive popularity), {of_oracle:.1%} "
            f"of the oracle, popularity {popular:.1%}, frozen {loop.of_oracle(FROZEN):.1%}, experiment "
            f"{lift:+.1%} [{low:+.1%}, {high:+.1%}] always valid, true {experiment.true_lift:+.1%}"
        )
    bound = (
        f"lift >= {LIFT:.0%}, >= {OF_ORACLE:.0%} of the oracle, experiment finds it, popularity 20 to 60 %, each seed"
    )
    mean = len(SEEDS)
    return BenchResult(
        sum(shares) / mean, "clicks per impression", "frozen ranker", sum(frozen) / mean, bound, met, "; ".join(said)
    )


def _placebo(context: BenchContext) -> BenchResult:
    del context
    from orchestration.online_experiment import run_placebo
    from orchestration.online_loop import LoopConfig, OnlineWorld

    placebo = run_placebo(OnlineWorld(LoopConfig(), SEEDS[0]), runs=AA_RUNS).placebo
    if placebo is None:
        raise RuntimeError("no placebo runs were made")
    (low, high), (_, always_high) = wilson(placebo.fixed, AA_RUNS), wilson(placebo.always, AA_RUNS)
    note = (
        f"{AA_RUNS:,} repetitions on {placebo.units:,} customers; 95 % interval [{low:.1%}, {high:.1%}]; always valid at any "
        f"of {placebo.looks} looks {placebo.always:.1%} (up to {always_high:.1%}), peeking at the fixed test {placebo.peeking:.1%}"
    )
    met = low <= NOMINAL <= high and placebo.always <= NOMINAL
    return BenchResult(
        placebo.fixed, "false alarms", "nominal", NOMINAL, "95 % interval holds 5 %, always valid <= 5 %", met, note
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5 / (1 + z * z / count)
    return middle - half, middle + half


ROWS = [
    BenchRow("recommender-online-twin", "recommender", "FTRL re-weighting on the twin with drift, last third", _twin,
             rooms=("sources", "models", "orchestration")),
    BenchRow("experiments-aa", "experiments", "A/A test on the twin's log, one look", _placebo,
             rooms=("sources", "models", "orchestration")),
]  # fmt: skip
