"""Shows now and then what the scores would not, and logs with what chance: what off-policy estimates and learning need.

In a share of the requests one place of the slate, any with equal chance, goes to another candidate, drawn by a softmax of
the scores among those that may stand there (`slates.exchangeable`). So every candidate has a chance, at most one place of a
slate is a trial, the rules hold in every slate, and the propensity of each item at its place, before the draw, is exact:

    of what the scores chose for place k     1 - share / K where anything may be exchanged for it, else 1
    of another candidate c at place k        share / K x softmax(scores / temperature)_c among those that may stand there
"""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError
from models.recommender.histories import Ints
from models.recommender.online import Floats
from models.recommender.slates import EMPTY, Choice, SlateConfig, exchangeable

DRAWS = 3  # numbers of chance that a request needs: whether, where, what


class ExplorationConfig(BaseModel):
    """Knobs of exploration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the requests in which one place is a trial; K places: share / K of all shown",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        description="difference in score (log-odds) by which a candidate is e times less likely tried",
    )


@dataclass(frozen=True)
class Explored:
    """Slates (R, K) as they are shown, places among the candidates, and the propensity (R, K) of each; 1 where EMPTY."""

    slate: Ints
    propensity: Floats


def explore(choice: Choice, slate: Ints, draws: Floats, cfg: ExplorationConfig, rules: SlateConfig) -> Explored:
    """Slates with their trials. `draws` (R, 3) are uniform on [0, 1): equal draws give equal slates, on any machine."""
    if draws.shape != (len(slate), DRAWS) or not ((draws >= 0) & (draws < 1)).all():
        raise InputError(f"draws {draws.shape}: expected ({len(slate)}, {DRAWS}) uniform numbers in [0, 1)")
    shown = slate.copy()
    candidates = exchangeable(choice, slate, rules)
    filled = np.maximum((slate != EMPTY).sum(axis=1), 1)
    trial = cfg.share / filled[:, None]
    propensity: Floats = np.where(candidates.any(axis=2), 1.0 - trial, 1.0)
    explores = draws[:, 0] < cfg.share
    place = np.minimum((draws[:, 1] * filled).astype(np.int64), filled - 1)  # empty places stand behind the filled
    there = candidates[np.arange(len(slate)), place]
    rows = np.flatnonzero(explores & there.any(axis=1))
    if rows.size:
        share = _softmax(np.where(there[rows], choice.scores[rows], -np.inf) / cfg.temperature)
        reached = np.cumsum(share, axis=1)
        found = (draws[rows, 2:] * reached[:, -1:] >= reached).sum(axis=1)
        shown[rows, place[rows]] = found
        propensity[rows, place[rows]] = trial[rows, 0] * share[np.arange(len(rows)), found]
    return Explored(shown, propensity)


def _softmax(scores: Floats) -> Floats:
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
