"""Wi-Fi scans of devices in the shop, and the survey that places can be learnt from.

Scans come in two long tables: which access points a scan heard and how strongly, and the scan itself with its place where that is
known. Devices carry a pseudonym that is salted anew every day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from sources.twin.arrays import Floats
from sources.twin.floor.params import RadioParams
from sources.twin.floor.people import People
from sources.twin.floor.plan import FloorPlan
from sources.twin.floor.radio import Radio
from sources.twin.keyed_random import KeyedRandom

START = date(2024, 1, 1)  # day 0; the survey was made on the day before
BUILDING, FLOOR = "shop", 0
SCANS = pa.schema([("scan_id", pa.string()), ("access_point", pa.string()), ("rssi_dbm", pa.float64())])
FINGERPRINTS = pa.schema(
    [
        ("scan_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("device_id", pa.string()),
        ("building", pa.string()),
        ("floor", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
    ]
)
BINDINGS = pa.schema([("visit_id", pa.string()), ("device_id", pa.string())])


@dataclass(frozen=True, eq=False)
class Scans:
    """`scans`: scan_id, access_point, rssi_dbm, a row for each access point heard; `fingerprints`: scan_id, at, device_id, building,
    floor, and x, y in metres, which are null where nobody knows them."""

    scans: pa.Table
    fingerprints: pa.Table


def survey(params: RadioParams, plan: FloorPlan, radio: Radio, world: KeyedRandom) -> Scans:
    """Scans at the places of a grid that one can stand at."""
    step = params.survey_step_m
    x, y = np.meshgrid(np.arange(step / 2, plan.width, step), np.arange(step / 2, plan.depth, step))
    spots = np.column_stack([x.ravel(), y.ravel()])
    left, bottom, right, top = plan.blocks.T
    inside = (spots[:, :1] > left) & (spots[:, :1] < right) & (spots[:, 1:] > bottom) & (spots[:, 1:] < top)
    spots = spots[~inside.any(axis=1)]
    place, scan = (part.ravel() for part in np.mgrid[: len(spots), : params.survey_scans])
    device = scan % params.survey_devices
    offset = params.device_db * world.normal("floor.survey_device", device)
    noise = _Luck(world, "survey", place, scan)
    heard = _heard(params, radio.level(spots[place]) + offset[:, None], noise)
    at_s = 36_000.0 + 12.0 * place + params.scan_s * scan
    names = [f"surveyor{k + 1}" for k in device.tolist()]
    return _tables("survey", -1, at_s, names, heard, spots[place])


def device_id(random: KeyedRandom, day: int, visit: int, member: int) -> str:
    """The pseudonym of a person's device on a day."""
    return f"{int(random.bits('floor.device', day, visit, member)):016x}"


def scans(
    params: RadioParams,
    radio: Radio,
    people: People,
    clocks: Mapping[str, float],
    random: KeyedRandom,
    day: int,
) -> Scans:
    """What is heard of the persons' devices while they are in the shop, by the controller's clock."""
    rows, times, places, numbers = [], [], [], []
    for row, (person, track) in enumerate(zip(people.persons, people.tracks, strict=True)):
        if person.device_db is None:
            continue
        most = int((person.leaves_s - person.enters_s) / (0.7 * params.scan_s)) + 2
        key = (day, int(people.visit[row]), int(people.member[row]))
        steps = params.scan_s * (0.7 + 0.6 * random.uniform("floor.scan_step", *key, np.arange(most)))
        own = person.enters_s + steps.cumsum() - steps[0] * random.uniform("floor.scan_first", *key)
        own = own[own < person.leaves_s]
        times.append(own)
        places.append(track.at(own))
        rows.append(np.full(own.size, row))
        numbers.append(np.arange(own.size))
    if not rows:
        return _tables(f"scan{day:04d}", day, np.empty(0), [], np.empty((0, params.access_points)), None)
    who, at_s = np.concatenate(rows), np.concatenate(times)
    pairs = zip(people.visit.tolist(), people.member.tolist(), strict=True)
    names = [device_id(random, day, visit, member) for visit, member in pairs]
    offset = np.array([person.device_db or 0.0 for person in people.persons])
    noise = _Luck(random, "scan", people.visit[who], people.member[who], np.concatenate(numbers), day)
    level = radio.level(np.concatenate(places)) + offset[who, None]
    order = np.argsort(at_s, kind="stable")
    return _tables(
        f"scan{day:04d}",
        day,
        at_s[order] + clocks["wifi"],
        [names[int(k)] for k in who[order]],
        _heard(params, level, noise)[order],
        None,
    )


def bindings(people: People, random: KeyedRandom, day: int) -> pa.Table:
    """Which device each visit's token was shown by: visit_id, device_id."""
    payers = [row for row in range(len(people)) if people.member[row] == 0]
    devices = [device_id(random, day, int(people.visit[row]), 0) for row in payers]
    visits = [people.visits[row].visit_id for row in payers]
    return pa.table([pa.array(visits, pa.string()), pa.array(devices, pa.string())], schema=BINDINGS)


class _Luck:
    """Noise and silence of scans, keyed by what they are scans of."""

    def __init__(self, random: KeyedRandom, name: str, *ids: np.ndarray | int) -> None:
        self._random, self._name = random, name
        self._ids = tuple(part[:, None] if isinstance(part, np.ndarray) else part for part in ids)

    def noise(self, points: int) -> Floats:
        return self._random.normal(f"floor.{self._name}_noise", *self._ids, np.arange(points))

    def silence(self, points: int) -> Floats:
        return self._random.uniform(f"floor.{self._name}_dropout", *self._ids, np.arange(points))


def _heard(params: RadioParams, level: Floats, luck: _Luck) -> Floats:
    """Readings (N, A) in whole dBm, NaN where nothing is heard."""
    points = level.shape[1]
    read = np.round(level + params.noise_db * luck.noise(points))
    silent = (read < params.floor_dbm) | (luck.silence(points) < params.dropout)
    return np.where(silent, np.nan, read)


def _tables(prefix: str, day: int, at_s: Floats, devices: list[str], heard: Floats, xy: Floats | None) -> Scans:
    ids = np.array([f"{prefix}-{k:06d}" for k in range(len(devices))], dtype=object)
    scan, point = np.nonzero(~np.isnan(heard))
    names = np.array([f"AP{k + 1}" for k in range(heard.shape[1])], dtype=object)
    long = pa.table(
        [
            pa.array(ids[scan].tolist(), pa.string()),
            pa.array(names[point].tolist(), pa.string()),
            pa.array(heard[scan, point], pa.float64()),
        ],
        schema=SCANS,
    )
    midnight = datetime.combine(START + timedelta(days=day), datetime.min.time(), tzinfo=UTC)
    at = np.round(at_s * 1e6).astype(np.int64) + round(midnight.timestamp() * 1e6)
    count = len(devices)
    nowhere = pa.nulls(count, pa.float64())
    columns = [
        pa.array(ids.tolist(), pa.string()),
        pa.array(at, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array(devices, pa.string()),
        pa.array([BUILDING] * count, pa.string()),
        pa.array([FLOOR] * count, pa.int64()),
        nowhere if xy is None else pa.array(xy[:, 0], pa.float64()),
        nowhere if xy is None else pa.array(xy[:, 1], pa.float64()),
    ]
    return Scans(long, pa.table(columns, schema=FINGERPRINTS))
