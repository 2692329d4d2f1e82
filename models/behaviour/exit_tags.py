"""Whose each tag is that the exit's antenna read: by who passed when, how strongly it was heard, and who was seen to take such.

A tag that passes is read often and loudly about the passing; one that strays into the field, of a shelf or of somebody who waits, is
read seldom and weakly about the passing of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.behaviour.people_config import ExitConfig
from models.behaviour.people_observed import Floats
from models.behaviour.visit_events import GateReads

_ENOUGH = 30  # reads that tell how far a clock is ahead
_MOST_LOG = 600.0  # of a ratio: exp of more is no number


@dataclass(frozen=True, eq=False)
class Passing:
    """A person of visit number `visit` passed the exit at `at_s`."""

    visit: int
    at_s: float


@dataclass(frozen=True)
class ReadTag:
    """A tag with the log-likelihood that each of some visits carried it out, against that it strayed into the field."""

    epc: str
    product: int
    visits: tuple[int, ...]
    log_ratio: tuple[float, ...]

    def shares(self, held: Sequence[float], cfg: ExitConfig) -> Floats:
        """Posterior (K,) that each of the visits carried it out, what is missing to 1 that it strayed. `held` is how many packages of
        the product each is thought to hold."""
        prior = cfg.unseen + np.clip(np.array(held, dtype=np.float64), 0.0, 1.0)
        score = np.exp(np.minimum(np.array(self.log_ratio), _MOST_LOG)) * prior
        return np.asarray(score / (score.sum() + cfg.strays))


def read_tags(reads: GateReads, passings: Sequence[Passing], cfg: ExitConfig) -> list[ReadTag]:
    """The tags that were read, by `epc`, each with the visits that passed about then."""
    order = sorted(range(len(passings)), key=lambda k: passings[k].at_s)
    passed_s = np.array([passings[k].at_s for k in order])
    visit = np.array([passings[k].visit for k in order], dtype=np.int64)
    rows: dict[str, list[int]] = {}
    for row, epc in enumerate(reads.epc):
        rows.setdefault(epc, []).append(row)
    late = _late(reads, passed_s, cfg)
    return [_weighed(epc, np.array(own), reads, passed_s + late, visit, cfg) for epc, own in sorted(rows.items())]


def _late(reads: GateReads, passed_s: Floats, cfg: ExitConfig) -> float:
    """By how much the antenna's clock is ahead of the cameras': what reads about one passing alone tell."""
    low, high = (np.searchsorted(passed_s, reads.at_s + side * cfg.about_s) for side in (-1, 1))
    alone = (high - low == 1) & (reads.rssi_dbm > (cfg.passing_dbm + cfg.stray_dbm) / 2)
    if np.count_nonzero(alone) < _ENOUGH:
        return 0.0
    return float(np.median(reads.at_s[alone] - passed_s[low[alone]]))


def _weighed(
    epc: str, own: np.ndarray, reads: GateReads, passed_s: Floats, visit: np.ndarray, cfg: ExitConfig
) -> ReadTag:
    at_s, level = reads.at_s[own], reads.rssi_dbm[own]
    low, high = np.searchsorted(passed_s, at_s - cfg.about_s), np.searchsorted(passed_s, at_s + cfg.about_s)
    near = np.unique(np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)]))
    if not near.size:
        return ReadTag(epc, reads.product[int(own[0])], (), ())
    # Reads of one tag are off together where the passing is: together they tell no more of its time than that leaves.
    spread = np.hypot(cfg.passing_s, cfg.passed_s * np.sqrt(own.size))
    timed = -0.5 * ((at_s[:, None] - passed_s[near]) / spread) ** 2  # (R, K)
    loud, faint = (-0.5 * ((level - mean) / cfg.level_db) ** 2 for mean in (cfg.passing_dbm, cfg.stray_dbm))
    stray = np.logaddexp(np.logaddexp.reduce(timed, axis=1) + faint, cfg.nowhere_log)
    with_it = np.logaddexp(timed + loud[:, None], stray[:, None] + np.log(cfg.also_strays))
    # Few reads speak of a stray, however loud: a tag that passes is read often.
    ratio = (with_it - stray[:, None]).sum(axis=0)
    whose: dict[int, float] = {}
    for number, score in zip(visit[near].tolist(), ratio.tolist(), strict=True):
        whose[number] = max(score, whose.get(number, -np.inf))
    return ReadTag(epc, reads.product[int(own[0])], tuple(whose), tuple(whose.values()))
