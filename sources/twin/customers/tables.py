"""The observed tables of customers and online shop, made from columns; no truth goes in."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.twin.arrays import Ints
from sources.twin.customers.population import NO_STORE, Population
from sources.twin.customers.protocol import DEVICES
from sources.twin.customers.records import KINDS, NO_IMPRESSION, PURCHASE, OnlineDay
from sources.twin.customers.schemas import ONLINE_SCHEMAS
from sources.twin.customers.setting import Setting
from sources.twin.customers.social import SINCE_UNKNOWN, Network

_TEXT, _DATE = pa.string(), pa.date32()


class OnlineTables:
    """Makes the tables of one shop's customers, ties and days."""

    def __init__(self, setting: Setting, people: Population, network: Network) -> None:
        self._people = people
        self._network = network
        self._customer_ids = pa.array(customer_ids(people.number), _TEXT)
        self._item_ids = pa.array(setting.items.ids, _TEXT)
        self._store_ids = pa.array(setting.store_ids, _TEXT)
        self._regions = pa.array([f"R{r + 1:02d}" for r in range(setting.regions)], _TEXT)
        self._devices = pa.array(DEVICES, _TEXT)
        self._kinds = pa.array(KINDS, _TEXT)

    def customers(self, until: int) -> pa.Table:
        """One row a customer registered by day `until` (days since 1970), in order of registration."""
        people = self._people
        known = np.lexsort((people.number, people.registered))
        known = known[people.registered[known] <= until]
        columns = [
            self._customer_ids.take(pa.array(known)),
            _dates(people.registered[known]),
            self._regions.take(pa.array(people.region[known])),
            _where(people.home_store[known] != NO_STORE, self._store_ids, people.home_store[known]),
            pa.array(people.birth_year[known], mask=~people.tells_birth_year[known]),
            _where(people.tells_device[known], self._devices, people.device[known]),
            pa.array(people.consents[known]),
        ]
        return pa.table(columns, schema=ONLINE_SCHEMAS["customers"])

    def friendships(self, until: int) -> pa.Table:
        """Both directions of the friendships there are on day `until`, in the order in which they came to be known."""
        ties, registered = self._network, self._people.registered
        known_on = np.maximum(np.maximum(registered[ties.source], registered[ties.target]), ties.since)
        there = np.argsort(known_on, kind="stable")
        there = there[known_on[there] <= until]
        since = ties.since[there]
        columns = [
            self._customer_ids.take(pa.array(ties.source[there])),
            self._customer_ids.take(pa.array(ties.target[there])),
            pc.if_else(pa.array(since == SINCE_UNKNOWN), pa.scalar(None, _DATE), _dates(np.maximum(since, 0))),
        ]
        return pa.table(columns, schema=ONLINE_SCHEMAS["friendships"])

    def daily(self, lived: OnlineDay, tables: Collection[str]) -> dict[str, pa.Table]:
        """Those of sessions, impressions and events that `tables` names, of one day."""
        made: dict[str, pa.Table] = {}
        sessions = self._session_ids(lived)
        if "sessions" in tables:
            made["sessions"] = self._sessions(lived, sessions)
        shown = self._impression_ids(lived, sessions) if {"impressions", "events"} & set(tables) else None
        if "impressions" in tables:
            made["impressions"] = self._impressions(lived, sessions, shown)
        if "events" in tables:
            made["events"] = self._events(lived, sessions, shown)
        return made

    def _session_ids(self, lived: OnlineDay) -> Any:
        """Ids such as W20240131-C0000017-0 of the day's visits."""
        day = str(np.datetime64(lived.day, "D")).replace("-", "")
        customer = self._customer_ids.take(pa.array(lived.visits.customer))
        turn = pc.cast(pa.array(lived.visits.turn), _TEXT)
        return pc.binary_join_element_wise(pa.scalar(f"W{day}"), customer, turn, "-")

    def _impression_ids(self, lived: OnlineDay, sessions: Any) -> Any:
        seen = lived.impressions
        position = pc.utf8_lpad(pc.cast(pa.array(seen.position), _TEXT), 2, "0")
        return pc.binary_join_element_wise(sessions.take(pa.array(seen.session)), position, "-")

    def _sessions(self, lived: OnlineDay, sessions: Any) -> pa.Table:
        visits = lived.visits
        order = np.argsort(visits.start_us, kind="stable")
        who = visits.customer[order]
        columns = [
            sessions.take(pa.array(order)),
            self._customer_ids.take(pa.array(who)),
            _times(visits.start_us[order]),
            self._devices.take(pa.array(visits.device[order])),
            self._regions.take(pa.array(self._people.region[who])),
        ]
        return pa.table(columns, schema=ONLINE_SCHEMAS["sessions"])

    def _impressions(self, lived: OnlineDay, sessions: Any, shown: Any) -> pa.Table:
        seen = lived.impressions
        columns = [
            shown,
            sessions.take(pa.array(seen.session)),
            self._customer_ids.take(pa.array(seen.customer)),
            self._item_ids.take(pa.array(seen.item)),
            _times(seen.shown_us),
            pa.array(seen.position),
            pa.repeat(pa.scalar(lived.policy, _TEXT), len(seen)),
            pa.array(seen.propensity),
        ]
        return pa.table(columns, schema=ONLINE_SCHEMAS["impressions"])

    def _events(self, lived: OnlineDay, sessions: Any, shown: Any) -> pa.Table:
        done = lived.events
        rows = len(done.item)
        unpaid = done.kind != PURCHASE
        columns = [
            self._customer_ids.take(pa.array(done.customer)),
            self._item_ids.take(pa.array(done.item)),
            _times(done.time_us),
            pa.nulls(rows, pa.int64()),
            self._kinds.take(pa.array(done.kind)),
            pa.array(done.units.astype(np.float64), mask=unpaid),
            pa.array(done.price, mask=unpaid),
            sessions.take(pa.array(done.session)),
            _where(done.impression != NO_IMPRESSION, shown, done.impression),
        ]
        return pa.table(columns, schema=ONLINE_SCHEMAS["events"])


def customer_ids(numbers: Ints) -> list[str]:
    """Ids such as C0000017, as the tills print them."""
    return [f"C{number:07d}" for number in numbers]


def _where(known: np.ndarray[Any, np.dtype[np.bool_]], values: Any, at: Ints) -> Any:
    """Values at positions `at`, null where not `known`."""
    return values.take(pa.array(at, mask=~known))


def _dates(numbers: Ints) -> Any:
    return pa.array(numbers.astype(np.int32), pa.int32()).cast(_DATE)


def _times(us: Ints) -> Any:
    return pa.array(us.view("datetime64[us]"))
