"""The door from sensors to visits: people tracked, parties named, and each shelf event and tag given to the visit it is of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.behaviour.attribution import Doubt, Reckoning, reached
from models.behaviour.exit_tags import Passing, ReadTag, read_tags
from models.behaviour.parties import Parties, share_out
from models.behaviour.people_config import AttributionConfig, ExitConfig, PartyConfig, TrackingConfig
from models.behaviour.people_joining import PersonTrack, track_people
from models.behaviour.people_observed import DevicePlaces, Finds, Openings, ShopPlan
from models.behaviour.tag_chains import last_takes, returned, tied
from models.behaviour.visit_events import MOST_DEEDS, Came, Carried, GateReads, Handled, ShelfDeed, VisitEvent, Went
from models.common.protocols import InputError

_MAY_HOLD = 0.02  # packages from which a visit may be the one


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
        """Tracks of a visit's persons. Raises `InputError` for a visit that never began."""
        if visit_id not in self.openings.visit_id:
            raise InputError(
                f"visit {visit_id!r} is none of the {len(self.openings.visit_id)} that began: ask for one of them"
            )
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
        tracks = track_people(day.finds, self.plan, self.cfg.tracking)
        parties = share_out(
            day.openings, tracks, self.plan, devices=day.devices, payers=day.payers, cfg=self.cfg.parties
        )
        return Walked(day.openings, tracks, parties, day.reads)

    def attribute(self, walked: Walked, deeds: Iterable[ShelfDeed]) -> list[VisitEvent]:
        """Events of all visits in order of time, whatever the order of the deeds. A deed of which too little is sure is told
        of none. Raises `InputError` for deeds out of bounds or too many."""
        ordered = sorted(deeds, key=lambda deed: (deed.at_s, deed.gondola, deed.along_m, deed.product, deed.deed))
        if len(ordered) > MOST_DEEDS:
            raise InputError(f"{len(ordered):,} deeds, {MOST_DEEDS:,} is the bound: give one day of one shop")
        for deed in ordered:
            deed.check(len(self.plan.gondolas))
        cfg, visits = self.cfg, walked.openings.visit_id
        share = reached(ordered, walked.tracks, walked.parties.share, self.plan, cfg.attribution)
        tags = None if walked.reads is None else read_tags(walked.reads, self._passings(walked), cfg.exit)
        passed = {passing.visit for passing in self._passings(walked)}
        share = tied(ordered, share, tags or (), passed, cfg.exit)
        reckoning = Reckoning(ordered, share, cfg.attribution, cfg.exit)
        reckoning.reconsider(None if tags is None else _counted(tags, reckoning, cfg.exit))
        events: list[VisitEvent] = [
            Came(visit, float(at_s)) for visit, at_s in zip(visits, walked.openings.at_s, strict=True)
        ]
        events += [
            event
            for doubt, back in zip(reckoning.doubts, returned(ordered), strict=True)
            if (event := self._handled(doubt, visits, back=back)) is not None
        ]
        told = None if tags is None else _told(tags, reckoning, last_takes(ordered), cfg.exit)
        events += self._left(walked, told, _last_s(walked, ordered))
        return sorted(events, key=lambda event: (event.at_s, event.visit_id, type(event).__name__))

    def _handled(self, doubt: Doubt, visits: Sequence[str], *, back: bool) -> Handled | None:
        """What is told of a deed; None where too little is sure."""
        if not doubt.chance.any():
            return None
        k, number = (int(each) for each in np.unravel_index(int(doubt.chance.argmax()), doubt.chance.shape))
        deed, option = doubt.deed, doubt.deed.options[number]
        # Whose it is hangs on the tags that were read. What it was is told without them: the till hears of them itself.
        share = float(doubt.chance[k].sum() / doubt.chance.sum())
        sure = share * float(doubt.unread[:, number].sum())
        if sure < self.cfg.attribution.least_sure:
            return None
        return Handled(
            visits[int(doubt.visits[k])], deed.deed, option.product, option.count, deed.gondola, deed.at_s, share,
            sure, "returned" if back else "followed" if deed.traced else "unseen",
        )  # fmt: skip

    def _passings(self, walked: Walked) -> list[Passing]:
        near = self.cfg.parties.gate_m
        return [
            Passing(number, walked.tracks[k].ends_s)
            for number, members in enumerate(walked.parties.members())
            for k in members
            if np.linalg.norm(walked.tracks[k].xy[-1] - self.plan.exit) <= near
        ]

    def _left(self, walked: Walked, told: Mapping[int, list[ReadTag]] | None, last_s: float) -> list[VisitEvent]:
        """What each visit carried past the antenna, and that it has gone: also one that was lost from sight before the exit. One of
        which no person is sure may have been anybody until `last_s`, and what it carried is not known."""
        events: list[VisitEvent] = []
        for number, members in enumerate(walked.parties.members()):
            visit = walked.openings.visit_id[number]
            if not members:
                events.append(Went(visit, last_s))
                continue
            at_s = max(walked.tracks[k].ends_s for k in members)
            if told is not None:
                tags = tuple((tag.epc, tag.product) for tag in told.get(number, []))
                events.append(Carried(visit, at_s, tags))
            events.append(Went(visit, at_s))
        return events


def _last_s(walked: Walked, deeds: Sequence[ShelfDeed]) -> float:
    """The last moment of which anything is known; -inf of an empty day."""
    moments = [*(track.ends_s for track in walked.tracks), *(deed.at_s for deed in deeds)]
    read = [] if walked.reads is None else walked.reads.at_s.tolist()
    return max([*moments, *read, *walked.openings.at_s.tolist()], default=-np.inf)


def _told(
    tags: Sequence[ReadTag], reckoning: Reckoning, last: Mapping[str, int], cfg: ExitConfig
) -> dict[int, list[ReadTag]]:
    """Tags by the visit that carried them out, without those of which that is in doubt. `last` tells the deed that took each tag
    which shelf antennas followed; empty, they followed none."""
    found: dict[int, list[ReadTag]] = {}
    for tag in tags:
        if (row := last.get(tag.epc)) is not None:
            held = [reckoning.doubts[row].share(visit) for visit in tag.visits]
        else:
            held = [0.0 if last else reckoning.held(tag.product, visit) for visit in tag.visits]
        share = tag.shares(held, cfg)
        if share.size and share.max() >= cfg.sure:
            found.setdefault(tag.visits[int(share.argmax())], []).append(tag)
    return found


def _counted(tags: Sequence[ReadTag], reckoning: Reckoning, cfg: ExitConfig) -> dict[tuple[int, int], float]:
    """Tags of each product that each visit is expected to have carried out, by the antenna and not by who is likelier to hold such:
    that is what is to be told by it."""
    counts: dict[tuple[int, int], float] = {}
    for tag in tags:
        may = [float(reckoning.held(tag.product, visit) > _MAY_HOLD) for visit in tag.visits]
        for visit, share in zip(tag.visits, tag.shares(may, cfg).tolist(), strict=True):
            counts[visit, tag.product] = counts.get((visit, tag.product), 0.0) + share
    return counts
