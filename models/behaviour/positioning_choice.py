"""Which knobs of positioning suit a survey: a grid, judged on scans held out of the survey alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import Scans
from models.behaviour.positioning_fit import held_out, judge, sharpness_of, survey_of, surveyed
from models.common.protocols import ProgressCallback, silent

EXPONENTS = (1.0, 1.5, 2.0, 2.5)
SHIFTS_DB = ((0.0,), (-6.0, -3.0, 0.0, 3.0, 6.0), (-8.0, -4.0, 0.0, 4.0, 8.0))
NEIGHBOURS = (5, 11, 20)
CLOSENESS = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Tried:
    """One setting: mean error of held-out scans in units of x, and their share on the right level."""

    config: PositioningConfig
    error: float
    levels: float


@dataclass(frozen=True)
class Choice:
    """The setting of least mean error, and all that were tried."""

    config: PositioningConfig
    tried: tuple[Tried, ...]


def choose(scans: Scans, cfg: PositioningConfig, *, seed: int, on_progress: ProgressCallback = silent) -> Choice:
    """The best setting for a survey: first how scans are compared, then how neighbours are averaged; all are judged on the same
    held-out scans. Errors as `fit`."""
    scans = surveyed(scans)
    survey = survey_of(scans)
    tried: list[Tried] = []

    def compared(setting: PositioningConfig, averages: Iterable[tuple[int, float]]) -> None:
        held = held_out(scans, survey, setting, seed=seed)
        sharpness = sharpness_of(scans, survey, held)
        for neighbours, closeness in averages:
            each = setting.model_copy(update={"neighbours": neighbours, "closeness": closeness})
            judged = judge(scans, survey, held, each, sharpness=sharpness)
            tried.append(Tried(each, float(judged.error.mean()), float(judged.right.mean())))

    signals = list(product(EXPONENTS, SHIFTS_DB))
    for number, (exponent, shifts_db) in enumerate(signals):
        on_progress(f"exponent {exponent:g}, {len(shifts_db)} shifts", number / (len(signals) + 1))
        setting = cfg.model_copy(update={"exponent": exponent, "shifts_db": shifts_db})
        compared(setting, [(cfg.neighbours, cfg.closeness)])
    on_progress("neighbours", len(signals) / (len(signals) + 1))
    compared(_best(tried), product(NEIGHBOURS, CLOSENESS))
    on_progress("chosen", 1.0)
    return Choice(_best(tried), tuple(tried))


def _best(tried: list[Tried]) -> PositioningConfig:
    return min(tried, key=lambda each: each.error).config
