"""Erasing customers from the online store, bytes included; light, as services do it too."""

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any


def erase_online(store: Any, views: Sequence[Any], entities: Sequence[Any], *, others_stay: bool = False) -> None:
    """Remove the rows of `entities` (Feast's keys) from the online store, and what SQLite keeps of removed and replaced rows. In
    Redis all views of an entity go, unless `others_stay`."""
    from feast.infra.key_encoding_utils import serialize_entity_key

    config = store.config
    keys = [
        serialize_entity_key(key, entity_key_serialization_version=config.entity_key_serialization_version)
        for key in entities
    ]
    if config.online_store.type == "redis":
        client = store.provider.online_store._get_client(config.online_store)
        for key in keys:  # all views of an entity lie under one key
            if others_stay:
                client.hdel(key + config.project.encode(), *(field for view in views for field in _fields(view)))
            else:
                client.delete(key + config.project.encode())
        return
    with contextlib.closing(sqlite3.connect(config.online_store.path, timeout=60, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        for view in views:
            table = f"{config.project}_{view.name}"
            database.executemany(f'DELETE FROM "{table}" WHERE entity_key = ?', [(key,) for key in keys])  # noqa: S608 - our own names
        database.execute("COMMIT")
        wipe(database)


def _fields(view: Any) -> list[bytes]:
    """Of a view in the hash of an entity."""
    from feast.infra.online_stores.helpers import _mmh3

    return [f"_ts:{view.name}".encode(), *(_mmh3(f"{view.name}:{feature.name}") for feature in view.features)]


def wipe(database: sqlite3.Connection) -> None:
    """Write the file of `database` anew, so that nothing of removed rows is left in it or in its log."""
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
