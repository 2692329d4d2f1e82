"""The promotion gate: a challenger wins only on held-out data that neither model saw, and within its budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from orchestration.criteria import CommonBudgets, Criterion, at_most, below
from orchestration.detector_budgets import DetectorBudgets

if TYPE_CHECKING:
    from models.common.compare import BootstrapResult


MIN_SERIES = 10  # below it the periods of the window, not the series, are what the bootstrap draws
UNSCORED = "champion cannot be scored"
NO_GAIN = 1e-6  # NDCG@10 of a baseline that never hits, so that a ratio can be told
_WINDOW = ("window_start", "window_end")


class RecommenderBudgets(CommonBudgets, frozen=True, extra="forbid"):
    """What a recommender must keep: loss is 1 - NDCG@10 of a customer's held-out item, the baseline is popularity."""

    # Of gains, not of losses: ten out of thousands of items miss most of what is taken next, and all losses lie close to 1.
    baseline_gain_min: float = Field(default=1.0, ge=1, le=100, description="NDCG@10 over popularity's, at least.")
    size_mb_max: float = Field(default=256.0, gt=0, description="Artifact on disk, MB; grows with the catalogue.")

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """The gain over popularity (one that never hits is beaten by any hit), whether it is sure, and the common lines."""
        own, popular = (float(1.0 - loss[name].mean()) for name in ("challenger", "baseline"))
        gain, least = own / max(popular, NO_GAIN), self.baseline_gain_min
        said = f"{own:.4f} beside {popular:.4f}"
        return (
            Criterion("NDCG@10 over popularity's", gain, f">= {least:g}", gain >= least, said),
            below("popularity", loss["challenger"], loss["baseline"], "customers", seed),
            *super().criteria(loss, measured, seed=seed),
        )


class PricingBudgets(CommonBudgets, frozen=True, extra="forbid"):
    """What prices must keep: loss is gross margin given up a shelf and day, the baseline is the best simple rule."""

    waste_ratio_max: float = Field(
        default=1.0, gt=0, le=10, description="Share thrown away over that of the best simple rule, at most."
    )
    market_shortfall_max: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Value of a market told in a file below that of the best simple rule, or of the champion, as a share of it.",
    )
    margin_given_up_max: float = Field(
        default=0.01,
        ge=0,
        le=0.5,
        description="Gross margin of fresh goods below the champion's, as a share of it, where the markets beside are not the "
        "champion's; else it must be above.",
    )

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """Better than the best simple rule by more than chance, no more thrown away, and the common lines."""
        ratio, most = measured["waste_ratio"], self.waste_ratio_max
        return (
            below("the best simple rule", loss["challenger"], loss["baseline"], "shelves", seed),
            Criterion("waste over the best simple rule's", ratio, f"<= {most:g}", ratio <= most),
            *super().criteria(loss, measured, seed=seed),
        )


class InspectionBudgets(CommonBudgets, frozen=True, extra="forbid"):
    """What visual inspection must keep: loss is 1 where a package is not rightly passed or rejected, a human's counted as wrong;
    the baseline is logistic regression with thresholds set in the same way."""

    auroc_min: float = Field(default=0.85, gt=0.5, le=1, description="Defects told from sound packages, at least.")
    miss_errors_max: float = Field(
        default=2.0, ge=0, le=10, description="Standard errors by which misses may lie above the level guaranteed."
    )
    human_share_max: float = Field(default=0.95, gt=0, le=1, description="Share of packages sent to a human, at most.")

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """AUROC, misses beside their level, the humans' share, better than the baseline by more than chance, the common lines."""
        missed, level, error = (measured[name] for name in ("miss_rate", "miss_level", "miss_error"))
        most = level + self.miss_errors_max * error
        return (
            Criterion("AUROC", measured["auroc"], f">= {self.auroc_min:g}", measured["auroc"] >= self.auroc_min),
            Criterion(
                "miss rate", missed, f"<= {most:.3g}", missed <= most,
                f"level {level:g} and {self.miss_errors_max:g} standard errors of {error:.2g}",
            ),
            at_most("human share", measured["human_share"], self.human_share_max),
            below("logistic regression", loss["challenger"], loss["baseline"], "packages", seed),
            *super().criteria(loss, measured, seed=seed),
        )  # fmt: skip


class Budgets(CommonBudgets, frozen=True, extra="forbid"):
    """The section `promotion` of `params.yaml`: the forecaster's budgets, and below their names those of other models."""

    baseline_ratio_max: float = Field(default=0.97, gt=0, le=1, description="Loss over the baseline's, at most.")
    latency_p99_ms_max: float = Field(default=50.0, gt=0, description="p99 of one forecast of the longest horizon, ms.")
    coverage_80_low: float = Field(
        default=0.65, ge=0, le=1, description="Randomised-PIT coverage of the 80 % interval."
    )
    coverage_80_high: float = Field(default=0.93, ge=0, le=1, description="Upper bound of the same.")
    recommender: RecommenderBudgets = Field(
        default=RecommenderBudgets(), exclude=True, description="The recommender's; they decide nothing here."
    )
    pricing: PricingBudgets = Field(
        default=PricingBudgets(), exclude=True, description="Those of prices; they decide nothing here."
    )
    inspection: InspectionBudgets = Field(
        default=InspectionBudgets(), exclude=True, description="Those of inspection; they decide nothing here."
    )
    detector: DetectorBudgets = Field(
        default=DetectorBudgets(), exclude=True, description="Those of product recognition; they decide nothing here."
    )

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """Loss over the baseline's, the common lines and the coverage of the interval."""
        ratio, most = float(loss["challenger"].mean() / loss["baseline"].mean()), self.baseline_ratio_max
        covered, low, high = measured["coverage_80"], self.coverage_80_low, self.coverage_80_high
        coverage = Criterion("coverage of the 80 % interval", covered, f"{low} to {high}", low <= covered <= high)
        return (
            Criterion("loss over baseline", ratio, f"<= {most}", ratio <= most),
            *super().criteria(loss, measured, seed=seed),
            coverage,
        )


@dataclass(frozen=True)
class Verdict:
    """Why a challenger was promoted or not."""

    model: str
    challenger: str
    champion: str | None
    window_start: date | None  # None where the source tells no time, only an order
    window_end: date | None
    criteria: tuple[Criterion, ...]
    context: Mapping[str, float] = field(default_factory=dict)
    judged: str = ""  # on whom or what, where the window does not say it all

    @property
    def promoted(self) -> bool:
        """True when every criterion holds."""
        return all(c.passed for c in self.criteria)

    @property
    def champion_scored(self) -> bool:
        """True when a champion stood beside the challenger and could be scored."""
        return self.champion is not None and all(c.name != UNSCORED for c in self.criteria)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, `promoted` included."""
        return {
            **asdict(self),
            "window_start": None if self.window_start is None else self.window_start.isoformat(),
            "window_end": None if self.window_end is None else self.window_end.isoformat(),
            "promoted": self.promoted,
            "context": dict(self.context),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Verdict":
        """What `to_json` wrote."""
        start, end = (None if body[name] is None else date.fromisoformat(body[name]) for name in _WINDOW)
        return cls(
            model=body["model"],
            challenger=body["challenger"],
            champion=body["champion"],
            window_start=start,
            window_end=end,
            criteria=tuple(Criterion(**row) for row in body["criteria"]),
            context=body["context"],
            judged=body.get("judged", ""),
        )


def judge_challenger(
    *,
    model: str,
    challenger: str,
    champion: str | None,
    window: tuple[date, date] | None,
    trained_until: Mapping[str, date],
    loss: Mapping[str, NDArray[np.float64]],
    measured: Mapping[str, float],
    budgets: CommonBudgets,
    seed: int,
    unit: str = "series",
    by_period: Mapping[str, NDArray[np.float64]] | None = None,
    champion_problem: str | None = None,
    judged: str = "",
    slack: float | None = None,
    beside: Sequence[Criterion] = (),
) -> Verdict:
    """Judge a challenger on one window.

    `loss` holds one mean loss per series (or whatever `unit` says), (N,), for `challenger`, `baseline` and (where one
    serves) `champion`, NaN where the champion may not be judged; `measured` holds `latency_p99_ms`, `size_mb` and what else
    the budgets ask. The difference is judged by a paired bootstrap over series; with fewer than `MIN_SERIES` of them, over
    the periods of the window, for which `by_period` holds the losses of `challenger` and `champion` as (N, H).
    `champion_problem` says why a champion could not be scored; such a challenger never passes by itself. `trained_until`
    holds the models that must not have seen the window: ValueError when one saw any of it. `slack` is the loss over the
    champion's that is allowed to one that brings what the champion cannot do; None: it must lose less. `beside` are the
    criteria that the model brings itself.
    """
    for name, until in trained_until.items():
        if window is not None and until >= window[0]:
            raise ValueError(
                f"the window starts on {window[0]} but {name} was trained until {until}: judge on later data "
                "or train with an earlier cutoff"
            )
    rows = [*budgets.criteria(loss, measured, seed=seed), *beside]
    if champion_problem is not None:
        rows.append(Criterion(UNSCORED, 1.0, "0", False, champion_problem))
    elif champion is not None:
        result, drawn = _compare(loss, by_period, seed, unit)
        rows.append(
            Criterion(
                "loss difference to the champion, upper 95 % bound",
                result.high,
                "< 0" if slack is None else f"<= {slack:.4g}",
                result.high < 0 if slack is None else result.high <= slack,
                f"mean {result.diff:.5g}, interval [{result.low:.5g}, {result.high:.5g}], {result.blocks} {drawn}",
            )
        )
    context = {name: float(np.nanmean(values)) for name, values in loss.items()}
    start, end = window or (None, None)
    return Verdict(model, challenger, champion, start, end, tuple(rows), context, judged)


def _compare(
    loss: Mapping[str, NDArray[np.float64]], by_period: Mapping[str, NDArray[np.float64]] | None, seed: int, unit: str
) -> "tuple[BootstrapResult, str]":
    """Challenger against champion, and what was drawn: series, or periods where there are too few series."""
    from models.common.compare import paired_bootstrap

    n = loss["challenger"].size
    if n >= MIN_SERIES or by_period is None:
        return paired_bootstrap(loss["challenger"], loss["champion"], np.arange(n), seed=seed), unit
    challenger, champion = by_period["challenger"], by_period["champion"]
    periods = np.broadcast_to(np.arange(challenger.shape[1]), challenger.shape)
    return paired_bootstrap(challenger.ravel(), champion.ravel(), periods.ravel(), seed=seed), "periods"
