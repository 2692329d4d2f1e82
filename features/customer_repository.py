"""The Feast repository of customers: its views, their Parquet files, and what of them is online."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow.parquet as pq

from data_checks.durable import locked, replace_file
from features.customer_facts import CustomerTables
from features.customer_layout import CATEGORIES_FILE, ONLINE_VIEW, STATE_VIEW
from features.customer_rows import carry_customers, customer_records, write_categories, write_records
from features.layout import source_file
from features.online_rows import Materialised
from features.repository import Repository, let_readers_go_on, register


def apply_customers(repository: Repository, provided: Collection[str]) -> Any:
    """Register entity, views and push source for a source with these clean tables; returns the FeatureStore."""
    from features.store.attention import attention_definitions
    from features.store.customers import customer_definitions

    text = (
        "from features.store.attention import attention_definitions\n"
        "from features.store.customers import customer_definitions\n\n"
        "FOLDER = Path(__file__).resolve().parent\n"
        f"customer, state, online, recent = customer_definitions(FOLDER, {sorted(provided)!r})\n"
        "product, category, *attention = attention_definitions(FOLDER, customer)\n"
        "by_customer, by_pair, by_category, by_product = attention\n"
    )
    customers = customer_definitions(repository.folder, provided)
    store = register(repository, [*customers, *attention_definitions(repository.folder, customers[0])], text)
    let_readers_go_on(store)
    return store


def publish_customer_state(repository: Repository, state: ir.Table, *, con: Any) -> int:
    """Write the file of `customer_state`, from which training joins; returns its rows."""
    target = source_file(repository.folder, STATE_VIEW)
    rows = state.mutate(event_timestamp=state.moment.cast("timestamp(6)")).drop("moment")
    if "origin" in rows.columns:
        rows = rows.drop("origin")
    with locked(repository.folder):
        in_order = rows.order_by(["customer_id", "event_timestamp"])
        replace_file(target, lambda draft: con.to_parquet(in_order, draft, compression="zstd"))
    return int(pq.read_metadata(target).num_rows)


def publish_customers(
    repository: Repository, tables: CustomerTables, moment: datetime, *, con: Any, profiles: ir.Table | None = None
) -> int:
    """Write the file of `customers_online`, all customers as of `moment`, and the categories of items; its rows."""
    target = source_file(repository.folder, ONLINE_VIEW)
    records = customer_records(tables, moment, profiles)
    with locked(repository.folder):
        replace_file(
            repository.folder / CATEGORIES_FILE, lambda draft: write_categories(tables.products, draft, con=con)
        )
        replace_file(target, lambda draft: write_records(records, moment, draft, con=con))
    return int(pq.read_metadata(target).num_rows)


def materialise_customers(store: Any) -> Materialised:
    """Carry the published customers online: what the store lacks is written, while readers and pushers go on."""
    folder = Path(store.config.repo_path)
    with locked(folder):
        let_readers_go_on(store)
        return carry_customers(store, source_file(folder, ONLINE_VIEW))
