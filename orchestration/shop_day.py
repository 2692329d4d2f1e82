"""A day of the shop's floor as the models of behaviour read it, and what they tell of visits as the till hears it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from models.behaviour.mats import MatMatrices
from models.behaviour.people_observed import DevicePlaces, Finds, Floats, GondolaPlace, Ints, Openings, ShopPlan
from models.behaviour.positioning import Positioner
from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import HEARD, SCANS, read_scans
from models.behaviour.positioning_fit import fit
from models.behaviour.tag_deeds import MovedTag
from models.behaviour.visit_events import Came, Carried, GateReads, Handled, ShelfDeed, VisitEvent
from models.behaviour.visit_tracker import SensedDay
from models.common.protocols import InputError
from models.detector.fusion import PickPut
from models.detector.observed import Recording
from models.detector.tag_moves import ClipReads, TagPaths
from serving.settlement.shop_events import Entered, Left, Moved, Passed, ShopEvent, Tag
from sources.twin.cameras.clips import Clip
from sources.twin.cameras.planogram import Gondola
from sources.twin.floor.mats import MatPictures
from sources.twin.floor.observed import Observed
from sources.twin.floor.plan import FloorPlan
from sources.twin.floor.wifi import Scans


def shop_plan(plan: FloorPlan) -> ShopPlan:
    """Gates and gondolas."""
    places = [GondolaPlace(place.x, place.y, float(place.facing[0]), float(place.facing[1])) for place in plan.places]
    return ShopPlan(np.array([plan.entrance.x, 0.0]), np.array([plan.exit.x, 0.0]), places)


def fit_positioner(survey: Scans, seed: int) -> Positioner:
    """Wi-Fi positioning of a shop from its survey."""
    scans = read_scans(_wifi_tables(survey))
    held_out = min(PositioningConfig().held_out, len(scans) // 2)
    return fit(scans, PositioningConfig(held_out=held_out), seed=seed)


def sensed(observed: Observed, positioner: Positioner | None, product_of: Sequence[str]) -> SensedDay:
    """What a day's sensors tell of people. `positioner` None: Wi-Fi is not used. `product_of` are the catalogue's ids."""
    people, door = observed.people, observed.door.openings
    number = {name: k for k, name in enumerate(product_of)}
    product = dict(zip(observed.tags["epc"].to_pylist(), observed.tags["product_id"].to_pylist(), strict=True))
    reads, bindings = observed.exit_reads, observed.bindings
    epc = reads["epc"].to_pylist()
    return SensedDay(
        Finds(people.camera, people.at_s, people.xy, people.looks),
        Openings(door["visit_id"].to_pylist(), door["at_s"].to_numpy()),
        DevicePlaces.none() if positioner is None else _device_places(positioner, observed.wifi),
        dict(zip(bindings["visit_id"].to_pylist(), bindings["device_id"].to_pylist(), strict=True)),
        GateReads(epc, reads["at_s"].to_numpy(), reads["rssi_dbm"].to_numpy(), [number[product[each]] for each in epc]),
    )


def shelf_deeds(events: Iterable[PickPut], gondola: int, planned: Gondola, from_s: float) -> list[ShelfDeed]:
    """Events of a clip that began at `from_s` as deeds on the floor."""
    found = []
    for event in events:
        lane = planned.lanes[event.lane]
        along = (lane.left + lane.right) / 200
        found.append(
            ShelfDeed(event.deed, event.product, event.count, gondola, along, from_s + event.at_s, event.confidence)
        )
    return found


def clip_reads(clip: Clip, told: Recording, from_s: float) -> ClipReads:
    """Reads of shelf antennas in a clip that began at `from_s`; of `told` reads none may be left out."""
    reads = told.reads
    if reads is None:
        raise InputError(f"the clip of {from_s:.1f} s was told without its antennas: give it with them")
    return ClipReads(from_s, float(told.at_s.max(initial=0.0)), reads, clip.tags["epc"].to_pylist())


def moved_tags(paths: Mapping[int, TagPaths]) -> list[MovedTag]:
    """Tags that moved at any gondola, by the paths of each."""
    return [
        MovedTag(move.deed, move.epc, move.product, gondola, move.level, move.at_s)
        for gondola, told in paths.items()
        for move in told.moves
    ]


def silent_tags(paths: Mapping[int, TagPaths], tags: pa.Table, product_of: Sequence[str]) -> dict[int, float]:
    """Share of the tags of each product, of those in the books, that no shelf's antenna ever read; products of none are left out."""
    read = frozenset[str]().union(*(told.read for told in paths.values()))
    number = {name: k for k, name in enumerate(product_of)}
    products = [number[name] for name in tags["product_id"].to_pylist()]
    known = Counter(products)
    silent = Counter(product for epc, product in zip(tags["epc"].to_pylist(), products, strict=True) if epc not in read)
    return {product: count / known[product] for product, count in silent.items()}


@dataclass(frozen=True, eq=False)
class PlannedShelf:
    """A `Planogram` of a gondola."""

    level: Ints
    product: Ints
    left: Floats
    right: Floats
    weight_g: Floats


def planogram(gondola: Gondola, weights_g: Sequence[float]) -> PlannedShelf:
    """What a gondola's lanes are planned for, with the weights of the catalogue's products."""
    level, product = (
        np.array([getattr(lane, name) for lane in gondola.lanes], dtype=np.int64) for name in ("level", "product")
    )
    left, right = (np.array([getattr(lane, name) for lane in gondola.lanes]) for name in ("left", "right"))
    return PlannedShelf(level, product, left, right, np.array(weights_g))


def mat_matrices(pictures: MatPictures, edges_cm: Floats) -> MatMatrices:
    """Pressure of a day, with the edges of the mats' columns."""
    return MatMatrices(pictures.gondola, pictures.level, pictures.at_s, pictures.grams, edges_cm)


def to_shop_events(
    events: Iterable[VisitEvent], shop: str, midnight: datetime, product_of: Sequence[str]
) -> Iterator[ShopEvent]:
    """Visit events as the till hears them, one for one. The account that pays is the visit's token."""
    for count, event in enumerate(events):
        time = midnight + timedelta(seconds=event.at_s)
        head = {
            "event_id": f"{shop}-{midnight:%Y%m%d}-{count:06d}",
            "shop": shop,
            "time": time,
            "visit_id": event.visit_id,
        }
        match event:
            case Came():
                yield Entered(**head, account=event.visit_id)
            case Handled():
                yield Moved(
                    **head, deed=event.deed, product=product_of[event.product], count=event.count,
                    confidence=event.confidence, shelf=f"G{event.gondola}",
                    tags=event.tags,
                )  # fmt: skip
            case Carried():
                yield Passed(
                    **head, tags=tuple(Tag(epc=epc, product=product_of[product]) for epc, product in event.tags)
                )
            case _:
                yield Left(**head)


def _device_places(positioner: Positioner, wifi: Scans) -> DevicePlaces:
    scans = read_scans(_wifi_tables(wifi), access_points=positioner.spec.access_points, levels=positioner.spec.levels)
    places = positioner.locate(scans.rssi)
    since: Floats = (scans.at - scans.at.astype("datetime64[D]")) / np.timedelta64(1, "s")
    deviations = float(np.sqrt(-2.0 * np.log1p(-positioner.spec.config.coverage)))
    return DevicePlaces(scans.device, since, np.column_stack([places.x, places.y]), places.radius / deviations)


def _wifi_tables(wifi: Scans) -> dict[str, pa.Table]:
    count = wifi.fingerprints.num_rows
    scans = wifi.fingerprints.append_column("split", pa.array(["shop"] * count, pa.string()))
    scans = scans.append_column("coordinates", pa.array(["metres"] * count, pa.string()))
    return {SCANS: scans, HEARD: wifi.scans}
