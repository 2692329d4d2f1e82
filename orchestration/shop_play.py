"""A small day of the twin's floor to be watched: what its sensors tell goes through tracking and attribution, then to the live page.

Nothing of its truth is used. Who did what is told by looking at the whole day, as a chain's night run would; shelves have mats, the
exit has its antenna, cameras look down from the ceiling.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property

from models.behaviour.mat_deeds import mat_deeds
from models.behaviour.mats import mat_changes
from models.behaviour.visit_tracker import VisitTracker, Walked
from orchestration.shop_day import fit_positioner, mat_matrices, planogram, sensed, shop_plan, to_shop_events
from orchestration.shop_prices import priced
from serving.live.feed import Position
from serving.live.floor import Gondola, Lane, ShopFloor
from serving.live.play import Moment
from serving.settlement.offers import Promotion
from serving.settlement.shop_events import Offered, Prices, ShopEvent
from sources.twin.floor.floor import Floor
from sources.twin.floor.params import CrowdParams, FloorParams

_APART_S = 25  # from one visit to the next, on average: three are in at once
_OPENS_H = 12.0
_OFF = 1000  # of some products, hundredths of a percent
_WORLD = 11


class TwinDay:
    """See `serving.live.play.Day`."""

    shop = "twin"

    def __init__(self, visits: int, seed: int) -> None:
        self._visits, self._seed = visits, seed
        # Yesterday: a bill is never signed before its visit has left.
        self._midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)

    def floor(self) -> ShopFloor:
        """Gondolas with the lanes they are planned for."""
        plan = self._floor.plan
        return ShopFloor(
            width_m=plan.width,
            depth_m=plan.depth,
            entrance_m=plan.entrance.x,
            exit_m=plan.exit.x,
            walls=tuple(map(tuple, plan.walls.tolist())),
            gondolas=tuple(self._gondola(number) for number in range(len(plan.places))),
            names=dict(zip(self._products, self._floor.studio.products.names, strict=True)),
        )

    def opening(self) -> list[ShopEvent]:
        """List prices, and an offer on every tenth product."""
        before = self._midnight - timedelta(days=1)
        offer = Promotion(
            promotion_id="ten-off", products=frozenset(self._products[::10]), percent=_OFF,
            since=self._midnight, until=self._midnight + timedelta(days=1),
        )  # fmt: skip
        return [
            Prices(event_id="prices", shop=self.shop, time=before, currency="EUR", prices=priced(self._floor, {})),
            Offered(event_id="offers", shop=self.shop, time=before, promotions=(offer,)),
        ]

    def moments(self) -> Iterator[Moment]:
        """Events of visits and places of their persons, in order of time."""
        floor = self._floor
        day = floor.day(0)
        told = sensed(day.observed, fit_positioner(floor.survey(), seed=0), self._products)
        tracker = VisitTracker(shop_plan(floor.plan))
        walked = tracker.walk(told)
        looks, gondolas = floor.studio.appearances, [stand.gondola for stand in floor.stands]
        weights = [looks[k].weight_g for k in range(len(looks))]
        shelves = {number: planogram(gondola, weights) for number, gondola in enumerate(gondolas)}
        changes = mat_changes(mat_matrices(day.observed.mats, floor.mats.cells(0)[0]))
        deeds = [each.told() for each in mat_deeds(changes, shelves)]
        events = to_shop_events(tracker.attribute(walked, deeds), self.shop, self._midnight, self._products)
        found = [Moment(event.time, event) for event in events]
        found += self._places(walked)
        yield from sorted(found, key=lambda moment: moment.time)

    @cached_property
    def _floor(self) -> Floor:
        lasts_h = max(self._visits * _APART_S / 3_600, 0.05)
        crowd = CrowdParams(
            visits=self._visits, opens_h=_OPENS_H, closes_h=min(_OPENS_H + lasts_h, 24.0), peaks_h=(), pairs=0.25
        )
        return Floor(FloorParams(crowd=crowd), self._seed, world_seed=_WORLD)

    @property
    def _products(self) -> tuple[str, ...]:
        return self._floor.studio.appearances.ids

    def _gondola(self, number: int) -> Gondola:
        place, planned = self._floor.plan.places[number], self._floor.stands[number].gondola
        return Gondola(
            name=f"G{number}",
            x_m=place.x,
            y_m=place.y,
            to_x=place.facing[0],
            to_y=place.facing[1],
            width_m=place.width,
            depth_m=place.depth,
            lanes=tuple(
                Lane(
                    product=self._products[lane.product], level=lane.level,
                    left_m=lane.left / 100, right_m=lane.right / 100,
                )
                for lane in planned.lanes
            ),
        )  # fmt: skip

    def _places(self, walked: Walked) -> list[Moment]:
        found = []
        for visit, members in zip(walked.openings.visit_id, walked.parties.members(), strict=True):
            for person, number in enumerate(members):
                track = walked.tracks[number]
                for at_s, (x, y), sd in zip(track.at_s.tolist(), track.xy.tolist(), track.sd_m.tolist(), strict=True):
                    time = self._midnight + timedelta(seconds=at_s)
                    place = Position(visit_id=visit, person=person, time=time, x_m=x, y_m=y, sd_m=sd)
                    found.append(Moment(time, (place,)))
        return found
