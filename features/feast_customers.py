"""Customers in Feast's online store: what the batch knew, with what was pushed since folded in at every read."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.customer_batch import CustomerBatch, CustomerEvent, CustomersError, unknown
from features.customer_layout import CATEGORIES_FILE, ENTITY_KEY, NEWEST_MOMENT, ONLINE_VIEW, RECENT_VIEW
from features.customer_record import SECOND_US, Recent, Record, fold, pack_recents, unpack_recents
from features.customer_registry import TEXTS, VALUES
from features.online import entity_keys
from features.online_erasure import erase_online

RECENTS = 1_000  # newest events of a customer since the batch; beyond them the oldest are left to the next batch
SHOWN_TEXTS = ("segment", *TEXTS)
_LEASE_S = 10  # after which Redis takes the lock from who died holding it
_PATIENCE = 3  # leases that one waits: that of one who died may begin while others wait already
_KEYS_A_READ = 5_000


class FeastCustomers:
    """Customers from Feast's online store (SQLite or Redis, as the repository says).

    The moment of a read is the newest of which anything is known: that of the last finished materialisation, or just
    after what was pushed of the customer last; `at_us` names a later one. An event from before the materialisation is
    not taken in: the batch knows it, or will. One process materialises while others push; pushes wait for each other.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._folder = Path(store.config.repo_path)
        self._lock = threading.Lock()
        self._online, self._recent = (store.get_feature_view(name) for name in (ONLINE_VIEW, RECENT_VIEW))
        self._provided = frozenset(json.loads(self._online.tags["tables"]))
        if store.config.online_store.type == "sqlite":
            # With the write-ahead log a kill loses nothing and a loss of power the last pushes, which the batch brings.
            store.provider.online_store._get_conn(store.config).execute("PRAGMA synchronous = NORMAL")
        self._categories: dict[str, str] = {}
        self._categories_at = 0

    @classmethod
    def open(cls, folder: Path) -> "FeastCustomers":
        """From the folder of an applied repository (it holds feature_store.yaml)."""
        from feast import FeatureStore

        if not (folder / "feature_store.yaml").is_file():
            raise CustomersError(f"{folder} holds no feature_store.yaml: apply the repository of customers first")
        return cls(FeatureStore(repo_path=str(folder)))

    def read(self, customer_ids: Sequence[str], *, at_us: int | None = None) -> CustomerBatch:
        """See OnlineCustomers; `at_us` in microseconds since 1970, in the clock of the tables."""
        # What was pushed is read first: a batch that overtakes it in between knows all of it.
        with self._lock:
            recents = self._read(self._recent, customer_ids, ["recents"])
            batch = self._read(self._online, [*customer_ids, NEWEST_MOMENT], ["known_until_us", "facts"])
        filled_us = batch[-1]["known_until_us"].int64_val if batch[-1] else 0
        made = unknown(customer_ids, VALUES, ())
        texts: dict[str, list[str]] = {name: [""] * len(customer_ids) for name in SHOWN_TEXTS}
        history = list(made.history)
        for place, (name, known, told) in enumerate(zip(customer_ids, batch[:-1], recents, strict=True)):
            if known is None and told is None:
                continue
            try:
                record = Record.unpacked(known["facts"].bytes_val) if known else Record()
                since = unpack_recents(told["recents"].bytes_val) if told else []
            except ValueError as error:
                raise CustomersError(f"{name!r}: {error}") from error
            until_us = max(filled_us, known["known_until_us"].int64_val if known else 0)
            since = [event for event in since if event.at_us >= until_us]
            if known is None and not since:
                continue
            newest_us = since[-1].at_us + 1 if since else until_us
            folded = fold(name, record, since, max(until_us, newest_us if at_us is None else at_us), self._provided)
            made.found[place] = True
            history[place] = folded.history
            for column, value in folded.values.items():
                made.values[column][place] = value
            for column, text in folded.texts.items():
                texts[column][place] = text
        said = {name: np.array(column, dtype=np.str_) for name, column in texts.items()}
        return CustomerBatch(made.customer_ids, made.found, tuple(history), made.values, said)

    def push(self, events: Sequence[CustomerEvent]) -> int:
        """See OnlineCustomers. On return the events are in the store; a kill before leaves all or none of a customer's."""
        if not events:
            return 0
        categories = self._categories_of_items()
        by_customer: dict[str, list[Recent]] = {}
        for event in events:
            told = Recent.of(event, categories.get(event.item_id, ""))
            by_customer.setdefault(event.customer_id, []).append(told)
        names, new = sorted(by_customer), 0
        with self._alone(), self._lock:
            (mark,) = self._read(self._online, [NEWEST_MOMENT], ["known_until_us"])
            filled_us = mark["known_until_us"].int64_val if mark else 0
            rows = []
            for name, held in zip(names, self._read(self._recent, names, ["recents"]), strict=True):
                before = {r.event_id: r for r in unpack_recents(held["recents"].bytes_val)} if held else {}
                kept = {event_id: told for event_id, told in before.items() if told.at_us >= filled_us}
                for told in by_customer[name]:
                    if told.at_us >= filled_us:
                        kept[told.event_id] = min(told, kept.get(told.event_id, told))
                newest = sorted(kept.values())[-RECENTS:]
                fresh = sum(told.event_id not in before for told in newest)
                if fresh or len(newest) != len(before) or newest != sorted(before.values()):
                    rows.append((name, newest))
                new += fresh
            self._write(rows)
        return new

    def erase(self, customer_ids: Sequence[str]) -> int:
        """See OnlineCustomers: rows of both views go, and so do their bytes in SQLite's file and log."""
        with self._alone(), self._lock:
            held = [self._read(view, customer_ids, []) for view in (self._online, self._recent)]
            erase_online(self._store, (self._online, self._recent), entity_keys(customer_ids, ENTITY_KEY))
        return sum(any(row is not None for row in rows) for rows in zip(*held, strict=True))

    def _read(self, view: Any, names: Sequence[str], fields: Sequence[str]) -> list[Any]:
        """Stored values of each customer, None where there are none. Through the provider, as FeastState reads."""
        found: list[Any] = []
        for start in range(0, len(names), _KEYS_A_READ):
            keys = entity_keys(names[start : start + _KEYS_A_READ], ENTITY_KEY)
            wanted = list(fields) or [view.features[0].name]  # Feast adds to the list
            rows = self._store.provider.online_read(self._store.config, view, keys, wanted)
            # Redis gives an empty value for what it has not, SQLite nothing at all.
            found += [row if row and any(v.WhichOneof("val") for v in row.values()) else None for _, row in rows]
        return found

    def _write(self, rows: Sequence[tuple[str, list[Recent]]]) -> None:
        """Through the provider: `store.push` takes the same row through a pandas frame, in many times the time."""
        from feast.protos.feast.types.Value_pb2 import Value

        if not rows:
            return
        keys = entity_keys([name for name, _ in rows], ENTITY_KEY)
        data = []
        for key, (_, recents) in zip(keys, rows, strict=True):
            at_us = recents[-1].at_us if recents else 0
            moment = datetime.fromtimestamp(at_us / SECOND_US, UTC)
            data.append((key, {"recents": Value(bytes_val=pack_recents(recents))}, moment, None))
        self._store.provider.online_write_batch(self._store.config, self._recent, data, None)

    def _categories_of_items(self) -> dict[str, str]:
        path = self._folder / CATEGORIES_FILE
        changed_at = path.stat().st_mtime_ns if path.exists() else 0
        if changed_at != self._categories_at:
            self._categories = json.loads(path.read_text(encoding="utf-8"))
            self._categories_at = changed_at
        return self._categories

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One pusher at a time: a row is read and written back. The lock of one who dies falls, on Redis in time."""
        if self._store.config.online_store.type == "redis":
            client = self._store.provider.online_store._get_client(self._store.config.online_store)
            name = f"{self._store.config.project}:push"
            patience = _PATIENCE * _LEASE_S
            lock = client.lock(name, timeout=_LEASE_S, sleep=0.001, blocking_timeout=patience)
            if not lock.acquire():
                raise CustomersError(f"{name} was held by others for {patience:g} s: push again, with fewer pushers")
            try:
                yield
            finally:
                lock.release()
            return
        handle = os.open(self._folder / ".push.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
