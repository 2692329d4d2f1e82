"""From tables of tracks, events and annotated looks to steps and targets: the only place that knows column names; splits by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.config import Config
from models.behaviour.requests import BehaviourInput
from models.behaviour.sequences import STEP_S, Seen, Sequences, sequences, spread
from models.behaviour.shop import Floats, Ints, Shop
from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError

COLUMNS = {
    "gondolas": ("gondola", "x", "y", "facing_x", "facing_y", "width_m"),
    "lanes": ("gondola", "lane", "level", "product_id", "left_m", "right_m"),
    "visits": ("visit_id", "day", "persons"),
    "tracks": ("visit_id", "person", "at_s", "x", "y"),
    "shelf_events": ("visit_id", "person", "at_s", "gondola", "lane", "deed"),
    "mat_activity": ("day", "gondola", "level", "at_s"),
    "looks": ("visit_id", "person", "gondola", "lane", "from_s", "to_s"),
    "stops": ("visit_id", "person", "gondola", "from_s", "to_s"),
}
LEAST_DAYS = 3
_BETWEEN = "\x1f"  # visit and person of a key


@dataclass(frozen=True, eq=False)
class Targets:
    """Of S steps: the slot looked at at its middle, 1 + slot or 0 for none, `looked` (S,); whether at a stop, `stays` (S,); seconds
    from its end until the stop ends, NaN outside, `remaining_s` (S,). Of N paths: seconds of `attention_s` (N, L) and of
    `dwell_s` (N, G)."""

    looked: Ints
    stays: npt.NDArray[np.bool_]
    remaining_s: Floats
    attention_s: Floats
    dwell_s: Floats


@dataclass(frozen=True, eq=False)
class Dataset:
    """N paths in order of day: `day` (N,), `visit` (N,) its number. Paths before `calibrate_from` train, those from `test_from` on are
    judged."""

    shop: Shop
    seen: Seen
    steps: Sequences
    targets: Targets
    day: npt.NDArray[np.datetime64]
    visit: Ints
    calibrate_from: int
    test_from: int
    config: Config
    fingerprint: str

    @property
    def left_scale_s(self) -> float:
        """Mean seconds left at a training step of a stop: the unit in which the network learns them."""
        known = self.targets.remaining_s[self.steps.path < self.calibrate_from]
        return float(np.nanmean(known))

    @property
    def trained_until(self) -> np.datetime64:
        """Last day that training or calibration sees."""
        return np.datetime64(self.day[self.test_from - 1])


@dataclass(frozen=True, eq=False)
class Asked:
    """A request about N paths of one day; `visits` are their V visits, `visit` (N,) the place of each path's there."""

    request: BehaviourInput
    visits: Sequence[str]
    visit: Ints


def ask(tables: Mapping[str, Any]) -> Asked:
    """What a predictor is asked about the visits of one day, from Arrow tables `visits`, `tracks`, `shelf_events` and `mat_activity`
    with the columns of `COLUMNS`. Events of who has no track are left out. DataError as `prepare`."""
    for name in ("visits", "tracks", "shelf_events", "mat_activity"):
        need_columns(name, tables[name], COLUMNS[name])
    visits, tracks, events, mats = (tables[name] for name in ("visits", "tracks", "shelf_events", "mat_activity"))
    party, pairs = _pairs(visits, tracks)
    paths = _keys(pairs)
    event_path = _path_of(events, paths)
    kept = event_path >= 0
    number = {visit: place for place, visit in enumerate(dict.fromkeys(visit for visit, _ in pairs))}
    request = BehaviourInput(
        party=[party[visit] for visit, _ in pairs],
        path=_path_of(tracks, paths),
        **{name: numbers("tracks", tracks, name) for name in ("at_s", "x", "y")},
        event_path=event_path[kept],
        event_s=numbers("shelf_events", events, "at_s")[kept],
        event_gondola=_whole("shelf_events", events, "gondola")[kept],
        event_lane=_whole("shelf_events", events, "lane")[kept],
        event_put=np.array([deed == "put" for deed in events["deed"].to_pylist()], dtype=bool)[kept],
        mat_gondola=_whole("mat_activity", mats, "gondola"),
        mat_level=_whole("mat_activity", mats, "level"),
        mat_s=numbers("mat_activity", mats, "at_s"),
    )
    return Asked(request, list(number), np.array([number[visit] for visit, _ in pairs], dtype=np.int64))


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """From Arrow tables with the columns of `COLUMNS`: a shop's plan, what was seen, and what annotators saw of the same visits.

    DataError names the table, the column, the value and the remedy.
    """
    for name, columns in COLUMNS.items():
        if name not in tables:
            raise DataError(f"{name}: missing: give a table with {', '.join(columns)}")
        need_columns(name, tables[name], columns)
        for column in columns:
            refuse_nulls(name, tables[name], column, "leave those rows out")
    shop = _shop(tables)
    seen, day, visit, paths = _seen(tables, shop)
    days = np.unique(day)
    if len(days) < LEAST_DAYS:
        raise DataError(f"visits.day: {len(days)} days, at least {LEAST_DAYS} are needed: annotate more days")
    test = len(days) - max(1, round(cfg.test_share * len(days)))
    calibrate = test - max(1, round(cfg.calibrate_share * len(days)))
    if calibrate < 1:
        raise DataError(f"visits.day: {len(days)} days leave none to train on: lower test_share or calibrate_share")
    steps = sequences(seen, shop, cfg)
    targets = _targets(tables, shop, steps, paths)
    return Dataset(
        shop=shop,
        seen=seen,
        steps=steps,
        targets=targets,
        day=day,
        visit=visit,
        calibrate_from=int(np.searchsorted(day, days[calibrate])),
        test_from=int(np.searchsorted(day, days[test])),
        config=cfg,
        fingerprint=_fingerprint(shop, seen, targets),
    )


def _shop(tables: Mapping[str, Any]) -> Shop:
    gondolas = tables["gondolas"].sort_by("gondola")
    lanes = tables["lanes"].sort_by([("gondola", "ascending"), ("lane", "ascending")])
    if not np.array_equal(gondolas["gondola"].to_numpy(), np.arange(gondolas.num_rows)) or not lanes.num_rows:
        raise DataError(
            f"gondolas.gondola: {gondolas['gondola'].to_pylist()[:5]}: number {gondolas.num_rows} gondolas from 0"
        )
    owner = _whole("lanes", lanes, "gondola")
    if owner.min() < 0 or owner.max() >= gondolas.num_rows:
        raise DataError(f"lanes.gondola: {owner.max()}: expected one of {gondolas.num_rows} gondolas: add it there")
    names = lanes["product_id"].to_pylist()
    products = sorted(set(names))
    place = {name: number for number, name in enumerate(products)}
    return Shop(
        front=np.stack([numbers("gondolas", gondolas, name) for name in ("x", "y")], axis=1),
        facing=np.stack([numbers("gondolas", gondolas, name) for name in ("facing_x", "facing_y")], axis=1),
        width=numbers("gondolas", gondolas, "width_m"),
        gondola=owner,
        lane=_whole("lanes", lanes, "lane"),
        level=_whole("lanes", lanes, "level"),
        left=numbers("lanes", lanes, "left_m"),
        right=numbers("lanes", lanes, "right_m"),
        product=np.array([place[name] for name in names], dtype=np.int64),
        products=tuple(products),
    )


def _seen(tables: Mapping[str, Any], shop: Shop) -> tuple[Seen, npt.NDArray[np.datetime64], Ints, Any]:
    """What was seen, day (N,) and number of the visit (N,) of each path, and the paths' keys (N,)."""
    visits, tracks, events, mats = (tables[name] for name in ("visits", "tracks", "shelf_events", "mat_activity"))
    on = dict(zip(visits["visit_id"].to_pylist(), visits["day"].cast("int32").to_pylist(), strict=True))
    party, pairs = _pairs(visits, tracks)
    pairs.sort(key=lambda pair: (on[pair[0]], pair))
    paths = _keys(pairs)
    at_s, x, y = (numbers("tracks", tracks, name) for name in ("at_s", "x", "y"))
    for name, values in (("at_s", at_s), ("x", x), ("y", y)):
        if not np.isfinite(values).all():
            raise DataError(
                f"tracks.{name}: {int((~np.isfinite(values)).sum())} values are not finite: drop those rows"
            )
    event_path = _path_of(events, paths)
    event_lane = shop.lanes_of(_whole("shelf_events", events, "gondola"), _whole("shelf_events", events, "lane"))
    kept = (event_path >= 0) & (event_lane >= 0)  # of who has no track nothing can be told
    day = np.array([on[visit] for visit, _ in pairs], dtype=np.int64)
    number = {visit: place for place, visit in enumerate(dict.fromkeys(visit for visit, _ in pairs))}
    seen = Seen(
        day=day - day.min(),
        party=np.array([party[visit] for visit, _ in pairs], dtype=np.int64),
        path=_path_of(tracks, paths),
        at_s=at_s,
        x=x,
        y=y,
        event_path=event_path[kept],
        event_s=numbers("shelf_events", events, "at_s")[kept],
        event_lane=event_lane[kept],
        event_put=np.array([deed == "put" for deed in events["deed"].to_pylist()], dtype=bool)[kept],
        mat_day=mats["day"].cast("int32").to_numpy().astype(np.int64) - day.min(),
        mat_gondola=_whole("mat_activity", mats, "gondola"),
        mat_level=_whole("mat_activity", mats, "level"),
        mat_s=numbers("mat_activity", mats, "at_s"),
    )
    visit = np.array([number[visit] for visit, _ in pairs], dtype=np.int64)
    return seen, day.astype("datetime64[D]"), visit, paths


def _pairs(visits: Any, tracks: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Persons of each visit, and visit and person of each path in order."""
    party = dict(zip(visits["visit_id"].to_pylist(), _whole("visits", visits, "persons").tolist(), strict=True))
    found = tracks.group_by(["visit_id", "person"]).aggregate([])
    pairs = sorted(zip(found["visit_id"].to_pylist(), found["person"].to_pylist(), strict=True))
    if strange := sorted({visit for visit, _ in pairs} - party.keys()):
        raise DataError(
            f"tracks.visit_id: {strange[0]!r} and {len(strange) - 1} more are no visits: add them to visits"
        )
    return party, pairs


def _targets(tables: Mapping[str, Any], shop: Shop, steps: Sequences, paths: Any) -> Targets:
    looks, stops = tables["looks"], tables["stops"]
    count = len(steps.at_s)
    looked, stays, remaining = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool), np.full(count, np.nan)
    attention = np.zeros((len(steps.lengths), len(shop.gondola)))
    dwell = np.zeros((len(steps.lengths), shop.gondolas))
    path, from_s, to_s = _spells("looks", looks, paths)
    lane = shop.lanes_of(_whole("looks", looks, "gondola"), _whole("looks", looks, "lane"))
    if (lane < 0).any():
        raise DataError(f"looks.lane: {int((lane < 0).sum())} rows name lanes that the shop does not have: mend lanes")
    known = path >= 0
    path, lane, from_s, to_s = path[known], lane[known], from_s[known], to_s[known]
    np.add.at(attention, (path, lane), to_s - from_s)
    which, step = _within(steps, path, from_s + STEP_S / 2, to_s + STEP_S / 2)
    here = steps.faced[step] == shop.gondola[lane[which]]
    looked[step[here]] = 1 + shop.slot[lane[which[here]]]
    path, from_s, to_s = _spells("stops", stops, paths)
    gondola = _whole("stops", stops, "gondola")
    known = path >= 0
    path, gondola, from_s, to_s = path[known], gondola[known], from_s[known], to_s[known]
    np.add.at(dwell, (path, gondola), to_s - from_s)
    which, step = _within(steps, path, from_s, to_s)
    here = steps.faced[step] == gondola[which]
    stays[step[here]] = True
    remaining[step[here]] = to_s[which[here]] - steps.at_s[step[here]]
    return Targets(looked, stays, remaining, attention, dwell)


def _within(steps: Sequences, path: Ints, from_s: Floats, to_s: Floats) -> tuple[Ints, Ints]:
    """Which spell (K,) and step (K,): the steps of each spell's path whose ends lie in it."""
    begin = steps.at_s[steps.start[path]]
    first, last = (np.ceil((each - begin) / STEP_S).astype(np.int64) for each in (from_s, to_s))
    most = steps.lengths[path]
    return spread(steps.start[path] + np.clip(first, 0, most), steps.start[path] + np.clip(last, 0, most))


def _spells(name: str, table: Any, paths: Any) -> tuple[Ints, Floats, Floats]:
    path = _path_of(table, paths)
    from_s, to_s = (numbers(name, table, column) for column in ("from_s", "to_s"))
    if not (to_s >= from_s).all():
        raise DataError(f"{name}.to_s: {int((~(to_s >= from_s)).sum())} rows end before they begin: mend them")
    return path, from_s, to_s


def _keys(pairs: Sequence[tuple[str, str]]) -> Any:
    import pyarrow as pa

    return pa.array([f"{visit}{_BETWEEN}{person}" for visit, person in pairs], pa.string())


def _path_of(table: Any, paths: Any) -> Ints:
    """The path of each row of a table with visits and persons (R,), -1 where there is none."""
    import pyarrow.compute as pc

    own = pc.binary_join_element_wise(table["visit_id"].cast("string"), table["person"].cast("string"), _BETWEEN)
    return np.asarray(pc.fill_null(pc.index_in(own, value_set=paths), -1).to_numpy(), dtype=np.int64)


def _whole(name: str, table: Any, column: str) -> Ints:
    return numbers(name, table, column).astype(np.int64)


def _fingerprint(*parts: Any) -> str:
    digest = sha256()
    for part in parts:
        for field in fields(part):
            digest.update(f"{field.name}".encode())
            value = getattr(part, field.name)
            digest.update(
                np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            )
    return digest.hexdigest()
