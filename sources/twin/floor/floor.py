"""The door of the shop's floor: its plan, its survey, and days of visits by number.

Shelves, packages, walls and shadows hang on `world_seed`, who comes and what sensors make of it on `seed`. A visit hangs on its day
and number alone; what it finds on the shelves hangs on who was there before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from sources.base import SourceError
from sources.twin.cameras.clips import Stand
from sources.twin.cameras.sensors import TAGS
from sources.twin.cameras.studio import Studio
from sources.twin.floor.assortment import Assortment
from sources.twin.floor.ceiling import people_seen
from sources.twin.floor.crowd import Crowd
from sources.twin.floor.door import ENTRANCE, EXIT, door_events
from sources.twin.floor.exit_gate import exit_reads
from sources.twin.floor.happenings import Happenings, happen
from sources.twin.floor.mats import Mats
from sources.twin.floor.observed import Observed, ShelfClip
from sources.twin.floor.params import FloorParams
from sources.twin.floor.people import People, people_of
from sources.twin.floor.plan import floor_plan
from sources.twin.floor.radio import Radio
from sources.twin.floor.routes import Routes
from sources.twin.floor.shopper import Shop
from sources.twin.floor.truth import FloorTruth
from sources.twin.floor.units import Morning, morning
from sources.twin.floor.visit import Visit
from sources.twin.floor.wifi import Scans, bindings, device_id, scans, survey
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams


@dataclass(frozen=True, eq=False)
class ShopDay:
    """Day `number`: what is `observed`, and apart from it its `truth`."""

    number: int
    observed: Observed
    truth: FloorTruth
    _studio: Studio
    _stands: Sequence[Stand]
    _morning: Morning
    _happenings: Happenings
    _random: KeyedRandom

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self._happenings.episodes)

    def clips(self, *, developed: bool = False) -> Iterator[ShelfClip]:
        """What was filmed at the gondolas, in order of time. Drawing them costs most of a day, so each comes when it is asked for;
        without being `developed` they have no pixels (see `Studio.clip`)."""
        for episode in self._happenings.episodes:
            key = (self.number, episode.gondola, round(1e3 * episode.from_s))
            nearby = np.random.default_rng(int(self._random.bits("floor.nearby", *key)))
            units = self._morning.nearby(episode.units, episode.gondola, nearby)
            clip = self._studio.film(self._stands[episode.gondola], episode.story, units, *key, developed=developed)
            yield ShelfClip(episode.gondola, episode.from_s, clip)


class Floor:
    """A shop of `params`. `plan` is its floor plan, `stands` its gondolas with lanes and cameras, `studio` draws photos and scenes of
    its products, `mats` knows the cells of its boards. All randomness is keyed: the same seeds give the same day."""

    def __init__(
        self, params: FloorParams, seed: int, *, world_seed: int | None = None, world: TwinParams | None = None
    ) -> None:
        self.params = params
        self.seed = seed
        self.studio = Studio(params.cameras, seed, world_seed=world_seed, world=world)
        self.world_seed = self.studio.world_seed
        self.plan = floor_plan(params)
        self._random, self._world = KeyedRandom(seed), KeyedRandom(self.world_seed)
        # Gondolas are planned by the world: a model may know them before it meets the visits of another seed.
        planner = Studio(params.cameras, self.world_seed, world_seed=self.world_seed, world=world)
        self.assortment = Assortment(params, planner, self._world)
        self.stands: Sequence[Stand] = self.assortment.stands
        shop = Shop(params, self.plan, Routes(self.plan), self.assortment)
        self._crowd = Crowd(shop, self._random, self._world)
        gondolas = [stand.gondola for stand in self.stands]
        self.mats = Mats(params.mats, gondolas, self.studio.appearances, self._world)

    @cached_property
    def radio(self) -> Radio:
        """The true mean levels of the access points, for judges alone."""
        return Radio(self.params.radio, self.plan, self._world)

    def survey(self) -> Scans:
        """Scans at known places, made with other devices than the customers'."""
        return survey(self.params.radio, self.plan, self.radio, self._world)

    def visits(self, number: int) -> list[Visit]:
        """The visits of day `number` as they are meant, in order of time: truth."""
        if number < 0:
            raise SourceError(f"day {number} lies below 0; count days from 0")
        drawn = [self._crowd.visit(number, k) for k in range(self.params.crowd.visits)]
        return sorted(drawn, key=lambda visit: visit.opened_s)

    def day(self, number: int) -> ShopDay:
        """Day `number`: all but its clips, which come when they are asked for."""
        params, random, visits = self.params, self._random, self.visits(number)
        people = people_of(visits, params.crowd.sway_m, random, number)
        stock = morning(self.studio, self.assortment, random, number)
        done = happen(self.studio, self.assortment, stock, visits, random, number)
        clocks = self._clocks(number)
        observed = Observed(
            door_events(params.door, people, clocks, random, number),
            people_seen(params.ceiling, self.plan, people, clocks, random, number),
            scans(params.radio, self.radio, people, clocks, random, number),
            bindings(people, random, number),
            self.mats.pictures(done.episodes, stock, clocks, random, number),
            exit_reads(params.exit, self.plan, people, done, stock, clocks, random, number),
            self._tags(stock),
        )
        truth = self._truth(number, visits, people, stock, done, clocks)
        return ShopDay(number, observed, truth, self.studio, self.stands, stock, done, random)

    def _truth(
        self,
        number: int,
        visits: Sequence[Visit],
        people: People,
        stock: Morning,
        done: Happenings,
        clocks: dict[str, float],
    ) -> FloorTruth:
        shelves = {
            f"G{gondola}.{name}": offset
            for gondola, stand in enumerate(self.stands)
            for name, offset in stand.clocks.items()
        }
        return FloorTruth(
            visits=visits,
            tracks=dict(zip(people.names, people.tracks, strict=True)),
            events=done.events,
            handed=done.handed,
            baskets=done.baskets,
            carried=done.carried,
            devices={
                device_id(self._random, number, int(visit), int(member)): name
                for visit, member, name in zip(people.visit, people.member, people.names, strict=True)
            },
            tags={epc: unit for unit, epc in enumerate(stock.epc)},
            clock_offset_s=clocks | shelves,
        )

    def _clocks(self, number: int) -> dict[str, float]:
        """Offset of each sensor's clock on a day but for those of the shelves' cameras, scales and antennas, which stay."""
        params = self.params
        most = {ENTRANCE: params.door.clock_offset_s, EXIT: params.door.clock_offset_s}
        most |= {f"ceiling{k + 1}": params.ceiling.clock_offset_s for k in range(len(self.plan.ceiling))}
        most |= {"wifi": params.radio.clock_offset_s, "exit_antenna": params.exit.clock_offset_s}
        most |= {
            f"G{gondola}.M{level + 1}": params.mats.clock_offset_s
            for gondola, stand in enumerate(self.stands)
            for level in range(len(stand.gondola.boards))
        }
        share = 2 * self._random.uniform("floor.clock", number, np.arange(len(most))) - 1
        return {name: float(bound * part) for (name, bound), part in zip(most.items(), share, strict=True)}

    def _tags(self, stock: Morning) -> pa.Table:
        ids = [self.studio.appearances.ids[int(product)] for product in stock.product]
        return pa.table([pa.array(stock.epc, pa.string()), pa.array(ids, pa.string())], schema=TAGS)
