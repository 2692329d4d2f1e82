"""An experiment in the twin: customers of one world dealt to the frozen and the re-weighted ranker, read from tables alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.experiments.analyse import Analysis, analyse
from models.experiments.assignment import assign
from models.experiments.config import Config
from models.experiments.data import prepare
from orchestration.online_loop import FROZEN, REWEIGHTED, START, OnlineWorld
from orchestration.online_policies import SplitPolicy
from sources.twin.customers.records import OnlineDay
from sources.twin.customers.tables import customer_ids

Ints = npt.NDArray[np.int64]
EXPERIMENT = "online re-weighting"
WINDOW_DAYS, AA_RUNS = 7, 1_000


@dataclass(frozen=True)
class Found:
    """What the experiment says, and `true_lift`, the ratio of true clicks per impression of the same customers and days."""

    analysis: Analysis
    true_lift: float

    @property
    def relative(self) -> tuple[float, float, float]:
        """Lift and its always-valid interval, shares of the frozen arm."""
        track = self.analysis.comparisons[0].adjusted
        low, high = track.relative_always.low[-1], track.relative_always.high[-1]
        return float(track.effect.relative[-1]), float(low), float(high)

    @property
    def found(self) -> bool:
        """The lift is found, the arms are dealt as planned, and the interval holds the truth."""
        _, low, high = self.relative
        return (
            low > 0 and low <= self.true_lift <= high and not self.analysis.ratio.alarm(self.analysis.cfg.ratio_alpha)
        )


def experiment_config(*, placebo_runs: int = 0) -> Config:
    """Clicks per impression of a customer's first week, the frozen ranker as control."""
    return Config(
        arms=(FROZEN, REWEIGHTED),
        metric="ratio",
        metric_name="clicks per impression",
        metric_unit="clicks per impression",
        window_days=WINDOW_DAYS,
        plan_units=1_000,
        placebo_runs=placebo_runs,
    )


def run_experiment(world: OnlineWorld, scratch: Path) -> Found:
    """Deal customers to both rankers after the first third; those who come from the judged day on enter the experiment.

    The weeks between let the learner of the treated arm get to know its customers; what customers did in the first third is
    the covariate.
    """
    ids = np.array(customer_ids(world.shop.people.number))
    arm = assign(ids.tolist(), EXPERIMENT)
    lived = world.live(SplitPolicy((world.frozen(), world.reweighted(scratch / "split")), arm))
    judged = [day for day in lived if day.day >= _number(world.cfg.judged_day)]
    cfg = experiment_config()
    tables = experiment_tables(judged, arm, ids, before=world.history, covariate_until=world.cfg.trained_day - 1)
    return Found(analyse(prepare(tables, cfg), cfg, seed=world.seed), _true_lift(judged, arm))


def run_placebo(world: OnlineWorld, *, runs: int = AA_RUNS) -> Analysis:
    """An A/A test: the log of the judged days under the popularity policy, arms dealt at random `runs` times."""
    ids = np.array(customer_ids(world.shop.people.number))
    judged = [day for day in world.live(world.popularity()) if day.day >= _number(world.cfg.judged_day)]
    cfg = experiment_config(placebo_runs=runs)
    tables = experiment_tables(
        judged, assign(ids.tolist(), "A/A"), ids, before=world.history, covariate_until=world.cfg.trained_day - 1
    )
    return analyse(prepare(tables, cfg), cfg, seed=world.seed)


def experiment_tables(
    days: Sequence[OnlineDay],
    arm: Ints,
    ids: npt.NDArray[np.str_],
    *,
    before: Sequence[OnlineDay],
    covariate_until: int,
) -> dict[str, Any]:
    """Tables of the experiments' room from logged impressions: a customer enters on the first day of `days` with one."""
    import pyarrow as pa

    who = np.concatenate([day.impressions.customer for day in days])
    when = np.concatenate([np.full(len(day.impressions), day.day) for day in days])
    clicked = np.concatenate([day.impressions.clicked for day in days])
    entered = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(entered, who, when)
    units = np.flatnonzero(entered < np.iinfo(np.int64).max)
    past = np.concatenate([day.impressions.customer for day in before])
    past_clicks = np.concatenate([day.impressions.customer[day.impressions.clicked] for day in before])
    shown_before = np.bincount(past, minlength=len(ids))
    clicked_before = np.bincount(past_clicks, minlength=len(ids))
    known = units[shown_before[units] > 0]
    names = np.array((FROZEN, REWEIGHTED))

    def dates(numbers: Ints) -> Any:
        return pa.array(numbers.astype(np.int32), pa.int32()).cast(pa.date32())

    return {
        "assignments": pa.table(
            {
                "experiment": np.full(len(units), EXPERIMENT),
                "unit_id": ids[units],
                "arm": names[arm[units]],
                "assigned_on": dates(entered[units]),
            }
        ),
        "outcomes": pa.table(
            {
                "unit_id": ids[who],
                "day": dates(when),
                "numerator": clicked.astype(np.float64),
                "denominator": np.ones(len(who)),
            }
        ),
        "covariates": pa.table(
            {
                "unit_id": ids[known],
                "observed_until": dates(np.full(len(known), _number(covariate_until))),
                "clicks_per_impression": clicked_before[known] / shown_before[known],
                "log_impressions": np.log(shown_before[known]),
            }
        ),
    }


def _true_lift(days: Sequence[OnlineDay], arm: Ints) -> float:
    """Ratio of true clicks per impression between the arms, less 1, over each customer's window: truth."""
    seen = [day.impressions for day in days]
    who = np.concatenate([part.customer for part in seen])
    when = np.concatenate([np.full(len(day.impressions), day.day) for day in days])
    chance = np.concatenate([part.chance for part in seen])
    entered = np.full(len(arm), np.iinfo(np.int64).max)
    np.minimum.at(entered, who, when)
    inside = (when < entered[who] + WINDOW_DAYS) & (entered[who] + WINDOW_DAYS - 1 <= days[-1].day)
    frozen, reweighted = (chance[inside & (arm[who] == each)].mean() for each in (0, 1))
    return float(reweighted / frozen - 1)


def _number(day: int) -> int:
    """Days since 1970 of a day of the loop."""
    return (START + timedelta(days=day) - date(1970, 1, 1)).days
