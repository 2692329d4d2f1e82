"""What a panel of shoppers who wear eye trackers lets a shop learn attention from: their tracks, and what they looked at when.

Tracks are the true ones with the noise of the ceiling's cameras, so that a tracker's own can take their place. Looks and stops are
annotations: a model may learn from those of past days, and sees none when it is asked.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.keyed_random import KeyedRandom

FIRST_DAY = date(2024, 1, 1)  # the date of day 0


def shop_tables(floor: Floor) -> dict[str, pa.Table]:
    """`gondolas`: where each stands and faces, m; `lanes`: where each product stands, m to the right of its gondola's middle."""
    places = floor.plan.places
    lanes = [(gondola, lane) for gondola, stand in enumerate(floor.stands) for lane in stand.gondola.lanes]
    return {
        "gondolas": pa.table(
            {
                "gondola": [place.gondola for place in places],
                "x": [place.x for place in places],
                "y": [place.y for place in places],
                "facing_x": [place.facing[0] for place in places],
                "facing_y": [place.facing[1] for place in places],
                "width_m": [place.width for place in places],
            }
        ),
        "lanes": pa.table(
            {
                "gondola": [gondola for gondola, _ in lanes],
                "lane": [lane.lane for _, lane in lanes],
                "level": [lane.level for _, lane in lanes],
                "product_id": [floor.studio.appearances.ids[lane.product] for _, lane in lanes],
                "left_m": [lane.left / 100 for _, lane in lanes],
                "right_m": [lane.right / 100 for _, lane in lanes],
            }
        ),
    }


def panel_tables(floor: Floor, days: Sequence[int]) -> dict[str, pa.Table]:
    """`shop_tables`, and of some days `visits`, `tracks`, `shelf_events`, `mat_activity`, `looks` and `stops`; times in seconds since
    midnight."""
    parts = [day_tables(floor, floor.day(number)) for number in days]
    return shop_tables(floor) | {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}


def day_tables(floor: Floor, day: ShopDay, *, first_day: date = FIRST_DAY) -> dict[str, pa.Table]:
    """The tables of one day; `first_day` is the date of day 0."""
    truth, on = day.truth, first_day + timedelta(days=day.number)
    stops = [
        (visit.visit_id, visit.name(person.member), stop)
        for visit in truth.visits
        for person in visit.people
        for stop in person.stops
    ]
    looks = [(visit, person, stop.gondola, look) for visit, person, stop in stops for look in stop.looks]
    mats = day.observed.mats
    return {
        "visits": pa.table(
            {
                "visit_id": [visit.visit_id for visit in truth.visits],
                "day": pa.array([on] * len(truth.visits), pa.date32()),
                "persons": [len(visit.people) for visit in truth.visits],
            }
        ),
        "tracks": _tracks(floor, day),
        "shelf_events": pa.table(
            {
                "visit_id": [event.visit_id for event in truth.events],
                "person": [event.person for event in truth.events],
                "at_s": pa.array([event.at_s for event in truth.events], pa.float64()),
                "gondola": pa.array([event.gondola for event in truth.events], pa.int64()),
                "lane": pa.array([event.lane for event in truth.events], pa.int64()),
                "deed": [event.deed for event in truth.events],
            }
        ),
        "mat_activity": pa.table(
            {
                "day": pa.array([on] * len(mats.at_s), pa.date32()),
                "gondola": mats.gondola,
                "level": mats.level,
                "at_s": mats.at_s,
            }
        ),
        "looks": pa.table(
            {
                "visit_id": [visit for visit, _, _, _ in looks],
                "person": [person for _, person, _, _ in looks],
                "gondola": [gondola for _, _, gondola, _ in looks],
                "lane": [look.lane for _, _, _, look in looks],
                "from_s": [look.from_s for _, _, _, look in looks],
                "to_s": [look.to_s for _, _, _, look in looks],
            }
        ),
        "stops": pa.table(
            {
                "visit_id": [visit for visit, _, _ in stops],
                "person": [person for _, person, _ in stops],
                "gondola": [stop.gondola for _, _, stop in stops],
                "from_s": [stop.from_s for _, _, stop in stops],
                "to_s": [stop.to_s for _, _, stop in stops],
            }
        ),
    }


def _tracks(floor: Floor, day: ShopDay) -> pa.Table:
    """Places inside the room as a ceiling camera tells them that is the nearest, some of them missed."""
    params, random = floor.params.ceiling, KeyedRandom(floor.seed)
    visit_of = {visit.name(p.member): visit for visit in day.truth.visits for p in visit.people}
    visits: list[str] = []
    persons: list[str] = []
    times, places = [], []
    for person, track in day.truth.tracks.items():
        visit, member = visit_of[person], int(person.rsplit(".", 1)[1])
        tick = track.first + np.arange(len(track.xy))
        key = day.number, visit.number, member, tick
        found = random.uniform("floor.panel_found", *key) >= params.missed
        kept = found & (track.xy > 0).all(axis=1) & (track.xy < (floor.plan.width, floor.plan.depth)).all(axis=1)
        aside = np.linalg.norm(track.xy[:, None] - floor.plan.ceiling[None], axis=2).min(axis=1)
        noise = random.normal("floor.panel_noise", *key[:3], tick[:, None], np.arange(2))
        xy = track.xy + (params.noise_m + params.noise_per_m * aside)[:, None] * noise
        visits += [visit.visit_id] * int(kept.sum())
        persons += [person] * int(kept.sum())
        times.append(track.times[kept])
        places.append(xy[kept])
    xy = np.round(np.concatenate(places), 3)
    return pa.table(
        {
            "visit_id": visits,
            "person": persons,
            "at_s": np.round(np.concatenate(times), 3),
            "x": xy[:, 0],
            "y": xy[:, 1],
        }
    )
