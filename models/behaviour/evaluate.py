"""Judging attention and dwell: the network beside a naive rule and two boosters, on the newest days."""

import numpy as np

from models.behaviour.config import Config
from models.behaviour.data import Dataset
from models.behaviour.heat_map import heat_map, heat_map_plot
from models.behaviour.peers import EVERY, HISTOGRAMS, NAIVE, XGBOOST, Guess, guesses
from models.behaviour.plots import attention_plot, calibration_plot, left_plot
from models.behaviour.predict import Predictor
from models.behaviour.scoring import Scores, score
from models.behaviour.sequences import STEP_S
from models.behaviour.shop import Floats, Ints
from models.common.compare import paired_bootstrap
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import MetricRow, Report

CHAMPION = "LSTM"
SEED = 7  # of the bootstrap
COMPARED = {
    "squared error": "squared",
    "misplaced seconds": "misplaced_s",
    "error of what is left": "left_error_s",
    "CRPS of what is left": "crps_s",
}
OF_PERSONS = {"squared", "misplaced_s"}
ORACLE = "oracle: true times and columns, boards unknown"
OF_ATTENTION = (
    "misplaced seconds",
    "misplaced share",
    "attention RMSE",
    "sums by product, off",
    "rank correlation",
    "longest look right",
)
LEAST_SPREAD_S = 0.1  # below it a told spread is about a lane that nobody was near


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: None = None,
    truth: Floats | None = None,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Attention of each person by product, dwell by gondola, and what is left of a stop at moments while it lasts.

    `truth`: seconds (N, L) of attention told by an oracle of the twin, who is then judged too. DataError where nobody stops.
    """
    del world
    on_progress("network", 0.0)
    steps, targets = data.steps, data.targets
    paths = np.arange(data.test_from, len(data.day))
    asked = np.flatnonzero(targets.stays & (steps.path >= data.test_from))[::EVERY]
    if not len(asked) or not targets.attention_s[paths].any():
        raise DataError(f"looks, stops: none in the {len(paths)} newest paths: annotate more visits")
    told = model.tell(steps, paths)
    own = Guess(told.attention_s, told.dwell_s, told.left_s[asked])
    on_progress("peers", 0.3)
    beside = guesses(data, asked)
    on_progress("scores", 0.9)
    scored = {name: score(data, each, paths, asked) for name, each in {CHAMPION: own, **beside}.items()}
    rows = [row for name, each in scored.items() for row in _rows(name, each, data, paths)]
    if truth is not None:
        oracle = score(data, Guess(truth, targets.dwell_s, own.left_s), paths, asked)
        rows += [row for row in _rows(ORACLE, oracle, data, paths) if row.metric in OF_ATTENTION]
    rows += _compared(scored, data, paths, asked)
    spread = np.sqrt(model.spec.together * told.unrest[paths])
    off = (targets.attention_s[paths] - told.attention_s[paths])[spread > LEAST_SPREAD_S]
    rows.append(
        MetricRow(
            CHAMPION,
            "attention, spread of errors over told",
            float(np.std(off / spread[spread > LEAST_SPREAD_S])),
            "ratio",
        )
    )
    on_progress("judged", 1.0)
    true, guessed = (data.shop.of_offers(each[paths]) for each in (targets.attention_s, told.attention_s))
    plots = {
        "attention": attention_plot(true, guessed),
        "what is left": left_plot(targets.remaining_s[asked], own.left_s),
        "heat map": heat_map_plot(
            heat_map(data, group_min=data.config.group_min, days=np.unique(data.day[paths]).tolist()), data.shop
        ),
        "calibration": calibration_plot(
            {
                name: (targets.remaining_s[asked][:, None] <= each.left_s).mean(axis=0)
                for name, each in {CHAMPION: own, **beside}.items()
            }
        ),
    }
    return Report(CHAMPION, tuple(rows), plots, _notes(data, paths, asked, data.config))


def _rows(name: str, scored: Scores, data: Dataset, paths: Ints) -> list[MetricRow]:
    true = data.targets.attention_s[paths].sum()
    offers, gondolas = len(data.shop.offers), data.shop.gondolas
    return [
        MetricRow(name, "misplaced seconds", float(scored.misplaced_s.mean()), "s a person"),
        MetricRow(name, "misplaced share", float(scored.misplaced_s.sum() / true), "of seconds looked"),
        MetricRow(name, "attention MAE", float(scored.misplaced_s.mean() / offers), "s a product"),
        MetricRow(name, "attention RMSE", float(np.sqrt(scored.squared.mean() / offers)), "s a product"),
        MetricRow(name, "sums by product, off", scored.sums_off, "of seconds looked"),
        MetricRow(name, "rank correlation", float(scored.rank.mean()), "Spearman"),
        MetricRow(name, "longest look right", float(scored.first.mean()), "fraction"),
        MetricRow(name, "dwell MAE", float(scored.dwell_error_s.mean() / gondolas), "s a gondola"),
        MetricRow(name, "dwell error", float(scored.dwell_error_s.mean()), "s a person"),
        MetricRow(name, "error of what is left", float(scored.left_error_s.mean()), "s of a stop"),
        MetricRow(name, "CRPS of what is left", float(scored.crps_s.mean()), "s of a stop"),
        MetricRow(name, "coverage of 80 %", float(scored.covered.mean()), "fraction"),
    ]


def _compared(scored: dict[str, Scores], data: Dataset, paths: Ints, asked: Ints) -> list[MetricRow]:
    """What the network wins over each other, by visits drawn with their persons and moments."""
    rows = []
    by_person = data.visit[paths]
    for metric, name in COMPARED.items():
        for other in (NAIVE, XGBOOST, HISTOGRAMS):
            blocks = by_person if name in OF_PERSONS else data.visit[data.steps.path[asked]]
            found = paired_bootstrap(getattr(scored[CHAMPION], name), getattr(scored[other], name), blocks, seed=SEED)
            for told, value in (("", found.diff), (", low", found.low), (", high", found.high)):
                rows.append(MetricRow(CHAMPION, f"{metric}, difference{told}", value, "s", f"against {other}"))
    return rows


def _notes(data: Dataset, paths: Ints, asked: Ints, cfg: Config) -> tuple[str, ...]:
    return (
        f"Fitted on the ways of {data.calibrate_from} persons, spread of attention set on the next "
        f"{data.test_from - data.calibrate_from}, judged on the newest {len(paths)}.",
        f"What is left of a stop is asked at {len(asked)} moments, every {EVERY * STEP_S:g} s of a stop, from what was known then.",
        "CRPS is twice the mean pinball loss at five quantiles; differences are network minus other, intervals of 95 % by visit.",
        "Seconds told are expected ones, right in sums and by squared error; by absolute error to say 0 of each product misplaces a "
        "share of 1, for most products are not looked at.",
        "No camera sees where eyes go: which board is looked at shows in takes and stirring mats alone, before and after "
        f"(fading over {cfg.recency_s:g} s).",
    )
