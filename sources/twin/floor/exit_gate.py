"""The antenna at the exit: tags read while somebody passes, not all of them, and some that nobody takes out."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras.sensors import RFID_READS
from sources.twin.floor.happenings import Happenings
from sources.twin.floor.params import ExitParams
from sources.twin.floor.people import People
from sources.twin.floor.plan import FloorPlan
from sources.twin.floor.units import Morning
from sources.twin.keyed_random import KeyedRandom

ANTENNA = "X1"
_PASS_S = 0.6  # standard deviation of reading times about the passing
_STRAY_DB = 9.0  # weaker than what passes


def exit_reads(
    params: ExitParams,
    plan: FloorPlan,
    people: People,
    done: Happenings,
    morning: Morning,
    clocks: Mapping[str, float],
    random: KeyedRandom,
    day: int,
) -> pa.Table:
    """Readings of a day: antenna_id, at_s by its clock, epc, rssi_dbm."""
    gate = np.array([plan.exit.x, 0.0])
    near = [place.gondola for place in plan.places if np.hypot(place.x - gate[0], place.y) <= params.reach_m]
    enters, leaves = (np.array([getattr(p, when) for p in people.persons]) for when in ("enters_s", "leaves_s"))
    taken_s = {unit: event.at_s for event in done.events if event.deed == "take" for unit in event.units}
    units, at_s, rssi = [], [], []
    for row, person in enumerate(people.persons):
        passes = person.leaves_s
        rng = np.random.default_rng(int(random.bits("floor.exit", day, int(people.visit[row]), person.member)))
        own = np.array(done.carried[people.names[row]], dtype=np.int64)
        missed = params.missed_shielded if person.shields else params.missed
        read = [(own[rng.random(own.size) >= missed], 0.0)]
        for gondola in near:
            shelf = standing_at(done, morning, gondola, passes)
            read.append((shelf[rng.random(shelf.size) < params.stray_shelf], _STRAY_DB))
        for other in np.flatnonzero((enters < passes) & (passes < leaves)).tolist():
            spot = people.tracks[other].at(np.array([passes]))[0]
            if np.hypot(*(spot - gate)) <= params.reach_m:
                held = [unit for unit in done.carried[people.names[other]] if taken_s[unit] < passes]
                theirs = np.array(held, dtype=np.int64)
                read.append((theirs[rng.random(theirs.size) < params.stray_waiting], _STRAY_DB))
        for found, weaker in read:
            alive = found[morning.alive[found]]
            mean = params.reads if weaker == 0.0 else params.reads / 3
            often = np.repeat(alive, 1 + rng.poisson(max(mean - 1, 0.0), alive.size))
            units.append(often)
            at_s.append(passes + _PASS_S * rng.normal(size=often.size))
            rssi.append(params.rssi_dbm - weaker + params.rssi_spread * rng.normal(size=often.size))
    return _table(np.concatenate(units), np.concatenate(at_s) + clocks["exit_antenna"], np.concatenate(rssi), morning)


def standing_at(done: Happenings, morning: Morning, gondola: int, at_s: float) -> Ints:
    """Units that stand on a gondola at a time."""
    found: Ints = np.flatnonzero(morning.gondola == gondola)
    for episode in done.episodes:
        if episode.gondola == gondola and episode.from_s <= at_s:
            found = episode.units[list(episode.story.at(at_s - episode.from_s).lanes)]
    return found


def _table(units: Ints, at_s: Floats, rssi: Floats, morning: Morning) -> pa.Table:
    order = np.argsort(at_s, kind="stable")
    columns = [
        [ANTENNA] * order.size,
        np.round(at_s[order], 3),
        [morning.epc[int(k)] for k in units[order]],
        np.round(rssi[order], 1),
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, RFID_READS, strict=True)], schema=RFID_READS
    )
