"""Rows of the forecaster: held-out error beside seasonal naive and LightGBM through mlforecast, same split, same run."""

from bench_row import BenchContext, BenchResult, BenchRow

NAIVE, PEER = "seasonal naive", "lightgbm (mlforecast)"


def _score(context: BenchContext, source: str, metric: str, horizon: int = 42) -> BenchResult:
    from orchestration.forecasting import read_report
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=context.scratch, source=source, horizon=horizon)
    outcome = run(settings, "+forecaster/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    report = read_report(Workspace(settings))
    value, naive, peer = (report.value(model, metric) for model in ("champion", NAIVE, PEER))
    note = f"{NAIVE} {naive:.4g}; {report.notes[0]}"
    if "oracle" in report.models():
        note = f"oracle {report.value('oracle', metric):.4g}, {note}"
    return BenchResult(value, metric, PEER, peer, f"below {NAIVE}", value < naive, note)


def _twin(context: BenchContext) -> BenchResult:
    return _score(context, "twin", "rmse_expected")


def _rossmann(context: BenchContext) -> BenchResult:
    return _score(context, f"rossmann:{context.real_data}/rossmann", "rmspe")


def _online_retail(context: BenchContext) -> BenchResult:
    return _score(context, f"online_retail:{context.real_data}/online_retail", "rmsse", horizon=28)


ROWS = [
    BenchRow("forecaster-twin", "forecaster", "twin, against expected demand, last 42 days", _twin),
    BenchRow("forecaster-rossmann", "forecaster", "Rossmann, last 42 days", _rossmann, needs_real_data=True),
    BenchRow(
        "forecaster-retail", "forecaster", "UCI Online Retail, last 28 days", _online_retail, needs_real_data=True
    ),
]
