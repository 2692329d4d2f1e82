"""Who did what is seen at a shelf: a posterior over visits for each deed, nobody included.

Who stands where one reaches from is likely to have reached; a party puts back what it holds; and what was carried out was taken.
Deeds in doubt are looked at again in the light of the others (coordinate ascent, as in mean-field inference).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.behaviour.people_config import AttributionConfig, ExitConfig
from models.behaviour.people_joining import PersonTrack
from models.behaviour.people_observed import Floats, ShopPlan
from models.behaviour.visit_events import ShelfDeed

_SPOTS = 5  # of a track within the window about a deed
_SURE = 0.999  # posterior from which a deed is not looked at again
_SLACK_S = 1.0  # before a track begins and after it ends
_MOST_READ = 12


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
    noise = float(np.interp(deed.at_s, track.at_s, track.sd_m)) ** 2
    beside, away = float(along) - deed.along_m, float(before)
    own = _normal(away, cfg.before_m[0], cfg.before_m[1] ** 2 + noise)
    own *= (1 - cfg.aside_share) * _normal(beside, 0.0, cfg.beside_m**2 + noise) + cfg.aside_share * _normal(
        beside, 0.0, cfg.aside_m**2
    )
    spread = cfg.round_beside_m[1] ** 2 + noise
    past = _normal(away, cfg.round_before_m[0], cfg.round_before_m[1] ** 2 + noise)
    past *= sum(_normal(beside, side * cfg.round_beside_m[0], spread) for side in (-1, 1)) / 2
    reach = (1 - cfg.round_share) * own + cfg.round_share * past
    return reach + cfg.any_per_m2 * float(np.exp(-np.hypot(beside, away - cfg.before_m[0])))


def _normal(value: float, mean: float, variance: float) -> float:
    return float(np.exp(-0.5 * (value - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance))


def reconsidered(
    deeds: Sequence[ShelfDeed],
    first: Floats,
    read: Mapping[tuple[int, int], int] | None,
    cfg: AttributionConfig,
    gate: ExitConfig,
) -> Floats:
    """Posterior (D, V) from that by places alone (`first`), in the light of what visits held and carried out. `read` tells how many
    tags of a product the exit read of a visit, (visit, product) -> tags; None where it has no antenna."""
    posterior = first.copy()
    of_product: dict[int, list[int]] = {}
    for row, deed in enumerate(deeds):
        of_product.setdefault(deed.product, []).append(row)
    doubtful = [row for row in range(len(deeds)) if (first[row] > 1 - _SURE).sum() > 1]
    doubtful.sort(key=lambda row: deeds[row].at_s)
    for _ in range(cfg.rounds):
        for row in doubtful:
            others = [other for other in of_product[deeds[row].product] if other != row]
            visits = np.flatnonzero(first[row] > 0)
            weight = np.array([_fits(deeds, row, others, int(visit), posterior, read, cfg, gate) for visit in visits])
            told = first[row, visits] * weight
            nobody = max(1 - float(first[row].sum()), 0.0)
            posterior[row, visits] = told / (told.sum() + nobody)
    return posterior


def held(deeds: Sequence[ShelfDeed], rows: Sequence[int], visit: int, posterior: Floats) -> float:
    """How many packages of one product a visit is thought to hold after some deeds."""
    return float(
        sum(
            (1 if deeds[row].deed == "take" else -1) * deeds[row].count * deeds[row].confidence * posterior[row, visit]
            for row in rows
        )
    )


def _fits(
    deeds: Sequence[ShelfDeed],
    row: int,
    others: Sequence[int],
    visit: int,
    posterior: Floats,
    read: Mapping[tuple[int, int], int] | None,
    cfg: AttributionConfig,
    gate: ExitConfig,
) -> float:
    """How well what else is known of a visit fits that the deed is its, against that it is not."""
    deed, ratio = deeds[row], 1.0
    if deed.deed == "put":
        before = [other for other in others if deeds[other].at_s < deed.at_s]
        ratio = float(np.clip(held(deeds, before, visit, posterior) / deed.count, cfg.not_held, 1.0))
    if read is not None:
        without = held(deeds, others, visit, posterior)
        moved = deed.count if deed.deed == "take" else -deed.count
        tags = read.get((visit, deed.product), 0)
        ratio *= read_chance(tags, without + moved, gate) / read_chance(tags, without, gate)
    return ratio


def read_chance(tags: int, count: float, gate: ExitConfig) -> float:
    """Chance that so many tags are read of `count` packages, a fraction between its neighbours."""
    low = int(np.floor(max(count, 0.0)))
    part = max(count, 0.0) - low
    return (1 - part) * _read_of(tags, low, gate) + part * _read_of(tags, low + 1, gate)


def _read_of(tags: int, count: int, gate: ExitConfig) -> float:
    from scipy.stats import binom

    tags, count = min(tags, _MOST_READ), min(count, _MOST_READ)
    strays = np.arange(tags + 1)
    chance = binom.pmf(tags - strays, count, gate.reads) * (1 - gate.false) * gate.false**strays
    return float(chance.sum()) + 1e-9
