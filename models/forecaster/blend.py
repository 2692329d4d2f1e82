"""The champion as a blend: what each member says, weighted by segment and step as a backtest found best.

Convex combinations of forecasts: Bates and Granger (1969). The members of the mean are the trees, a network where one is
trained, the season (the level of the target's season, which trees and network are told in units of) and the level of the
last 28 days; quantiles are those of trees and network, averaged level by level (Ratcliff 1979).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.forecaster.steps import HORIZON_BUCKETS, buckets_of

Member = Literal["trees", "network", "season", "level"]
MEMBERS: tuple[Member, ...] = ("trees", "network", "season", "level")
SEGMENTS: tuple[str, ...] = ("smooth", "intermittent")
ZERO_SHARE = "zero_share_91"  # state column that tells the segment; a state without it is smooth
INTERMITTENT_FROM = 0.5
LEVEL = "level_28"  # state column of the member `level`
MIN_ROWS = 500  # fewer judged rows borrow the weights of their whole segment, or of everything
MIN_GAIN = 0.003  # a member that lowers the squared error by less buys nothing
# Standard errors. A month that sold in one week what the trees had by chance gave them most of the say: of the twin at seed
# 105 a gain of 0.3 %, 0.7 standard errors, took the error against expected demand from 0.175 to 0.216 of naive's.
STEADY = 2.0
Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


class Blend(BaseModel):
    """Weights of `members` by segment (SEGMENTS) and bucket of steps (HORIZON_BUCKETS); each row of weights sums to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    members: tuple[Member, ...] = Field(default=("trees",), min_length=1)
    weights: tuple[tuple[tuple[float, ...], ...], ...] = Field(
        default=(((1.0,),) * len(HORIZON_BUCKETS),) * len(SEGMENTS), description="[segment][bucket][member]"
    )

    @model_validator(mode="after")
    def _whole(self) -> "Blend":
        if "trees" not in self.members:
            raise ValueError(f"members {self.members}: the trees are among them, with weight 0 where they buy nothing")
        table = np.asarray(self.weights, dtype=np.float64)
        wanted = (len(SEGMENTS), len(HORIZON_BUCKETS), len(self.members))
        if table.shape != wanted or (table < 0).any() or not np.allclose(table.sum(axis=2), 1.0, atol=1e-6):
            raise ValueError(f"weights of shape {table.shape}: expected {wanted}, none below 0, each row summing to 1")
        return self

    def of(self, segment: Ints, step: Ints) -> npt.NDArray[np.float64]:
        """Weights (M, K) of M rows: segment (M,) index into SEGMENTS, step (M,) from 1."""
        return np.asarray(self.weights, dtype=np.float64)[segment, buckets_of(step)]

    @property
    def sentence(self) -> str:
        """The weights for a reader."""
        if len(self.members) == 1:
            return "trees alone"
        said = []
        for segment, table in zip(SEGMENTS, self.weights, strict=True):
            rows = (
                f"{first}-{last}: "
                + ", ".join(f"{name} {share:.2f}" for name, share in zip(self.members, row, strict=True))
                for (first, last), row in zip(HORIZON_BUCKETS, table, strict=True)
            )
            said.append(f"{segment} " + "; ".join(rows))
        return " | ".join(said)

    def only(self, member: Member) -> "Blend":
        """All weight on one member."""
        row = tuple(float(name == member) for name in self.members)
        return Blend(members=self.members, weights=((row,) * len(HORIZON_BUCKETS),) * len(SEGMENTS))

    def combine(self, outputs: Mapping[Member, Float], segment: Ints, step: Ints) -> npt.NDArray[np.float64]:
        """Mean and quantiles (M, 4) of `outputs`: (M, 4) of trees and network, (M,) of season and level, NaN if unknown."""
        trees = np.asarray(outputs["trees"], dtype=np.float64)
        if self.members == ("trees",):
            return trees
        weights = self.of(segment, step)
        said = np.stack([_mean_of(outputs[name], trees[:, 0]) for name in self.members], axis=1)  # (M, K)
        mean = (weights * said).sum(axis=1)
        if "network" not in self.members:
            return np.concatenate([mean[:, None], trees[:, 1:]], axis=1)
        own = weights[:, [self.members.index("trees"), self.members.index("network")]]
        total = own.sum(axis=1)
        share = np.divide(own[:, 1], total, out=np.zeros(total.size), where=total > 0)[:, None]
        network = np.asarray(outputs["network"], dtype=np.float64)
        return np.concatenate([mean[:, None], (1.0 - share) * trees[:, 1:] + share * network[:, 1:]], axis=1)


def _mean_of(output: Float, instead: Float) -> npt.NDArray[np.float64]:
    mean = np.asarray(output if output.ndim == 1 else output[:, 0], dtype=np.float64)
    return np.where(np.isnan(mean), instead, mean)


def segment_of(state: Mapping[str, Float], n_pairs: int) -> Ints:
    """Index into SEGMENTS (N,) by the share of days without a sale; unknown is smooth."""
    share = state.get(ZERO_SHARE)
    if share is None:
        return np.zeros(n_pairs, dtype=np.int64)
    return np.asarray(share >= INTERMITTENT_FROM, dtype=np.int64)


def fit_blend(
    outputs: Mapping[Member, Float],
    target: Float,
    weight: Float,
    segment: Ints,
    step: Ints,
    *,
    first: Member = "trees",
    week: Ints | None = None,
) -> Blend:
    """The blend of least weighted squared error on V judged rows, without the members that buy next to nothing.

    outputs as in `Blend.combine`; target, weight (V,), segment, step (V,), all in units of the scale. first: the member
    that the others must improve on. week (V,): what they gain must be steady over these too, not the luck of one of them;
    None: it need not.
    """
    members: tuple[Member, ...] = tuple(name for name in MEMBERS if name in outputs)
    said = np.stack([_mean_of(outputs[name], _mean_of(outputs["trees"], target)) for name in members], axis=1)
    kept = _worth_keeping(members, said, target, weight, first, week)
    columns = [members.index(name) for name in kept]
    bucket = buckets_of(step)

    def weights(rows: npt.NDArray[np.bool_], instead: tuple[float, ...]) -> tuple[float, ...]:
        if rows.sum() < MIN_ROWS:
            return instead
        return convex_weights(said[rows][:, columns], target[rows], weight[rows])

    first_alone = tuple(float(name == first) for name in kept)
    every = weights(np.ones(target.size, dtype=bool), first_alone)
    table = []
    for index in range(len(SEGMENTS)):
        own = weights(segment == index, every)
        found = [weights((segment == index) & (bucket == at), own) for at in range(len(HORIZON_BUCKETS))]
        table.append(tuple(_half_way(row, own) for row in found))
    if "trees" not in kept:  # theirs are the quantiles
        kept, table = ("trees", *kept), [tuple((0.0, *row) for row in rows) for rows in table]
    return Blend(members=kept, weights=tuple(table))


def _half_way(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    """Weights of some steps drawn towards those of their segment: a few weeks of validation are a single draw.

    On two windows of Rossmann half of the way took the RMSPE from 0.1017 and 0.1084 to 0.1015 and 0.1082.
    """
    return tuple(round((one + other) / 2.0, 5) for one, other in zip(first, second, strict=True))


def _worth_keeping(
    members: tuple[Member, ...], said: Float, target: Float, weight: Float, first: Member, week: Ints | None
) -> tuple[Member, ...]:
    """The first and the members that lower the error of those kept before them by MIN_GAIN, and steadily, one by one."""
    if target.size < MIN_ROWS:
        return (first,)
    kept: list[int] = [members.index(first)]
    open_ = [at for at in range(len(members)) if at not in kept]
    errors = _errors(said[:, kept], target, weight)
    while open_:
        gains = {at: errors - _errors(said[:, [*kept, at]], target, weight) for at in open_}
        least = MIN_GAIN * errors.sum()
        able = [at for at, gain in gains.items() if gain.sum() >= least and (week is None or _steady(gain, week))]
        if not able:
            break
        best = max(able, key=lambda at: float(gains[at].sum()))
        kept.append(best)
        open_.remove(best)
        errors = errors - gains[best]
    return tuple(members[at] for at in sorted(kept))


def _errors(said: Float, target: Float, weight: Float) -> Float:
    """Weighted squared errors (V,) of the best convex combination."""
    weights = convex_weights(said, target, weight)
    return np.asarray(weight * (said @ np.asarray(weights) - target) ** 2)


def _steady(gain: Float, week: Ints) -> bool:
    """Whether the mean over weeks of what was gained in each lies STEADY standard errors above 0; so it is of one week."""
    _, place = np.unique(week, return_inverse=True)
    by_week = np.bincount(place, gain)
    if by_week.size == 1:
        return True
    return bool(by_week.mean() >= STEADY * by_week.std(ddof=1) / np.sqrt(by_week.size))


def convex_weights(said: Float, target: Float, weight: Float) -> tuple[float, ...]:
    """Weights (K,) >= 0 that sum to 1 and minimise sum(weight * (said (V, K) @ weights - target) ** 2); K is small.

    Exact: the minimum over the simplex is that of some face, where it solves linear equations; the faces are few.
    """
    n_members = said.shape[1]
    off = said - target[:, None]
    gram = (off * weight[:, None]).T @ off / max(float(weight.sum()), 1e-12)
    best, found = np.inf, np.eye(n_members)[0]
    for face in _faces(range(n_members)):
        block = gram[np.ix_(face, face)]
        own = np.linalg.lstsq(block + 1e-12 * np.trace(block) * np.eye(len(face)), np.ones(len(face)), rcond=None)[0]
        if own.sum() <= 0 or (own < 0).any():
            continue
        own = own / own.sum()
        if (loss := float(own @ block @ own)) < best:
            best, found = loss, np.zeros(n_members)
            found[list(face)] = own
    rounded = np.round(found, 4)
    rounded[int(np.argmax(rounded))] += 1.0 - rounded.sum()
    return tuple(float(value) for value in rounded)


def _faces(members: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for size in range(1, len(members) + 1):
        yield from combinations(members, size)
