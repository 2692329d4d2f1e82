"""The door from sensors to visits: people tracked, parties named, and each shelf event and tag given to the visit it is of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.behaviour.attribution import held, reached, reconsidered
from models.behaviour.exit_tags import Passing, ReadTag, read_tags
from models.behaviour.parties import Parties, share_out
from models.behaviour.people_config import AttributionConfig, ExitConfig, PartyConfig, TrackingConfig
from models.behaviour.people_joining import PersonTrack, track_people
from models.behaviour.people_observed import DevicePlaces, Finds, Floats, Openings, ShopPlan
from models.behaviour.visit_events import MOST_DEEDS, Came, Carried, GateReads, Handled, ShelfDeed, VisitEvent, Went
from models.common.protocols import InputError


class VisitConfig(BaseModel):
    """All knobs of telling who did it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracking: TrackingConfig = TrackingConfig()
    parties: PartyConfig = PartyConfig()
    attribution: AttributionConfig = AttributionConfig()
    exit: ExitConfig = ExitConfig()


@dataclass(frozen=True, eq=False)
class SensedDay:
    """What a day's sensors tell of people: `finds` of ceiling cameras, `openings` of the gate, `devices` with the `payers`' device
    of each visit_id, and what the exit `reads`, None where it has no antenna."""

    finds: Finds
    openings: Openings
    devices: DevicePlaces
    payers: Mapping[str, str]
    reads: GateReads | None


@dataclass(frozen=True, eq=False)
class Walked:
    """The day's people before anything at a shelf is told: `tracks` of P persons and the `parties` they belong to."""

    openings: Openings
    tracks: Sequence[PersonTrack]
    parties: Parties
    reads: GateReads | None

    def of_visit(self, visit_id: str) -> list[PersonTrack]:
        """Tracks of a visit's persons."""
        number = list(self.openings.visit_id).index(visit_id)
        return [self.tracks[k] for k in self.parties.members()[number]]


class VisitTracker:
    """Tells visits of a shop; holds its plan and config, no state."""

    def __init__(self, plan: ShopPlan, cfg: VisitConfig | None = None) -> None:
        self.plan, self.cfg = plan, cfg or VisitConfig()

    def walk(self, day: SensedDay) -> Walked:
        """Track people and name their parties. Raises `InputError` for what does not fit together or is too much."""
        day.openings.check()
        if day.reads is not None:
            day.reads.check()
        tracks = track_people(day.finds, self.cfg.tracking)
        parties = share_out(
            day.openings, tracks, self.plan, devices=day.devices, payers=day.payers, cfg=self.cfg.parties
        )
        return Walked(day.openings, tracks, parties, day.reads)

    def attribute(self, walked: Walked, deeds: Iterable[ShelfDeed]) -> list[VisitEvent]:
        """Events of all visits in order of time, whatever the order of the deeds. A deed that is likelier nobody's than any visit's
        is told of none. Raises `InputError` for deeds out of bounds or too many."""
        ordered = sorted(deeds, key=lambda deed: (deed.at_s, deed.gondola, deed.along_m, deed.product, deed.deed))
        if len(ordered) > MOST_DEEDS:
            raise InputError(f"{len(ordered):,} deeds, {MOST_DEEDS:,} is the bound: give one day of one shop")
        for deed in ordered:
            deed.check(len(self.plan.gondolas))
        cfg, visits = self.cfg, walked.openings.visit_id
        posterior = reached(ordered, walked.tracks, walked.parties.share, self.plan, cfg.attribution)
        tags = None if walked.reads is None else read_tags(walked.reads, self._passings(walked), cfg.exit)
        read = None if tags is None else _counted(_told(tags, ordered, posterior, cfg.exit))
        posterior = reconsidered(ordered, posterior, read, cfg.attribution, cfg.exit)
        events: list[VisitEvent] = [
            Came(visit, float(at_s)) for visit, at_s in zip(visits, walked.openings.at_s, strict=True)
        ]
        for row, deed in enumerate(ordered):
            best = int(posterior[row].argmax()) if len(visits) else 0
            share = float(posterior[row, best]) if len(visits) else 0.0
            if share > max(1 - float(posterior[row].sum()), 0.0):
                sure = share * deed.confidence
                events.append(
                    Handled(visits[best], deed.deed, deed.product, deed.count, deed.gondola, deed.at_s, share, sure)
                )
        events += self._left(walked, None if tags is None else _told(tags, ordered, posterior, cfg.exit))
        return sorted(events, key=lambda event: (event.at_s, event.visit_id, type(event).__name__))

    def _passings(self, walked: Walked) -> list[Passing]:
        near = self.cfg.parties.gate_m
        return [
            Passing(number, walked.tracks[k].ends_s)
            for number, members in enumerate(walked.parties.members())
            for k in members
            if np.linalg.norm(walked.tracks[k].xy[-1] - self.plan.exit) <= near
        ]

    def _left(self, walked: Walked, told: Mapping[int, list[ReadTag]] | None) -> list[VisitEvent]:
        """What each visit carried past the antenna, and that it has gone."""
        last: dict[int, float] = {}
        for passing in self._passings(walked):
            last[passing.visit] = max(passing.at_s, last.get(passing.visit, passing.at_s))
        events: list[VisitEvent] = []
        for number, at_s in last.items():
            visit = walked.openings.visit_id[number]
            if told is not None:
                tags = tuple((tag.epc, tag.product) for tag in told.get(number, []))
                events.append(Carried(visit, at_s, tags))
            events.append(Went(visit, at_s))
        return events


def _told(
    tags: Sequence[ReadTag], deeds: Sequence[ShelfDeed], posterior: Floats, cfg: ExitConfig
) -> dict[int, list[ReadTag]]:
    """Tags by the visit that most likely carried them out."""
    rows: dict[int, list[int]] = {}
    for row, deed in enumerate(deeds):
        rows.setdefault(deed.product, []).append(row)
    found: dict[int, list[ReadTag]] = {}
    for tag in tags:
        has = np.zeros(posterior.shape[1])
        for visit in tag.visits:
            has[visit] = held(deeds, rows.get(tag.product, []), visit, posterior)
        best = tag.best(has, cfg)
        if best is not None:
            found.setdefault(best, []).append(tag)
    return found


def _counted(told: Mapping[int, Sequence[ReadTag]]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for visit, tags in told.items():
        for tag in tags:
            counts[visit, tag.product] = counts.get((visit, tag.product), 0) + 1
    return counts
