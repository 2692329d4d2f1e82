"""Gates: who opened one with which token, and that somebody crossed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sources.twin.floor.params import DoorParams
from sources.twin.floor.people import People
from sources.twin.keyed_random import KeyedRandom

ENTRANCE, EXIT = "entrance", "exit"
OPENINGS = pa.schema([("visit_id", pa.string()), ("at_s", pa.float64())])
CROSSINGS = pa.schema([("gate", pa.string()), ("direction", pa.string()), ("at_s", pa.float64())])


@dataclass(frozen=True, eq=False)
class DoorEvents:
    """`openings` of the entrance by token, visit_id and at_s; `crossings` of a gate's light barrier: gate, direction "in" or "out",
    at_s. Each ascends by its gate's own clock."""

    openings: pa.Table
    crossings: pa.Table


def door_events(
    params: DoorParams, people: People, clocks: Mapping[str, float], random: KeyedRandom, day: int
) -> DoorEvents:
    """What the gates tell of a day."""
    opened = sorted({(visit.opened_s, visit.visit_id) for visit in people.visits})
    openings = pa.table(
        [
            pa.array([visit_id for _, visit_id in opened], pa.string()),
            pa.array([round(at_s + clocks[ENTRANCE], 3) for at_s, _ in opened], pa.float64()),
        ],
        schema=OPENINGS,
    )
    counted = random.uniform("floor.counted", day, people.visit[:, None], people.member[:, None], np.arange(2))
    gates = ((ENTRANCE, "in", "enters_s"), (EXIT, "out", "leaves_s"))
    rows = [
        (round(getattr(person, when) + clocks[gate], 3), gate, direction)
        for k, (gate, direction, when) in enumerate(gates)
        for person, seen in zip(people.persons, (counted[:, k] >= params.missed).tolist(), strict=True)
        if seen
    ]
    rows.sort()
    columns = [[row[1] for row in rows], [row[2] for row in rows], [row[0] for row in rows]]
    crossings = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, CROSSINGS, strict=True)], schema=CROSSINGS
    )
    return DoorEvents(openings, crossings)
