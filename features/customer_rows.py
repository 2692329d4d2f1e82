"""Records of customers: computed from clean tables, written into the published file, carried to the online store."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from features.customer_facts import SHOWN, VISIT, CustomerTables, seconds
from features.customer_layout import ENTITY_KEY, NEWEST_MOMENT, ONLINE_VIEW
from features.customer_record import SECOND_US, SUMS, Record, digest_of, split_taken
from features.customers import KEY, Seen, everybody, hours, periods, taken
from features.online_rows import Materialised, PublishError, blocks, write_changed

BLOCK = 2_000  # customers a transaction
WINDOW_DAYS = 90
SCHEMA = pa.schema(
    [
        pa.field(ENTITY_KEY, pa.string(), nullable=False),
        pa.field("event_timestamp", pa.timestamp("us"), nullable=False),
        pa.field("known_until_us", pa.int64(), nullable=False),
        pa.field("digest", pa.binary(), nullable=False),
        pa.field("facts", pa.binary(), nullable=False),
    ]
)
_PARTS = ("days", "hours", "points", "taken")


def customer_records(tables: CustomerTables, moment: datetime, profiles: ir.Table | None = None) -> ir.Table:
    """One row per customer known strictly before `moment`: what a Record holds, lists in no order.

    `profiles` (customer_id, segment_name) tells the segment.
    """
    seen = Seen.of(tables, everybody(tables, moment))
    rows = seen.moments
    for part in (_ever(seen), _days(seen), _hours(seen), _points(seen), _taken(seen)):
        other = part.rename(part_customer="customer_id").drop("moment")
        rows = rows.left_join(other, rows.customer_id == other.part_customer).drop("part_customer")
    rows = rows.mutate(registered=ibis.null("int64"), told_device=ibis.null("string"), segment=ibis.null("string"))
    if tables.customers is not None:
        told = tables.customers.select(
            told="customer_id", since=seconds(tables.customers.registered_on.cast("timestamp")), device="device"
        )
        rows = rows.left_join(told, rows.customer_id == told.told).drop("told")
        before = ibis.ifelse(rows.since < rows.moment_second, rows.since, ibis.null("int64"))
        rows = rows.mutate(registered=before, told_device=rows.device).drop("since", "device")
    if profiles is not None:
        told = profiles.select(told="customer_id", profile=profiles.segment_name)
        rows = rows.left_join(told, rows.customer_id == told.told).drop("told", "segment").rename(segment="profile")
    if tables.friendships is not None:
        friends = tables.friendships
        known = friends.filter(friends.since.isnull() | (friends.since.cast("timestamp") < ibis.literal(moment)))
        counted = known.group_by(told="customer_id").agg(friends=known.count())
        rows = rows.left_join(counted, rows.customer_id == counted.told).drop("told")
    else:
        rows = rows.mutate(friends=ibis.null("int64"))
    return rows.drop("moment", "moment_second", "moment_day")


def write_records(records: ir.Table, moment: datetime, target: Path, *, con: Any) -> int:
    """Pack `customer_records` into `target`, by customer; returns its rows. One block of customers is held at a time."""
    until_us = int(moment.replace(tzinfo=UTC).timestamp()) * SECOND_US + moment.microsecond
    rows, unpacked = 0, target.with_name(f"{target.name}.unpacked")
    con.to_parquet(records.order_by(ENTITY_KEY), unpacked)
    with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
        for batch in blocks(unpacked, BLOCK):
            made = batch.to_pylist()
            facts = [_record(row).packed() for row in made]
            columns = [
                pa.array([row[ENTITY_KEY] for row in made], pa.string()),
                pa.array([moment] * len(made), pa.timestamp("us")),
                pa.array([until_us] * len(made), pa.int64()),
                pa.array([digest_of({"facts": each}) for each in facts], pa.binary()),
                pa.array(facts, pa.binary()),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=BLOCK)
            rows += len(made)
    unpacked.unlink()
    return rows


def carry_customers(store: Any, file: Path) -> Materialised:
    """Bring the store to the published file: customers whose digest differs are written, the newest moment last.

    As `features.online_rows.carry`: a killed run, a lost store and a store that someone else filled end alike.
    """
    view = store.get_feature_view(ONLINE_VIEW)
    customers = written = 0
    until: dict[str, Any] | None = None
    for block in blocks(file, BLOCK):
        rows = block.to_pylist()
        if any(row[ENTITY_KEY] == NEWEST_MOMENT for row in rows):
            raise PublishError(f"{file} has the reserved customer id {NEWEST_MOMENT!r}: rename the customer")
        written += write_changed(store, view, rows, key=ENTITY_KEY)
        customers += len(rows)
        until = rows[-1]
    if until is not None:
        mark = {**until, ENTITY_KEY: NEWEST_MOMENT, "facts": b"", "digest": str(until["known_until_us"]).encode()}
        write_changed(store, view, [mark], key=ENTITY_KEY)
    return Materialised(customers, written)


def _record(row: dict[str, Any]) -> Record:
    items, older = split_taken([each["item_id"] for each in sorted(row["taken"] or [], key=lambda each: each["place"])])
    last_bought, first = row["last_bought"], [at for at in (row["first"], row["registered"]) if at is not None]
    record = Record(
        days=tuple(sorted(tuple(int(v or 0) for v in each.values()) for each in row["days"] or [])),
        hours=tuple(sorted((int(each["hour"]), int(each["n"])) for each in row["hours"] or [])),
        points=tuple(sorted((e["category"], int(e["period"]), int(e["points"])) for e in row["points"] or [])),
        taken=items,
        older=older,
        purchase_days=int(row["purchase_days"] or 0),
        last_bought=last_bought,
        last=row["last"],
        first=min(first, default=None),
        friends=int(row["friends"] or 0),
    )
    device = _usual_device(row["devices"] or []) or row["told_device"]
    texts = {"device": device, "segment": row["segment"]}
    return replace(record, texts={name: text for name, text in texts.items() if text})


def _usual_device(counted: list[dict[str, Any]]) -> str | None:
    return min(counted, key=lambda each: (-each["n"], each["device"]))["device"] if counted else None


def _ever(seen: Seen) -> ir.Table:
    facts = seen.facts
    bought = facts.kind == "purchase"
    ever = facts.group_by(KEY).agg(
        purchase_days=facts.day.nunique(where=bought),
        last_bought=facts.second.max(where=bought),
        last=facts.second.max(),
        first=facts.second.min(),
    )
    visits = facts.filter(facts.device.notnull()).group_by([*KEY, "device"]).agg(n=ibis._.count())
    devices = visits.group_by(KEY).agg(devices=ibis.struct({"device": visits.device, "n": visits.n}).collect())
    devices = devices.rename(device_customer="customer_id").drop("moment")
    return ever.left_join(devices, ever.customer_id == devices.device_customer).drop("device_customer")


def _days(seen: Seen) -> ir.Table:
    facts = seen.facts.filter(seen.facts.moment_day - seen.facts.day < WINDOW_DAYS)
    bought = facts.kind == "purchase"
    made = {
        "purchases": facts.count(where=bought),
        "cents": facts.cents.sum(where=bought),
        "promoted": facts.count(where=bought & facts.promoted),
        "clicks": facts.count(where=facts.kind == "click"),
        "carts": facts.count(where=facts.kind == "cart"),
        "shown": facts.count(where=facts.kind == SHOWN),
        "visits": facts.count(where=facts.kind == VISIT),
    }
    by_day = facts.group_by([*KEY, "day"]).agg(**{name: made[name] for name in SUMS})
    told = by_day.filter(ibis.or_(*(by_day[name] > 0 for name in SUMS)))
    return told.group_by(KEY).agg(days=ibis.struct({name: told[name] for name in ("day", *SUMS)}).collect())


def _hours(seen: Seen) -> ir.Table:
    counted = hours(seen)
    return counted.group_by(KEY).agg(hours=ibis.struct({"hour": counted.hour, "n": counted.n}).collect())


def _points(seen: Seen) -> ir.Table:
    rows = periods(seen)
    each = ibis.struct({name: rows[name] for name in ("category", "period", "points")})
    return rows.group_by(KEY).agg(points=each.collect())


def _taken(seen: Seen) -> ir.Table:
    rows = taken(seen)
    return rows.group_by(KEY).agg(taken=ibis.struct({"place": rows.place, "item_id": rows.item_id}).collect())


def write_categories(products: ir.Table | None, target: Path, *, con: Any) -> None:
    """Write item -> category as JSON."""
    rows: Iterator[dict[str, Any]] = iter(())
    if products is not None:
        rows = iter(con.to_pyarrow(products.select("product_id", "category")).to_pylist())
    told = {row["product_id"]: row["category"] for row in rows if row["category"]}
    target.write_text(json.dumps(told, ensure_ascii=False, sort_keys=True), encoding="utf-8")
