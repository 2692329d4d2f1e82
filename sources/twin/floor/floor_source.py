"""A floor as a source: its lanes, and day by day the raw tables of `data_checks.contracts.FLOOR_TABLES` that a shop delivers."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_checks.contracts import FLOOR_TABLES
from sources.base import SourceError
from sources.twin.floor.accounts import accounts, of_panel
from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.floor.panel import FIRST_DAY, day_tables, shop_tables
from sources.twin.keyed_random import KeyedRandom

LANES = "floor_lanes"
DAILY = tuple(name for name in FLOOR_TABLES if name not in (LANES, "attention"))  # attention is told by a model
OF_PANEL = ("floor_looks", "floor_stops")
Disguise = Callable[[date, Sequence[str]], Sequence[str]]


class TwinFloor:
    """Days of `floor` by number, day 0 on `first_day`.

    `panel` is the share of visits that wear eye trackers, `strangers` of those without an account. `customers` (customer_id,
    registered_on) may be None where nobody is known. `disguise` gives pseudonyms to the device ids of a day: no other name of a
    device leaves this class.
    """

    name = "floor"

    def __init__(
        self,
        floor: Floor,
        *,
        panel: float,
        strangers: float,
        customers: pa.Table | None,
        disguise: Disguise,
        first_day: date = FIRST_DAY,
    ) -> None:
        self._floor = floor
        self._panel, self._strangers, self._customers = panel, strangers, customers
        self._disguise, self._first_day = disguise, first_day
        self._made: dict[int, dict[str, pa.Table]] = {}

    def lanes(self) -> pa.Table:
        """`floor_lanes`, each with the place of its gondola."""
        tables = shop_tables(self._floor)
        lanes = tables["lanes"].join(tables["gondolas"], "gondola")
        lanes = lanes.sort_by([("gondola", "ascending"), ("lane", "ascending")])
        keys = zip(lanes["gondola"].to_pylist(), lanes["lane"].to_pylist(), strict=True)
        return lanes.add_column(0, "lane_id", [[f"G{gondola}.L{lane}" for gondola, lane in keys]])

    def read(self, table: str, days: Sequence[int]) -> pa.Table:
        """Rows of some days of one of `DAILY`, with their `day`. Errors: SourceError for another table, or no days."""
        if table not in DAILY or not days:
            raise SourceError(f"floor: no days of a table {table!r}: name days of one of {', '.join(DAILY)}")
        return pa.concat_tables([self._day(number)[table] for number in days])

    def _day(self, number: int) -> dict[str, pa.Table]:
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def _make(self, number: int) -> dict[str, pa.Table]:
        day, on = self._floor.day(number), self._first_day + timedelta(days=number)
        random, visits = KeyedRandom(self._floor.seed), day.truth.visits
        numbers = np.array([visit.number for visit in visits], dtype=np.int64)
        worn = of_panel(random, number, numbers, share=self._panel)
        made = {
            f"floor_{name}": table for name, table in day_tables(self._floor, day, first_day=self._first_day).items()
        }
        payers = accounts(random, number, numbers, self._known_on(on), strangers=self._strangers)
        made["floor_visits"] = (
            made["floor_visits"]
            .append_column("customer_id", pa.array(payers, pa.string()))
            .append_column("panel", pa.array(worn))
        )
        ids = pa.array([visit.visit_id for visit in visits], pa.string()).filter(pa.array(worn))
        for table in OF_PANEL:
            made[table] = made[table].filter(pc.is_in(made[table]["visit_id"].cast(pa.string()), ids))
        made["floor_devices"] = self._devices(day, on)
        for table in DAILY:
            if "day" not in made[table].column_names:
                rows = made[table].num_rows
                made[table] = made[table].append_column("day", pa.array([on] * rows, pa.date32()))
        return {table: made[table] for table in DAILY}

    def _known_on(self, day: date) -> list[str]:
        """Customers who had registered by a day, in order of registration."""
        if self._customers is None:
            return []
        known = self._customers.filter(pc.less_equal(self._customers["registered_on"], pa.scalar(day, pa.date32())))
        ordered = known.sort_by([("registered_on", "ascending"), ("customer_id", "ascending")])
        names: list[str] = ordered["customer_id"].to_pylist()
        return names

    def _devices(self, day: ShopDay, on: date) -> pa.Table:
        """When each device was first and last heard, under its pseudonym of the day."""
        scans = day.observed.wifi.fingerprints
        midnight = pa.scalar(on, pa.date32()).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
        at_s = pc.divide(pc.subtract(scans["at"], midnight).cast(pa.int64()).cast(pa.float64()), 1e6)
        heard = pa.table({"device": scans["device_id"], "at_s": at_s}).group_by("device")
        heard = heard.aggregate([("at_s", "min"), ("at_s", "max"), ("at_s", "count")]).sort_by("device")
        return pa.table(
            {
                "device_id": pa.array(self._disguise(on, heard["device"].to_pylist()), pa.string()),
                "from_s": heard["at_s_min"],
                "to_s": heard["at_s_max"],
                "scans": heard["at_s_count"],
            }
        )
