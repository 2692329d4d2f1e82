"""Which opening of the gate each person came in with: ways to share persons among openings, each with its likelihood.

Told by when persons come in after an opening and one after another, by who leaves together, and by where the device of the one who
pays is heard, who is taken to come in first. The likeliest ways are followed from opening to opening (a beam), and their weights
give each person's posterior.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np

from models.behaviour.people_config import PartyConfig
from models.behaviour.people_joining import PersonTrack
from models.behaviour.people_observed import DevicePlaces, Floats, Openings, ShopPlan

_REACH = 5.0  # standard deviations about the expected time within which a person may belong to an opening
_CLOCK_STEPS = 5  # offsets of the radio's clock that are tried
_FAR_LOG = -6.0  # least that one scan may say: some lie far off
_UNSEEN_LOG = -8.0  # least that all of them may say: who pays may be one whom no camera followed
_STRANGERS_S = 60.0  # within which strangers come at any time
_LATE_LOG = -20.0  # of coming in long after the gate was opened: it closes
_APART_LOG = -12.0  # of leaving long after others of the party

_Party: TypeAlias = tuple[int, ...]
_Scored: TypeAlias = tuple[_Party, float]


@dataclass(frozen=True, eq=False)
class Parties:
    """`share` (V, P): the posterior that each of P persons belongs to each of V visits; the rest of a column's sum to 1 is that
    they belong to none."""

    share: Floats

    def members(self, least: float = 0.5) -> list[list[int]]:
        """Persons of each visit whose posterior is above `least`."""
        return [np.flatnonzero(row > least).tolist() for row in self.share]


def share_out(
    openings: Openings,
    tracks: Sequence[PersonTrack],
    plan: ShopPlan,
    *,
    devices: DevicePlaces | None = None,
    payers: Mapping[str, str] | None = None,
    cfg: PartyConfig | None = None,
) -> Parties:
    """Parties of openings whatever their order. `payers` tells the device that opened the gate for a visit_id."""
    cfg = cfg or PartyConfig()
    openings.check()
    judge = _Judge(openings, tracks, plan, devices or DevicePlaces.none(), payers or {}, cfg)
    order = np.argsort(openings.at_s, kind="stable").tolist()
    share = np.zeros((len(order), len(tracks)))
    for together in _entangled([(visit, judge.parties(visit)) for visit in order]):
        for weight, chosen in _ways(together, cfg.most_ways):
            for (visit, _), party in zip(together, chosen, strict=True):
                share[visit, list(party)] += weight
    return Parties(share)


def _entangled(visits: Iterable[tuple[int, list[_Scored]]]) -> list[list[tuple[int, list[_Scored]]]]:
    """Openings in order of time, those together that may have let the same person in."""
    found: list[list[tuple[int, list[_Scored]]]] = []
    known: set[int] = set()
    for visit, candidates in visits:
        persons = {person for party, _ in candidates for person in party}
        if known.isdisjoint(persons):
            found.append([])
            known = set()
        known |= persons
        found[-1].append((visit, candidates))
    return found


def _ways(visits: Sequence[tuple[int, list[_Scored]]], most: int) -> list[tuple[float, tuple[_Party, ...]]]:
    """The likeliest ways to give each opening a party of its own persons, with weights that sum to 1."""
    ways: list[tuple[float, frozenset[int], tuple[_Party, ...]]] = [(0.0, frozenset(), ())]
    for _, candidates in visits:
        grown = [
            (score + more, given | set(party), (*chosen, party))
            for score, given, chosen in ways
            for party, more in candidates
            if given.isdisjoint(party)
        ]
        grown.sort(key=lambda way: (-way[0], way[2]))
        ways = grown[:most]
    weights = np.exp(np.array([score for score, _, _ in ways]) - ways[0][0])
    return [(float(weight), way[2]) for weight, way in zip(weights / weights.sum(), ways, strict=True)]


class _Judge:
    """Log-likelihoods of parties, each person's against having come in without an opening."""

    def __init__(
        self,
        openings: Openings,
        tracks: Sequence[PersonTrack],
        plan: ShopPlan,
        devices: DevicePlaces,
        payers: Mapping[str, str],
        cfg: PartyConfig,
    ) -> None:
        self._openings, self._tracks, self._cfg, self._devices = openings, tracks, cfg, devices
        self._payers = payers
        self._begins = np.array([track.begins_s for track in tracks])
        self._ends = np.array([track.ends_s for track in tracks])
        places = np.array([track.xy[[0, -1]] for track in tracks]).reshape(-1, 2, 2)
        self._came = np.linalg.norm(places[:, 0] - plan.entrance, axis=1) <= cfg.gate_m
        self._went = np.linalg.norm(places[:, 1] - plan.exit, axis=1) <= cfg.gate_m
        self._rows: dict[str, list[int]] = {}
        for row, device in enumerate(devices.device.tolist()):
            self._rows.setdefault(device, []).append(row)

    def parties(self, visit: int) -> list[_Scored]:
        """Persons who may have come in with an opening, in order of coming, with the log-likelihood; nobody is one of the parties."""
        cfg, opened = self._cfg, float(self._openings.at_s[visit])
        most = len(cfg.sizes)
        mean = cfg.first_s[0] + (most - 1) * cfg.next_s[0]
        wide = float(np.hypot(cfg.first_s[1], np.sqrt(most - 1) * cfg.next_s[1]))
        low, high = opened + cfg.first_s[0] - _REACH * cfg.first_s[1], opened + mean + _REACH * wide
        near = np.flatnonzero(self._came & (self._begins >= low) & (self._begins <= high))
        near = near[np.argsort(self._begins[near], kind="stable")]
        found: list[_Scored] = [((), cfg.alone_log)]
        for size in range(1, min(most, near.size) + 1):
            found += [(party, self._log(visit, party)) for party in combinations(near.tolist(), size)]
        return found

    def _log(self, visit: int, party: _Party) -> float:
        cfg = self._cfg
        begins = self._begins[list(party)].tolist()
        score = float(np.log(max(cfg.sizes[len(party) - 1], 1e-9))) - len(party) * cfg.alone_log
        score += _timed(begins[0] - float(self._openings.at_s[visit]), cfg.first_s, _LATE_LOG)
        score += sum(_timed(late - early, cfg.next_s, _LATE_LOG) for early, late in pairwise(begins))
        ends = sorted(self._ends[k] for k in party if self._went[k])
        score += sum(_timed(float(late - early), cfg.leave_s, _APART_LOG) for early, late in pairwise(ends))
        return score + self._radio(visit, party[0])

    def _radio(self, visit: int, payer: int) -> float:
        """Log-likelihood of the scans of a visit's device by where one person walked, against anywhere in the shop."""
        rows = self._rows.get(self._payers.get(self._openings.visit_id[visit], ""), [])
        if not rows:
            return 0.0
        cfg, track, told = self._cfg, self._tracks[payer], self._devices
        at_s, xy, sd = told.at_s[rows], told.xy[rows], told.sd_m[rows]
        known = ~np.isnan(sd)
        if not known.any():
            return 0.0
        best = -np.inf
        for late in np.linspace(-cfg.radio_clock_s, cfg.radio_clock_s, _CLOCK_STEPS).tolist():
            own = at_s[known] - late
            apart = ((track.at(own) - xy[known]) ** 2).sum(axis=1) / sd[known] ** 2
            apart += (np.maximum(track.begins_s - own, own - track.ends_s).clip(0.0) / 2.0) ** 2
            best = max(best, float(np.maximum(-0.5 * apart, _FAR_LOG).sum()))
        return max(cfg.radio_weight * best, _UNSEEN_LOG)


def _timed(gap_s: float, expected: tuple[float, float], least: float) -> float:
    """Log-density of a time, against that of strangers."""
    mean, spread = expected
    return max(-0.5 * ((gap_s - mean) / spread) ** 2, least) - float(np.log(spread / _STRANGERS_S))
