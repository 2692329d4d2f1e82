"""The twin as a source: its observed tables day by day, and, apart from them, its truth."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pyarrow as pa

from sources.base import SourceError
from sources.twin.customers.schemas import ONLINE_SCHEMAS
from sources.twin.params import TwinParams
from sources.twin.spool import TRUTH_SCHEMAS, Spool
from sources.twin.table_files import TableWriter, dated, dated_schema, undated
from sources.twin.tables import DAILY_TABLES, SCHEMAS, STATIC_TABLES
from sources.twin.truth import Truth, planted_effects
from sources.twin.world import World

GENERATOR_VERSION = 2  # raise it with every change that alters a table
# A promotion or a planned price belongs to no one day: it is announced on one and holds on others.
PARTED_TABLES = DAILY_TABLES - {"promotions", "price_plans"}


class TwinSource:
    """The tables of a world under the shop's plain rules, dirt included.

    Without `spool`, each `read` lives through the world again in bounded memory. With it, the first read or truth lives
    through it once and writes all tables to a folder of this world under `spool`; later reads come from there, and a
    source of the same world with more `days` lives the new days only.

    Event days, and so parts, are the date of `sold_at` for transactions, `issued_on` for weather_forecast, `started_at`,
    `shown_at` and `event_time` for sessions, impressions and events, and `date` for prices, inventory, weather and
    social_heat. More `days` leave their earlier days as they were, add the promotions and planned prices announced on
    the new days at the end, move the end of the calendar, add the customers who registered on the new days and their
    friendships, and change neither stores nor products: these seven are delivered whole. With `online.customers` 0 there
    are no customers, friendships, sessions, impressions and events.
    """

    name = "twin"
    frequency: Literal["daily", "weekly"] = "daily"

    def __init__(self, params: TwinParams, seed: int, *, spool: Path | None = None) -> None:
        if not 0 <= seed < 2**63:
            raise SourceError(f"twin seed {seed} lies outside 0..2^63 - 1; choose a non-negative whole number")
        self.params = params
        self.seed = seed
        self.tables = frozenset(SCHEMAS) if params.online.customers else frozenset(SCHEMAS) - frozenset(ONLINE_SCHEMAS)
        self._spool = None if spool is None else Spool(spool / self.world_fingerprint()[:20], params.start)

    def fingerprint(self) -> str:
        """Digest of parameters, seed and generator version, hexadecimal."""
        return _digest(f"{GENERATOR_VERSION}/{self.seed}/{self.params.model_dump_json()}")

    def world_fingerprint(self) -> str:
        """Digest of all that the lived days follow from: as `fingerprint`, whatever the number of days."""
        return self._digest_without({"days"})

    def _digest_without(self, knobs: set[str]) -> str:
        return _digest(f"{GENERATOR_VERSION}/{self.seed}/{self.params.model_dump_json(exclude=knobs)}")

    def parts(self, table: str) -> Mapping[str, str] | None:
        """ISO event day -> digest of that day, None for tables delivered whole; see `PartedSource`."""
        self._check(table)
        if table not in PARTED_TABLES:
            return None
        # The online shop and the delivery slots move no other table, so their knobs leave its parts as they were.
        moot = {"days", "slots"} if table in ONLINE_SCHEMAS else {"days", "slots", "online"}
        world = self._digest_without(moot)
        return {day.isoformat(): _digest(f"{world}/{table}/{day}") for day in self._horizon}

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table; raises `SourceError` for a table the twin lacks."""
        self._check(table)
        if table not in STATIC_TABLES:
            return undated(self._read_dated(table, self._horizon))
        self._live()  # whichever table is read first, all of them are there afterwards
        return self._world(frozenset()).static_tables()[table].to_reader()

    def read_parts(self, table: str, days: Collection[str]) -> pa.RecordBatchReader:
        """Rows of some event days with the last column `_day`; see `PartedSource`."""
        self._check(table)
        if table not in PARTED_TABLES:
            raise SourceError(f"{table} is delivered whole; read it, or choose from {', '.join(sorted(PARTED_TABLES))}")
        unknown = sorted(set(days) - {day.isoformat() for day in self._horizon})
        if unknown:
            first, last = self.params.start, self.params.last_day
            raise SourceError(f"the twin has no day {unknown[0]!r}; it lives {first}..{last}, written YYYY-MM-DD")
        return self._read_dated(table, [date.fromisoformat(day) for day in days])

    def days(self, tables: Collection[str] = DAILY_TABLES) -> Iterator[tuple[date, dict[str, pa.Table]]]:
        """Each day with the given tables, in one pass; tables that know no day are in `World.static_tables`."""
        world = self._world(tables)
        for day in self._horizon:
            yield day, world.advance(day)

    def truth(self) -> Truth:
        """The truth about the whole horizon."""
        if self._spool is None:
            world = World(self.params, self.seed, tables={"transactions"})
            for day in self._horizon:
                world.advance(day)
            return world.truth()
        expected, dirt = (undated(self._read_dated(table, self._horizon)).read_all() for table in TRUTH_SCHEMAS)
        effects = planted_effects(self.params, self._world(frozenset()).catalogue)
        return Truth(self.params, self.seed, effects, expected.combine_chunks(), dirt.combine_chunks())

    @cached_property
    def _horizon(self) -> list[date]:
        return [self.params.start + timedelta(days=ahead) for ahead in range(self.params.days)]

    def _check(self, table: str) -> None:
        if table not in self.tables:
            raise SourceError(f"the twin has no table {table!r}; it provides {', '.join(sorted(self.tables))}")

    def _live(self) -> None:
        if self._spool is not None:
            self._spool.live(self.params.days, lambda: self._world(DAILY_TABLES))

    def _read_dated(self, table: str, days: Collection[date]) -> pa.RecordBatchReader:
        """Rows of the given days with the last column `_day`; a truth table is read from the spool alone."""
        if self._spool is not None:
            self._live()
            return self._spool.read(table, days)
        wanted, last = frozenset(days), max(days, default=date.min)

        def lived() -> Iterator[pa.RecordBatch]:
            for day, made in self.days({table}):
                if day in wanted:
                    yield from dated(made[table], day).to_batches()
                if day >= last:
                    return

        return pa.RecordBatchReader.from_batches(dated_schema(SCHEMAS[table]), lived())

    def _world(self, tables: Collection[str]) -> World:
        return World(self.params, self.seed, tables=tables, keep_truth=False)


def write_days(
    source: TwinSource,
    tables: Collection[str],
    folder: Path,
    days: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write the given daily tables alone as `folder/<table>/<YYYY-MM-DD>.parquet`, and return rows by table.

    One pass in bounded memory over the first `days` days (default: all), without spool or truth: the way to many rows
    of one table for a measurement. A `folder:` source reads this layout. A sub-folder appears whole or not at all and
    must not exist before. `on_progress(days_done, days)` is called after each day.
    """
    if days is not None:
        source = TwinSource(source.params.with_days(days), source.seed)
    for table in tables:
        if (folder / table).exists():
            raise SourceError(f"{folder / table} exists already; write to a new folder, or delete this one first")
    shadows = {table: _shadow_of(folder / table) for table in tables}
    rows = dict.fromkeys(tables, 0)
    try:
        for shadow in shadows.values():
            shadow.mkdir(parents=True)
        for done, (day, made) in enumerate(source.days(tables), start=1):
            for table, shadow in shadows.items():
                writer = TableWriter(shadow / f"{day}.parquet", SCHEMAS[table])
                writer.add(made[table])
                rows[table] += writer.close()
            if on_progress is not None:
                on_progress(done, source.params.days)
        for table, shadow in shadows.items():
            shadow.replace(folder / table)
    finally:
        for shadow in shadows.values():
            shutil.rmtree(shadow, ignore_errors=True)
    return rows


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _shadow_of(folder: Path) -> Path:
    """Where a folder is written before it appears under its name."""
    return folder.with_name(f"{folder.name}.{uuid4().hex}.partial")
