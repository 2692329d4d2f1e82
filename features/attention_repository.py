"""Attention in Feast's repository of customers: its files for training, and its newest rows online."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_checks.durable import locked, replace_file
from features.attention import (
    as_known,
    build_customer_attention,
    build_customer_category_attention,
    build_customer_product_attention,
)
from features.attention_registry import CATEGORY_VIEW, CUSTOMER_VIEW, KEYS, PAIR_VIEW, PRODUCT_VIEW, features_of
from features.customer_layout import ENTITY_KEY
from features.layout import source_file
from features.online_erasure import erase_online
from features.online_rows import Materialised
from features.repository import Repository, let_readers_go_on

BLOCK = 2_000  # rows a transaction


def attention_states(attention: ir.Table, products: ir.Table, product_days: ir.Table) -> dict[str, ir.Table]:
    """Rows of every view by name: its keys, its features and the `moment` from which they were known.

    `attention` and `products` are clean tables, `product_days` what may be told of products (`build_product_day_attention`).
    """
    known = as_known(attention)
    days = product_days.mutate(moment=(product_days.day + ibis.interval(days=1)).cast("timestamp"))
    return {
        CUSTOMER_VIEW: build_customer_attention(known, products),
        PAIR_VIEW: _named(build_customer_product_attention(known), PAIR_VIEW, "seconds", "visits", "share"),
        CATEGORY_VIEW: _named(
            build_customer_category_attention(known, products), CATEGORY_VIEW, "seconds", "visits", "share"
        ),
        PRODUCT_VIEW: _named(days, PRODUCT_VIEW, "seconds", "visits", "seconds_a_visit"),
    }


def publish_attention(repository: Repository, states: Mapping[str, ir.Table], *, con: Any) -> dict[str, int]:
    """Write the file of each view, from which training joins; their rows. Keys that a file had and has no more go offline first:
    later, nothing would tell of them, not even to an erasure."""
    rows = {}
    for view, state in states.items():
        target, keys = source_file(repository.folder, view), KEYS[view]
        told = state.select(
            *keys,
            event_timestamp=state.moment.cast("timestamp(6)"),
            **{feature.name: state[feature.name] for feature in features_of(view)},
        ).order_by([*keys, "event_timestamp"])
        with locked(repository.folder):
            if gone := sorted(_keys(target, keys) - _keys_of(con.to_pyarrow(told.select(*keys).distinct()), keys)):
                store = repository.open()
                entities = [_entity(dict(zip(keys, key, strict=True)), keys) for key in gone]
                erase_online(store, [store.get_feature_view(view)], entities, others_stay=True)
            replace_file(target, lambda draft, told=told: con.to_parquet(told, draft, compression="zstd"))  # type: ignore[misc]
        rows[view] = int(pq.read_metadata(target).num_rows)
    return rows


def materialise_attention(store: Any) -> Materialised:
    """Carry the newest published row of each key online: what the store lacks or has otherwise is written, safe to repeat."""
    folder = Path(store.config.repo_path)
    rows = written = 0
    with locked(folder):
        let_readers_go_on(store)
        for view in KEYS:
            if not source_file(folder, view).is_file():
                continue
            for block in _blocks(_newest(folder, view)):
                rows, written = rows + len(block), written + _write_changed(store, view, block)
    return Materialised(rows, written)


def erase_attention(store: Any, customer_ids: Collection[str]) -> int:
    """Take customers out of the online rows of attention; how many rows they had. Before their published rows go: those tell the
    keys."""
    folder, gone = Path(store.config.repo_path), 0
    for view, keys in KEYS.items():
        path = source_file(folder, view)
        if ENTITY_KEY not in keys or not path.is_file():
            continue
        theirs = pq.read_table(path, columns=list(keys), partitioning=None)
        theirs = theirs.filter(pc.is_in(theirs[ENTITY_KEY], pa.array(sorted(customer_ids), pa.string())))
        entities = [_entity(row, keys) for row in theirs.group_by(list(keys)).aggregate([]).to_pylist()]
        if entities:
            erase_online(store, [store.get_feature_view(view)], entities)
        gone += len(entities)
    return gone


def _named(rows: ir.Table, view: str, *columns: str) -> ir.Table:
    """Columns under the names of the view's features; counts as numbers like all others."""
    names = zip(features_of(view), columns, strict=True)
    return rows.mutate(**{feature.name: rows[column].cast("float64") for feature, column in names})


def _keys(path: Path, keys: Sequence[str]) -> set[tuple[str, ...]]:
    """Those of a published file; none where there is none."""
    return _keys_of(pq.read_table(path, columns=list(keys), partitioning=None), keys) if path.is_file() else set()


def _keys_of(rows: pa.Table, keys: Sequence[str]) -> set[tuple[str, ...]]:
    return set(zip(*(rows[key].to_pylist() for key in keys), strict=True))


def _newest(folder: Path, view: str) -> list[dict[str, Any]]:
    """The last row of each key; rows lie in order of key and time."""
    rows = pq.read_table(source_file(folder, view), partitioning=None).to_pylist()
    return list({tuple(row[key] for key in KEYS[view]): row for row in rows}.values())


def _blocks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def _write_changed(store: Any, name: str, rows: Sequence[dict[str, Any]]) -> int:
    view, names = store.get_feature_view(name), [feature.name for feature in features_of(name)]
    entities = [_entity(row, KEYS[name]) for row in rows]
    there = store.provider.online_read(store.config, view, entities, list(names))  # of Redis, Feast adds to the list
    changed = []
    for row, entity, (_, held) in zip(rows, entities, there, strict=True):
        values = {feature: _value(row[feature]) for feature in names}
        if held is None or any(held.get(feature) != value for feature, value in values.items()):
            changed.append((entity, values, row["event_timestamp"].replace(tzinfo=UTC), None))
    if changed:
        store.provider.online_write_batch(store.config, view, changed, None)
    return len(changed)


def _entity(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey

    return EntityKey(join_keys=list(keys), entity_values=[_value(row[key]) for key in keys])


def _value(value: str | float | None) -> Any:
    from feast.protos.feast.types.Value_pb2 import Value

    if value is None:
        return Value()
    return Value(string_val=value) if isinstance(value, str) else Value(double_val=value)
