"""Row of the networks' parts: what the critic and the attention are worth on clean and on shocked inputs."""

from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

SEEDS = (0, 1, 2)
CLEAN = "clean"  # models.forecaster.networks.worth.CLEAN
PAIRS, EPOCHS = 5_000, 5  # three kinds and three seeds: nine fits


def _row(context: BenchContext) -> BenchResult:
    from models.forecaster.networks import NetworkConfig
    from models.forecaster.networks.candidate import NAMES
    from models.forecaster.networks.worth import shocked
    from orchestration.feature_tables import forecaster_config
    from orchestration.forecasting import dataset
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=context.scratch, source=f"rossmann:{context.real_data}/rossmann")
    outcome = run(settings, "+group:features")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    workspace = Workspace(settings)
    cfg = NetworkConfig(max_pairs=PAIRS, epochs=EPOCHS)
    worth = shocked(dataset(workspace), forecaster_config(workspace), cfg, seeds=SEEDS)
    with_, without = (_shocked_loss(worth, NAMES[kind]) for kind in ("lstm_gan", "lstm"))
    return BenchResult(with_, "scaled pinball loss", NAMES["lstm"], without, note=". ".join(worth.notes))


def _shocked_loss(worth: Any, name: str) -> float:
    """Mean over the shocks."""
    losses = [r.value for r in worth.rows if (r.model, r.metric) == (name, "pinball_scaled") and r.segment != CLEAN]
    return sum(losses) / len(losses)


ROWS = [
    BenchRow(
        "forecaster-networks",
        "forecaster",
        "what an adversarial critic buys an LSTM under shocked inputs, Rossmann",
        _row,
        needs_real_data=True,
    )
]
