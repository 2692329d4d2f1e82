"""Rows of the forecaster: held-out error beside baselines and peers that are given all series, same split, same run."""

from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

NAIVE, PEER, AUTOETS = "seasonal naive", "lightgbm (mlforecast)", "autoets (statsforecast)"
PEER_MINUTES = 20.0  # AutoETS takes some four minutes for the 1,115 shops


def _report(context: BenchContext, source: str, horizon: int = 42, **more: Any) -> Any:
    from orchestration.challengers import read_report
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=context.scratch, source=source, horizon=horizon, **more)
    outcome = run(settings, "+forecaster/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    return read_report(Workspace(settings), "forecaster")


def _said(report: Any, metric: str, models: tuple[str, ...]) -> str:
    figures = ", ".join(f"{name} {report.value(name, metric):.4g}" for name in models if name in report.models())
    return f"{figures}; {report.notes[0]}"


def _twin(context: BenchContext) -> BenchResult:
    metric = "rmse_expected"
    report = _report(context, "twin")
    value, naive, peer = (report.value(model, metric) for model in ("champion", NAIVE, PEER))
    said = _said(report, metric, ("oracle", NAIVE))
    return BenchResult(value, metric, PEER, peer, f"below {NAIVE} and the peer", value < min(naive, peer), said)


def _rossmann(context: BenchContext) -> BenchResult:
    metric = "rmspe"
    report = _report(context, f"rossmann:{context.real_data}/rossmann", peer_minutes=PEER_MINUTES)
    value, peer = report.value("champion", metric), report.value(PEER, metric)
    simple = min(report.value(name, metric) for name in (NAIVE, AUTOETS))
    met = value <= 0.107 and value <= 0.9 * simple and value < peer
    bound = "<= 0.107; 10 % below seasonal naive and AutoETS; below the peer"
    models = ("trees alone", "network alone", NAIVE, AUTOETS)
    of_mean = f"of the mean {report.value('champion', 'rmspe_of_mean'):.4f}; "
    return BenchResult(value, metric, PEER, peer, bound, met, of_mean + _said(report, metric, models))


def _online_retail(context: BenchContext) -> BenchResult:
    metric = "rmsse"
    source = f"online_retail:{context.real_data}/online_retail"
    report = _report(context, source, horizon=28, peer_minutes=PEER_MINUTES)
    others = ("moving mean", AUTOETS, PEER)
    value, best = report.value("champion", metric), min(others, key=lambda name: report.value(name, metric))
    other = report.value(best, metric)
    bound = "<= 0.97x the best of 28-day mean, AutoETS, LightGBM"
    return BenchResult(
        value, metric, best, other, bound, value <= 0.97 * other, _said(report, metric, (*others, NAIVE))
    )


ROWS = [
    BenchRow("forecaster-twin", "forecaster", "twin, against expected demand, last 42 days", _twin),
    BenchRow("forecaster-rossmann", "forecaster", "Rossmann, last 42 days", _rossmann, needs_real_data=True),
    BenchRow(
        "forecaster-retail", "forecaster", "UCI Online Retail, last 28 days", _online_retail, needs_real_data=True
    ),
]
