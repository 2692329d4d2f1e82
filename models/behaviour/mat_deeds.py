"""What was taken or put where a mat changed, and how that goes together with what cameras, scales and antennas were fused to.

A change names lane and weight; the planogram and the products' weights make candidates of them. Fused deeds and changes of about the
same time are paired (linear assignment) and their beliefs multiplied; what one of the two alone tells is believed less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from models.behaviour.mats import MatChange
from models.behaviour.people_observed import Floats, Ints
from models.behaviour.visit_events import Option, ShelfDeed

MOST_COUNT = 3
_MOST_OPTIONS, _LEAST_CHANCE = 12, 1e-4
_SAME_LANE_M = 0.005


class Planogram(Protocol):
    """What the shop planned where: board `level` (L,), `product` (L,), ends `left` and `right` (L,) of each lane in cm, and
    `weight_g` (P,) of one package of each product."""

    @property
    def level(self) -> Ints: ...
    @property
    def product(self) -> Ints: ...
    @property
    def left(self) -> Floats: ...
    @property
    def right(self) -> Floats: ...
    @property
    def weight_g(self) -> Floats: ...


class MatDeedConfig(BaseModel):
    """What is held likely of changes of mats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own_lane: tuple[float, float] = Field(
        (0.998, 0.83), description="chance that what is taken, and what is put, is what the lane is planned for"
    )
    counts: tuple[float, float, float] = Field((0.82, 0.14, 0.04), description="shares of 1, 2 and 3 packages at once")
    beside_cm: float = Field(0.7, gt=0, le=50, description="standard deviation of a centre beyond its lane's ends")
    hidden_cm: float = Field(2.5, ge=0, le=50, description="standard deviation by which a dead cell shifts a centre")
    package_share: float = Field(
        0.01, ge=0, le=1, description="standard deviation of a package's weight, a share of it"
    )
    least_told: float = Field(0.1, ge=0, lt=1, description="share of a weight that is told at least beside a dead cell")
    other_log: float = Field(-11.0, le=0, description="log-density per gram of a weight that fits no count")
    apart_s: float = Field(2.0, gt=0, le=10, description="from a change to the deed that it may be")
    clocks_s: float = Field(0.5, gt=0, le=10, description="standard deviation of the time between them")
    again_s: float = Field(3.0, gt=0, le=30, description="from a fused deed to its like, of which a mat tells but once")
    deed_missed: float = Field(0.01, gt=0, lt=1, description="chance that a mat tells nothing of a deed")
    light_g: float = Field(
        15.0, gt=0, le=1_000, description="and, beside it, the weight by which that chance falls to 1/e"
    )
    change_alone: float = Field(
        0.9985, gt=0, lt=1, description="chance that a change is a deed though nothing else tells of it"
    )
    most_sure: float = Field(0.98, gt=0.5, lt=1, description="most that a fused deed is believed before a mat agrees")
    misplaced_wrong: float = Field(
        0.05,
        gt=0,
        le=1,
        description="chance that what is put where it is not planned is such a mistake, over that of any: fusion knows the plan, "
        "and needs much to tell otherwise",
    )
    mistaken_for: int = Field(12, ge=1, le=10_000, description="products that a fused deed's may be mistaken for")


@dataclass(frozen=True, eq=False)
class MatDeed:
    """A change as a deed: `belief` (P, 3) over products and counts, sums to 1, and where and when."""

    deed: Literal["take", "put"]
    gondola: int
    along_m: float
    at_s: float
    belief: Floats

    def told(self, sure: float = 1.0) -> ShelfDeed:
        """The likeliest with what else it may have been, beliefs times `sure`."""
        likeliest = np.argsort(-self.belief, axis=None, kind="stable")[:_MOST_OPTIONS]
        options = [
            Option(int(k) // MOST_COUNT, int(k) % MOST_COUNT + 1, min(float(self.belief.flat[k]) * sure, 1.0))
            for k in likeliest
        ]
        first, others = options[0], tuple(option for option in options[1:] if option.chance > _LEAST_CHANCE)
        return ShelfDeed(
            self.deed, first.product, first.count, self.gondola, self.along_m, self.at_s, first.chance, others
        )


def mat_deeds(
    changes: Sequence[MatChange], shelves: Mapping[int, Planogram], cfg: MatDeedConfig | None = None
) -> list[MatDeed]:
    """A deed for each change, by the planogram of its gondola."""
    cfg = cfg or MatDeedConfig()
    return [_deed(change, shelves[change.gondola], cfg) for change in changes]


def _deed(change: MatChange, shelf: Planogram, cfg: MatDeedConfig) -> MatDeed:
    score = _score(change, shelf, cfg, hidden=False)
    if not change.whole:
        score = np.logaddexp(score, _score(change, shelf, cfg, hidden=True))
    belief = np.exp(score - score.max())
    deed: Literal["take", "put"] = "put" if change.grams > 0 else "take"
    return MatDeed(deed, change.gondola, change.centre_cm / 100, change.at_s, belief / belief.sum())


def _score(change: MatChange, shelf: Planogram, cfg: MatDeedConfig, *, hidden: bool) -> Floats:
    """Log-belief (P, 3), whether or not some of the weight is `hidden` by a dead cell."""
    products, own = shelf.weight_g.size, cfg.own_lane[int(change.grams > 0)]
    beside = np.maximum(np.maximum(shelf.left - change.centre_cm, change.centre_cm - shelf.right), 0.0)
    off = beside / np.sqrt(cfg.beside_cm**2 + change.off_cm**2 + (cfg.hidden_cm**2 if hidden else 0.0))
    lane = np.where(shelf.level == change.level, np.exp(-0.5 * off**2), 0.0) + 1e-9
    prior = np.full(products, (1 - own) / products)
    np.add.at(prior, shelf.product, own * lane / lane.sum())
    count = np.arange(1, MOST_COUNT + 1)
    mean = shelf.weight_g[:, None] * count
    variance = change.sd_g**2 + count * (cfg.package_share * shelf.weight_g[:, None]) ** 2
    apart = abs(change.grams) - mean
    if hidden:  # anything up to all of it
        fits = np.where(abs(change.grams) > cfg.least_told * mean, -np.log(mean), -np.inf)
        fits -= 0.5 * np.maximum(apart, 0.0) ** 2 / variance
    else:
        fits = -0.5 * apart**2 / variance - 0.5 * np.log(2 * np.pi * variance)
    return np.asarray(np.log(prior)[:, None] + np.log(cfg.counts) + np.logaddexp(fits, cfg.other_log))


def joined(
    fused: Sequence[ShelfDeed],
    mats: Sequence[MatDeed],
    shelves: Mapping[int, Planogram],
    cfg: MatDeedConfig | None = None,
) -> list[ShelfDeed]:
    """Deeds that both tell of, and those that only one does, in order of time."""
    cfg = cfg or MatDeedConfig()
    partner = _pairs(fused, mats, cfg)
    found = [
        _both(deed, mats[partner[row]], shelves[deed.gondola], cfg) for row, deed in enumerate(fused) if row in partner
    ]
    for row, deed in enumerate(fused):
        if row not in partner and not any(_again(deed, other, cfg) for other in found):
            weight = deed.count * float(shelves[deed.gondola].weight_g[deed.product])
            unseen = deed.confidence * (cfg.deed_missed + float(np.exp(-weight / cfg.light_g)))
            found.append(replace(deed, confidence=unseen / (unseen + 1 - min(deed.confidence, cfg.most_sure))))
    alone = set(range(len(mats))) - set(partner.values())
    found += [mats[k].told(cfg.change_alone) for k in alone]
    return sorted(found, key=lambda deed: (deed.at_s, deed.gondola, deed.along_m, deed.product))


def _again(deed: ShelfDeed, other: ShelfDeed, cfg: MatDeedConfig) -> bool:
    """Whether a deed is one that was told already, at another time of its doubt."""
    alike = (deed.gondola, deed.deed, deed.product) == (other.gondola, other.deed, other.product)
    return alike and abs(deed.at_s - other.at_s) < cfg.again_s


def _pairs(fused: Sequence[ShelfDeed], mats: Sequence[MatDeed], cfg: MatDeedConfig) -> dict[int, int]:
    rows, columns, cost = [], [], []
    at_s = np.array([each.at_s for each in mats])
    order = np.argsort(at_s, kind="stable")
    for row, deed in enumerate(fused):
        low, high = np.searchsorted(at_s[order], [deed.at_s - cfg.apart_s, deed.at_s + cfg.apart_s])
        for k in order[int(low) : int(high)].tolist():
            other = mats[k]
            if (other.gondola, other.deed) == (deed.gondola, deed.deed):
                agrees = float(other.belief[deed.product, min(deed.count, MOST_COUNT) - 1])
                rows.append(row)
                columns.append(k)
                cost.append(0.5 * ((deed.at_s - other.at_s) / cfg.clocks_s) ** 2 - np.log(agrees + 1e-4) - 30.0)
    if not rows:
        return {}
    some, of_row = np.unique(rows, return_inverse=True)
    others, of_column = np.unique(columns, return_inverse=True)
    table = np.zeros((some.size, others.size))
    table[of_row, of_column] = cost
    pairs = zip(*linear_sum_assignment(table), strict=True)
    return {int(some[a]): int(others[b]) for a, b in pairs if table[a, b] < 0}


def _both(deed: ShelfDeed, mat: MatDeed, shelf: Planogram, cfg: MatDeedConfig) -> ShelfDeed:
    sure = min(deed.confidence, cfg.most_sure)
    middles = (shelf.left + shelf.right) / 200
    planned = bool((np.abs(middles - deed.along_m)[shelf.product == deed.product] < _SAME_LANE_M).any())
    wrong = (1 - sure) / cfg.mistaken_for * (cfg.misplaced_wrong if deed.deed == "put" and not planned else 1.0)
    likelihood = np.full(mat.belief.shape, wrong)
    likelihood[deed.product, min(deed.count, MOST_COUNT) - 1] = sure
    belief = mat.belief * likelihood
    return replace(mat, belief=belief / belief.sum(), at_s=(deed.at_s + mat.at_s) / 2).told()
