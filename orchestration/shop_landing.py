"""What a shop's tills tell, from their logs into raw tables by day: each row once, whenever it is killed.

A log's records are written under the keys of their rows and count as consumed afterwards: what is read again adds nothing. A log
of which a table is not there, or no row is, is read from its beginning.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from data_checks.contracts import SHOP_TABLES, check_columns, load_contract
from orchestration.absence import not_provided
from orchestration.ingest import DAY, TableOutcome, made_days
from orchestration.workspace import Workspace
from serving.settlement.notes import signature_of
from serving.settlement.receipts import Receipt
from serving.settlement.shop_settings import ShopSettings, has_log, open_consumer
from serving.settlement.till import ENTRIES, MOVEMENTS, REVIEWS
from serving.settlement.transport import Consumer, Record
from serving.settlement.tree import leaf_hash

if TYPE_CHECKING:
    import pyarrow as pa

READER = "lake"  # under whose name, and that of the log, each is read
REMEDY = "no shop has told anything: let the twin's be visited, or `storeloop shop tell` and `storeloop shop settle`"
MOST = 20_000  # records at once: what bounds the memory
_WAIT_S = 3.0  # for a broker's next records
_MADE_FROM = "log"
Row = dict[str, Any]


def land(workspace: Workspace) -> TableOutcome:
    """Write what the logs have that is new; `made` are the days that got rows. The check fails, and the logs stay where they are,
    for a record that cannot be read."""
    settings = ShopSettings()
    consumers: dict[str, Consumer] = {}
    if has_log(settings, workspace.root):
        consumers = {outputs: _consumer(settings, workspace, outputs) for outputs in _ROWS}
    for table in SHOP_TABLES:
        if workspace.lake.version("raw", table) is None:
            _add(workspace, table, [])
    if not consumers:
        return TableOutcome(True, not_provided(REMEDY), {"note": REMEDY})
    read, days = dict.fromkeys(_ROWS, 0), set[str]()
    for outputs, consumer in consumers.items():
        topic, rows_of = settings.names().of(outputs), _ROWS[outputs]
        while records := consumer.poll(MOST, _WAIT_S if settings.kafka else 0.0):
            try:
                told = _read(records, rows_of)
            except (ValueError, KeyError, TypeError) as error:
                return TableOutcome(False, {"unchanged": False}, {"reason": f"{topic}: {error}"})
            for table, rows in told.items():
                days |= _add(workspace, table, rows)
            consumer.commit({each.partition: each.offset + 1 for each in records}, [])
            read[outputs] += len(records)
    versions = {table: workspace.lake.version("raw", table) for table in SHOP_TABLES}
    rows_there = {table: version.rows for table, version in versions.items() if version is not None}
    facts = {**rows_there, **{f"{outputs} read": count for outputs, count in read.items()}, "unchanged": not days}
    return TableOutcome(True, facts, {"tables": len(SHOP_TABLES)}, made_days(versions["shop_bills"], days))


def _consumer(settings: ShopSettings, workspace: Workspace, outputs: str) -> Consumer:
    consumer = open_consumer(settings, workspace.root, f"{READER}-{outputs}", settings.names().of(outputs))
    versions = [workspace.lake.version("raw", table) for table in _TABLES[outputs]]
    if None in versions or not any(version.rows for version in versions if version is not None):
        consumer.commit(dict.fromkeys(consumer.committed(), 0), [])
        consumer.rewind()
    return consumer


def _read(records: Sequence[Record], rows_of: "Callable[[Record], Iterator[tuple[str, Row]]]") -> dict[str, list[Row]]:
    told: dict[str, list[Row]] = {}
    for record in records:
        try:
            for table, row in rows_of(record):
                told.setdefault(table, []).append(row)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"record {record.partition}:{record.offset} cannot be read ({error!r})") from error
    return told


def _of_entry(record: Record) -> Iterator[tuple[str, Row]]:
    receipt = Receipt.from_json(record.value.decode())
    entry, (head, _) = receipt.entry, signature_of(receipt.note)
    body, bill = entry.body, entry.body["bill"]
    key = {"entry_id": entry.entry_id, **_visit(body), "version": body["version"]}
    yield (
        "shop_bills",
        {
            **key,
            "kind": entry.kind,
            "account": body["account"],
            "left_at": _left(body),
            "currency": bill["currency"],
            "total_cents": bill["total_cents"],
            "due_cents": body["due_cents"],
            "tax_cents": sum(bill["tax_cents"].values()),
            "asked": len(body["asked"]),
            "leaf_index": receipt.number - 1,
            "entry_hash": leaf_hash(receipt.content).hex(),
            "tree_size": head.size,
            "root_hash": head.root.hex(),
        },
    )
    for number, line in enumerate(bill["lines"], start=1):
        yield (
            "shop_bill_lines",
            {
                **key,
                "line_no": number,
                "product_id": line["product"],
                "packages": line["count"],
                "list_cents": line["list_cents"],
                "cents": line["cents"],
                "tax_rate": line["tax"],
                "offers": ",".join(line["offers"]) or None,
            },
        )


def _of_movement(record: Record) -> Iterator[tuple[str, Row]]:
    body = json.loads(record.value)
    for number, each in enumerate(body["movements"], start=1):
        amounts = {name: each[name] for name in ("packages", "list_cents", "discount_cents", "value_cents")}
        yield (
            "stock_movements",
            {
                "entry_id": record.key,
                "movement_no": number,
                **_visit(body),
                "version": body["version"],
                "product_id": each["product"],
                **amounts,
                "currency": body["currency"],
                "left_at": _left(body),
            },
        )


def _of_review(record: Record) -> Iterator[tuple[str, Row]]:
    body = json.loads(record.value)
    asked = {name: body.get(name) for name in ("likely", "confidence", "cause")}
    told = {"log_offset": record.offset, "product_id": body["product"], "open": body["open"]}
    yield "shop_reviews", {"review_id": record.key, **_visit(body), **told, **asked}


_ROWS: Mapping[str, Callable[[Record], Iterator[tuple[str, Row]]]] = {
    ENTRIES: _of_entry,
    MOVEMENTS: _of_movement,
    REVIEWS: _of_review,
}
_TABLES = {
    ENTRIES: ("shop_bills", "shop_bill_lines"),
    MOVEMENTS: ("stock_movements",),
    REVIEWS: ("shop_reviews",),
}


def _visit(body: Mapping[str, Any]) -> Row:
    return {"shop": body["shop"], "visit_id": body["visit"], "left_on": _left(body).date()}


def _left(body: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(body["left"]).astimezone(UTC).replace(tzinfo=None)


def _add(workspace: Workspace, table: str, rows: Sequence[Row]) -> set[str]:
    """Rows into the days of a raw table, which hold each once; the days."""
    import pyarrow as pa

    fresh = pa.Table.from_pylist(list(rows), schema=load_contract(table).arrow_schema())
    check_columns(tuple(fresh.column_names), load_contract(f"{table}_raw"))
    days = {str(day) for day in fresh["left_on"].to_pylist() if isinstance(day, date)}
    with workspace.lake.update("raw", table, partition_by=DAY, keep_column=False) as update:
        if update.before is not None:
            fresh = pa.concat_tables([workspace.lake.arrow("raw", table, days=days).select(fresh.column_names), fresh])
        once = _once(fresh)
        update.put(once.append_column(DAY, once["left_on"]), made_from=dict.fromkeys(days, _MADE_FROM))
        update.commit(_MADE_FROM, days=update.made_from().keys() | days)
    return days


def _once(rows: "pa.Table") -> "pa.Table":
    return rows.group_by(rows.column_names).aggregate([]).select(rows.column_names)
