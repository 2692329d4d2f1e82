"""Who did what is seen at a shelf: a posterior over visits for each deed, nobody included.

Who stands where one reaches from is likely to have reached; a party puts back what it holds; and what was carried out was taken.
Deeds in doubt are looked at again in the light of the others (coordinate ascent, as in mean-field inference).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from models.behaviour.people_config import AttributionConfig, ExitConfig
from models.behaviour.people_joining import PersonTrack
from models.behaviour.people_observed import Floats, Ints, ShopPlan
from models.behaviour.visit_events import Option, ShelfDeed

_SPOTS = 5  # of a track within the window about a deed
_LEAST = 1e-4  # share of a visit that is not worth a look
_SURE = 0.999  # posterior from which a deed is not looked at again
_SLACK_S = 1.0  # before a track begins and after it ends
_MOST_READ = 12
_NEVER = 1e-300


def reached(
    deeds: Sequence[ShelfDeed], tracks: Sequence[PersonTrack], share: Floats, plan: ShopPlan, cfg: AttributionConfig
) -> Floats:
    """Posterior (D, V) that each deed is each visit's by where its persons were, `share` (V, P); what is missing to 1 is nobody's."""
    begins, ends = (np.array([getattr(track, when) for track in tracks]) for when in ("begins_s", "ends_s"))
    found = np.zeros((len(deeds), share.shape[0]))
    for row, deed in enumerate(deeds):
        near = np.flatnonzero((begins - _SLACK_S <= deed.at_s) & (deed.at_s <= ends + _SLACK_S))
        if near.size:
            density = np.array([_density(deed, tracks[int(k)], plan, cfg) for k in near])
            found[row] = share[:, near] @ (density / (density.sum() + cfg.nobody_per_m2))
    return found


def _density(deed: ShelfDeed, track: PersonTrack, plan: ShopPlan, cfg: AttributionConfig) -> float:
    """Density, per square metre, of where a person stood if they did it."""
    times = deed.at_s + np.linspace(-cfg.window_s, cfg.window_s, _SPOTS)
    along, before = plan.gondolas[deed.gondola].seen_from(track.at(times).mean(axis=0))
    # Errors of neighbouring places are alike: of a window's mean about half is left.
    noise = float(np.interp(deed.at_s, track.at_s, track.sd_m)) ** 2 / 2
    beside, away = float(along) - deed.along_m, float(before)
    own = _normal(away, cfg.before_m[0], cfg.before_m[1] ** 2 + noise)
    own *= (1 - cfg.aside_share) * _normal(beside, 0.0, cfg.beside_m**2 + noise) + cfg.aside_share * _normal(
        beside, 0.0, cfg.aside_m**2
    )
    spread = cfg.round_beside_m[1] ** 2 + noise
    past = _normal(away, cfg.round_before_m[0], cfg.round_before_m[1] ** 2 + noise)
    past *= sum(_normal(beside, side * cfg.round_beside_m[0], spread) for side in (-1, 1)) / 2
    reach = (1 - cfg.round_share) * own + cfg.round_share * past
    return reach + cfg.any_per_m2 * float(np.exp(-np.hypot(beside, away - cfg.before_m[0]) / cfg.any_m))


def _normal(value: float, mean: float, variance: float) -> float:
    return float(np.exp(-0.5 * (value - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance))


@dataclass(eq=False)
class Doubt:
    """What is believed of a deed: `chance` (K, O) that it is that of each of its `visits` (K,) and was each of its options; what is
    missing to 1 is that it is nobody's or none of these. `first` (K, O) is what places and shelves alone say, `unread` (K, O) what
    is believed but for the exit's antenna."""

    deed: ShelfDeed
    visits: Ints
    first: Floats
    unread: Floats
    chance: Floats

    @property
    def sign(self) -> int:
        """What it adds to a basket, of each package."""
        return 1 if self.deed.deed == "take" else -1

    def share(self, visit: int) -> float:
        """Posterior that it is a visit's."""
        return float(self.chance[self.visits == visit].sum())


class Reckoning:
    """All deeds of a day with what is believed of each, which hang together by what visits hold and carry out."""

    def __init__(self, deeds: Sequence[ShelfDeed], share: Floats, cfg: AttributionConfig, gate: ExitConfig) -> None:
        """Deeds in order of time, with the share (D, V) of each visit by places."""
        self._cfg, self._gate = cfg, gate
        self.doubts: list[Doubt] = []
        self._of_product: dict[int, list[tuple[Doubt, int]]] = {}
        for row, deed in enumerate(deeds):
            visits = np.flatnonzero(share[row] > _LEAST)
            first = share[row, visits][:, None] * np.array([option.chance for option in deed.options])
            self.doubts.append(Doubt(deed, visits, first, first.copy(), first.copy()))
            for number, option in enumerate(deed.options):
                self._of_product.setdefault(option.product, []).append((self.doubts[-1], number))

    def held(self, product: int, visit: int, *, but: Doubt | None = None, before_s: float = np.inf) -> float:
        """How many packages of a product a visit is thought to hold, one deed left out."""
        total = 0.0
        for doubt, number in self._of_product.get(product, ()):
            if doubt is not but and doubt.deed.at_s < before_s:
                mine = doubt.chance[doubt.visits == visit, number]
                total += doubt.sign * doubt.deed.options[number].count * float(mine.sum())
        return total

    def reconsider(self, read: Mapping[tuple[int, int], float] | None) -> None:
        """Look again at deeds in doubt, in the light of what visits held and carried out. `read` tells how many tags of a product
        the exit read of a visit, (visit, product) -> tags; None where it has no antenna."""
        doubtful = [doubt for doubt in self.doubts if doubt.first.size and doubt.first.max() < _SURE]
        for _ in range(self._cfg.rounds):
            for doubt in doubtful:
                nobody = max(1 - float(doubt.first.sum()), 0.0)
                told = doubt.first * self._each(doubt, self._holds)
                doubt.unread = told / max(told.sum() + nobody, _NEVER)
                if read is not None and not doubt.deed.traced:
                    told = told * self._each(doubt, partial(self._carries, read))
                doubt.chance = told / max(told.sum() + nobody, _NEVER)

    @staticmethod
    def _each(doubt: Doubt, fits: Callable[[Doubt, Option, int], float]) -> Floats:
        """How well something fits each visit and option, (K, O)."""
        return np.array(
            [[fits(doubt, option, visit) for option in doubt.deed.options] for visit in doubt.visits.tolist()]
        )

    def _holds(self, doubt: Doubt, option: Option, visit: int) -> float:
        """How likely a visit holds what it would put back, for it takes what it likes."""
        if doubt.deed.deed == "take":
            return 1.0
        before = self.held(option.product, visit, but=doubt, before_s=doubt.deed.at_s)
        return float(np.clip(before / option.count, self._cfg.not_held, 1.0))

    def _carries(self, read: Mapping[tuple[int, int], float], doubt: Doubt, option: Option, visit: int) -> float:
        """How well the tags that were read of a visit fit that it did it, against that it did not."""
        without = self.held(option.product, visit, but=doubt)
        tags = read.get((visit, option.product), 0.0)
        moved = without + doubt.sign * option.count
        return read_chance(tags, moved, self._gate) / read_chance(tags, without, self._gate)


def read_chance(tags: float, count: float, gate: ExitConfig) -> float:
    """Chance that so many tags are read of `count` packages; fractions lie between their neighbours."""
    low, fewer = int(np.floor(max(count, 0.0))), int(np.floor(tags))
    part, more = max(count, 0.0) - low, tags - fewer
    return sum(
        share * other * _read_of(fewer + extra, low + beyond, gate)
        for extra, share in ((0, 1 - more), (1, more))
        for beyond, other in ((0, 1 - part), (1, part))
    )


@lru_cache(maxsize=4_096)
def _read_of(tags: int, count: int, gate: ExitConfig) -> float:
    from scipy.stats import binom

    tags, count = min(tags, _MOST_READ), min(count, _MOST_READ)
    strays = np.arange(tags + 1)
    chance = binom.pmf(tags - strays, count, gate.reads) * (1 - gate.false) * gate.false**strays
    return float(chance.sum()) + 1e-9
