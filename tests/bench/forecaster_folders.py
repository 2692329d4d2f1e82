"""Rows of the forecaster on folders that no adapter knows: daily units of one store, weekly revenue with holiday flags."""

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

OTHERS = ("seasonal naive", "lightgbm (mlforecast)", "autoets (statsforecast)")
SAMPLE = "sampled series"  # models.forecaster.scoring.SAMPLE


def daily_units(folder: Path, *, items: int = 50, days: int = 1_095, seed: int = 5) -> None:
    """Units of the items of one store: Poisson around level, trend, weekday, season of the year and slow drift."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    level = rng.lognormal(3.0, 0.8, items)[:, None]
    week = rng.normal(0, 0.25, (items, 7))[:, day % 7]
    year = rng.uniform(0.1, 0.4, items)[:, None] * np.sin(2 * np.pi * (day / 365.25 + rng.random(items)[:, None]))
    trend = rng.normal(0.05, 0.1, items)[:, None] * day / 365.25
    drift = np.cumsum(rng.normal(0, 0.01, (items, days)), axis=1)
    units = rng.poisson(level * np.exp(week + year + trend + drift))
    folder.mkdir(parents=True)
    with (folder / "sales.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["item", "period_start", "value", "unit"])
        for item in range(items):
            out.writerows(
                [f"item{item:03d}", date(2021, 1, 1) + timedelta(days=d), int(units[item, d]), "units"]
                for d in range(days)
            )


def weekly_revenue(folder: Path, *, stores: int = 45, departments: int = 67, weeks: int = 143, seed: int = 6) -> None:
    """Weekly revenue of about 3,000 departments, four holiday weeks a year that move some departments a lot."""
    rng = np.random.default_rng(seed)
    week = np.arange(weeks)
    first = date(2021, 2, 5)
    dates = [first + timedelta(weeks=int(w)) for w in week]
    of_year = np.array([d.isocalendar().week for d in dates])
    flags = {
        name: np.isin(of_year, [at]) for name, at in {"sports": 6, "labour": 36, "thanks": 47, "christmas": 52}.items()
    }
    effect = {name: rng.gamma(1.0, 0.25, departments) for name in flags}
    season = rng.normal(0, 0.2, (departments, 3))
    phase = 2 * np.pi * of_year / 52.18
    yearly = season[:, :1] * np.sin(phase) + season[:, 1:2] * np.cos(phase) + season[:, 2:] * np.sin(2 * phase) / 2
    lift = sum(np.outer(effect[name], flag) for name, flag in flags.items())
    folder.mkdir(parents=True)
    with (folder / "covariates.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["period_start", "name", "value", "known_from"])
        for name, flag in flags.items():
            out.writerows([d, f"holiday_{name}", int(on), "2020-01-01"] for d, on in zip(dates, flag, strict=True))
    with (folder / "sales.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["store", "dept", "period_start", "value", "unit"])
        for store in range(stores):
            size = rng.lognormal(0, 0.5)
            noise = rng.normal(0, 0.08, (departments, weeks)) + np.cumsum(
                rng.normal(0, 0.015, (departments, weeks)), axis=1
            )
            level = rng.lognormal(9, 1.0, departments)[:, None] * size
            value = level * np.exp(yearly + noise) * (1 + lift)
            for dept in range(departments):
                out.writerows(
                    [store + 1, dept + 1, d, f"{v:.2f}", "USD"] for d, v in zip(dates, value[dept], strict=True)
                )


def _beside(context: BenchContext, folder: Path, horizon: int) -> BenchResult:
    from orchestration.challengers import read_report
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=context.scratch / "home", source=f"folder:{folder}", horizon=horizon)
    outcome = run(settings, "+forecaster/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    report = read_report(Workspace(settings), "forecaster")
    segment = SAMPLE if SAMPLE in report.segments() else "all"
    value = report.value("champion", "rmsse", segment)
    others = {name: report.value(name, "rmsse", segment) for name in OTHERS}
    best = min(others, key=lambda name: others[name])
    said = ", ".join(f"{name} {other:.3f}" for name, other in others.items())
    return BenchResult(
        value, "rmsse", best, others[best], "below all of them", value < others[best], f"{said}; {report.notes[0]}"
    )


def _daily(context: BenchContext) -> BenchResult:
    daily_units(context.scratch / "store")
    return _beside(context, context.scratch / "store", 42)


def _weekly(context: BenchContext) -> BenchResult:
    weekly_revenue(context.scratch / "chain")
    return _beside(context, context.scratch / "chain", 13)


ROWS = [
    BenchRow("forecaster-daily-folder", "forecaster", "daily units of one store, a folder, last 42 days", _daily),
    BenchRow(
        "forecaster-weekly-folder", "forecaster", "weekly revenue of 3,015 series, a folder, last 13 weeks", _weekly
    ),
]
