"""Row of Wi-Fi positioning: UJIIndoorLoc's official split in its own coordinates, beside 1-NN and scikit-learn."""

import time

from bench_row import BenchContext, BenchResult, BenchRow

from data_checks.contracts import WIFI_TABLES, load_contract
from models.behaviour.positioning_choice import choose
from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import read_scans
from models.behaviour.positioning_evaluate import POSITIONING, evaluate
from models.behaviour.positioning_fit import fit
from models.behaviour.positioning_peers import ALIKE, NEAREST, NEIGHBOURS, best_count, neighbours
from sources.adapters.ujiindoorloc import UjiIndoorLocSource

LEVEL_BAR, ERROR_BAR = 0.92, 7.99
SINGLE = 100  # scans placed one by one to time them


def _wifi(context: BenchContext) -> BenchResult:
    if context.real_data is None:
        raise ValueError("UJIIndoorLoc is a real data set: set STORELOOP_REAL_DATA")
    source = UjiIndoorLocSource(context.real_data / "ujiindoorloc")
    tables = {name: source.read(name).read_all().cast(load_contract(name).arrow_schema()) for name in WIFI_TABLES}
    survey = read_scans(tables, split="train")
    asked = read_scans(tables, split="test", access_points=survey.access_points, levels=survey.levels)
    cfg = choose(survey, PositioningConfig(), seed=0).config
    positioner = fit(survey, cfg, seed=0)
    began = time.perf_counter()
    positioner.locate(asked.rssi)
    together_s = time.perf_counter() - began
    began = time.perf_counter()
    for row in range(SINGLE):
        positioner.locate(asked.rssi[row : row + 1])
    single_ms = (time.perf_counter() - began) / SINGLE * 1000
    count = best_count(survey)
    peers = {
        NEIGHBOURS: neighbours(survey, asked.rssi, count=count),
        ALIKE: neighbours(survey, asked.rssi, count=cfg.neighbours, exponent=cfg.exponent),
    }
    report = evaluate(positioner, asked, survey, peers=peers)
    level, error, holds, radius = (
        report.value(POSITIONING, metric) for metric in ("level", "mean_error", "coverage", "mean_radius")
    )
    beside = ", ".join(
        f"{name} {report.value(name, 'level'):.1%} and {report.value(name, 'mean_error'):.2f}"
        for name in (NEAREST, *peers)
    )
    note = (
        f"building+floor {level:.1%}; {beside}; k = {count} by Euclid, {cfg.neighbours} else; the {cfg.coverage:.0%} radius holds "
        f"{holds:.1%}, {radius:.1f} on average; knobs chosen on held-out devices of the survey: exponent {cfg.exponent:g}, "
        f"{len(cfg.shifts_db)} shifts; {len(asked):,} scans in {together_s:.1f} s, one in {single_ms:.1f} ms"
    )
    bound = f"building+floor >= {LEVEL_BAR:.0%} and mean error <= {ERROR_BAR}"
    met = level >= LEVEL_BAR and error <= ERROR_BAR
    return BenchResult(error, "map units", "1-NN", report.value(NEAREST, "mean_error"), bound, met, note)


ROWS = [
    BenchRow(
        "behaviour-wifi",
        "behaviour",
        "UJIIndoorLoc, official split, mean error over all in its own coordinates",
        _wifi,
        needs_real_data=True,
        rooms=("sources", "data_checks", "models"),
    ),
]
