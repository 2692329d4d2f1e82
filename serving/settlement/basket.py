"""What a visit carries out: of each product a belief over counts, from what was seen at shelves and what the gate read.

Products are taken to be independent. Every event moves the belief by its count with its confidence, and otherwise as the
event may have been wrong; whatever nobody saw has a small chance. Tags read at the gate then speak for and against (Bayes).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from serving.settlement.shop_events import Moved, Passed

Floats = npt.NDArray[np.float64]
_LEAST = 1e-12  # share: nothing is ever ruled out
_FEW = 8  # packages that nobody saw, tags of what stayed behind: more have no chance worth a sum


class BasketBeliefs(BaseModel):
    """What is held likely before anything is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nothing: float = Field(default=0.6, ge=0, le=1, description="of a wrong event: that nothing of the product moved")
    unseen: float = Field(default=2e-4, ge=0, le=0.5, description="chance that a package left unseen, and of each more")
    gate_read: float = Field(default=0.93, gt=0, lt=1, description="chance that the gate reads the tag of a package")
    gate_stray: float = Field(
        default=5e-4, gt=0, lt=1, description="chance that it reads one left behind, and of each more"
    )
    most: int = Field(default=60, ge=1, le=1_000, description="packages of one product that a visit may carry out")


@dataclass(frozen=True)
class Held:
    """A product and the count most likely carried out, how likely that is, and the ids of what speaks of it."""

    product: str
    count: int
    confidence: float
    evidence: tuple[str, ...]


def carried(moved: Iterable[Moved], passed: Sequence[Passed], beliefs: BasketBeliefs | None = None) -> list[Held]:
    """Of every product that anything speaks of, by its name. `passed` empty: there is no gate antenna."""
    beliefs = beliefs or BasketBeliefs()
    by_product: dict[str, list[Moved]] = {}
    for event in sorted(moved, key=lambda each: (each.time, each.event_id)):
        by_product.setdefault(event.product, []).append(event)
    passed = sorted(passed, key=lambda each: (each.time, each.event_id))
    tags: dict[str, str] = {tag.epc: tag.product for each in passed for tag in each.tags}
    read: dict[str, int] = {}
    for product in tags.values():
        read[product] = read.get(product, 0) + 1
    gate = tuple(each.event_id for each in passed)
    return [
        _held(product, by_product.get(product, []), read.get(product, 0), gate, beliefs)
        for product in sorted(by_product.keys() | read.keys())
    ]


def _held(product: str, events: Sequence[Moved], read: int, gate: tuple[str, ...], beliefs: BasketBeliefs) -> Held:
    belief = np.zeros(beliefs.most + 1)
    belief[0] = 1.0
    for event in events:
        if event.tags == "returned":  # whoever took it put it back
            continue
        belief = _after(belief, event.count if event.deed == "take" else -event.count, event.confidence, beliefs)
    belief = _mixed(belief, {more: (1 - beliefs.unseen) * beliefs.unseen**more for more in range(_FEW)})
    if gate:
        traced = bool(events) and all(event.tags != "unseen" for event in events)
        belief = belief * _likelihood(min(read, beliefs.most), beliefs, traced=traced)
    belief = np.maximum(belief, _LEAST)
    belief /= belief.sum()
    count = int(belief.argmax())
    return Held(product, count, float(belief[count]), (*(each.event_id for each in events), *gate))


def _after(belief: Floats, step: int, confidence: float, beliefs: BasketBeliefs) -> Floats:
    """Belief after an event that says `step`: right, or nothing moved, or one more or fewer did."""
    wrong, sign = 1 - confidence, 1 if step > 0 else -1
    beside = wrong * (1 - beliefs.nothing) / 2
    steps = {step: confidence}
    for other, share in ((0, wrong * beliefs.nothing), (step - sign, beside), (step + sign, beside)):
        steps[other] = steps.get(other, 0.0) + share
    return _mixed(belief, steps)


def _mixed(belief: Floats, steps: Mapping[int, float]) -> Floats:
    """Belief moved by each step with its share; below none and above the most it stays at the end."""
    found = np.zeros_like(belief)
    places = np.arange(belief.size)
    for step, share in steps.items():
        np.add.at(found, np.clip(places + step, 0, belief.size - 1), share * belief)
    return found


@lru_cache(maxsize=4_096)
def _likelihood(read: int, beliefs: BasketBeliefs, *, traced: bool) -> Floats:
    """Of `read` tags given each count: each package's tag is read or not, and so are, by chance, some of what stayed behind. Of
    `traced` packages those that are not read say nothing more."""
    from scipy.stats import binom

    counts = np.arange(beliefs.most + 1)
    if traced:
        return np.asarray(beliefs.gate_stray ** np.maximum(read - counts, 0.0))
    found = np.zeros(counts.size)
    for stray in range(min(read + 1, _FEW)):
        share = (1 - beliefs.gate_stray) * beliefs.gate_stray**stray
        found += share * binom.pmf(read - stray, counts, beliefs.gate_read)
    return found
