"""Rows of the ledger: appends, audit and proofs of 100,000 bills, beside a plain hash chain and pymerkle's own tree."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "serving"), str(HERE.parents[1])]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)

COUNT, BATCH, SINGLE, PROOFS, LINES = 100_000, 100, 1_000, 2_000, 6
APPENDS_S, PROOF_MS = 2_000, 1.0


def bills(count: int, prefix: str = "bill") -> list[Any]:
    """Bills of six lines."""
    from serving.settlement.entries import Entry

    random = np.random.default_rng(8)
    products, cents = random.integers(5_000, size=(count, LINES)), random.integers(49, 2_000, size=(count, LINES))
    return [
        Entry(
            f"{prefix}-{number:06}",
            "bill",
            {
                "visit": f"visit-{number:06}",
                "currency": "EUR",
                "cents": int(cents[number].sum()),
                "lines": [
                    {"product": f"P{product:05}", "count": 1, "cents": int(price)}
                    for product, price in zip(products[number], cents[number], strict=True)
                ],
            },
        )
        for number in range(count)
    ]


def rate(work: Callable[[Sequence[Any]], object], entries: Sequence[Any], batch: int) -> float:
    """Entries a second, `batch` at a time."""
    began = time.perf_counter()
    for first in range(0, len(entries), batch):
        work(entries[first : first + batch])
    return len(entries) / (time.perf_counter() - began)


def least(work: Callable[[], object]) -> float:
    """Seconds, the least of three: what else the machine does is no part of the work."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


class Chain:
    """The peer that keeps no tree: each entry under the hash of the one before it, in the file of approvals."""

    def __init__(self, file: Path) -> None:
        from serving.audit_chain import SCHEMA, AuditChain
        from serving.sqlite_file import SqliteFile

        def prepare(connection: sqlite3.Connection) -> None:
            for statement in SCHEMA:
                connection.execute(statement)

        self._file = SqliteFile(file, prepare)
        self.chain = AuditChain(self._file._connection)

    def append(self, entries: Sequence[Any]) -> None:
        from serving.audit_chain import Decision

        with self._file._writing() as connection:
            for entry in entries:
                content = entry.content().decode()
                self.chain.add(connection, Decision(0.0, "", "bill", entry.entry_id, "", "", 0.0, 0.0, content))


def stores(context: BenchContext) -> Iterator[tuple[str, Any]]:
    """An empty ledger in each database that is here."""
    from ledger_case import opened, store_at

    yield "SQLite", opened(store_at(str(context.scratch / "ledger.sqlite")))
    from postgres_server import postgres_server

    with suppress(IndexError), postgres_server() as server:  # none is installed
        yield "PostgreSQL", opened(store_at(server.database()))


def _append(context: BenchContext) -> BenchResult:
    from pymerkle import SqliteTree

    entries, singles = bills(COUNT), bills(SINGLE, "single")
    found = {
        name: (rate(ledger.append, entries, BATCH), rate(ledger.append, singles, 1)) for name, ledger in stores(context)
    }
    chain = Chain(context.scratch / "chain.sqlite")
    chained = rate(chain.append, entries, BATCH), rate(chain.append, singles, 1)
    with SqliteTree(str(context.scratch / "tree.sqlite")) as tree:
        bulk = rate(lambda some: tree.append_entries([entry.content() for entry in some]), entries, BATCH)
    slowest = min(batches for batches, _ in found.values())
    told = "; ".join(f"{name} {batches:,.0f}, one by one {one:,.0f}" for name, (batches, one) in found.items())
    return BenchResult(
        value=found["SQLite"][0],
        unit="/s",
        peer="hash chain",
        peer_value=chained[0],
        bound=f">= {APPENDS_S:,} /s in batches",
        met=slowest >= APPENDS_S,
        note=f"{COUNT:,} bills of {LINES} lines, {BATCH} at a time, each batch signed and on the disk: {told}; hash chain one by "
        f"one {chained[1]:,.0f}; pymerkle's SqliteTree, which neither signs nor knows an entry again, {bulk:,.0f}",
    )


def _audit(context: BenchContext) -> BenchResult:
    from ledger_case import ORIGIN, PUBLIC, opened, store_at

    from serving.settlement.audit import audit

    entries, chain = bills(COUNT), Chain(context.scratch / "chain.sqlite")
    store = store_at(str(context.scratch / "ledger.sqlite"))
    rate(opened(store).append, entries, BATCH)
    rate(chain.append, entries, BATCH)
    began = time.perf_counter()
    report = audit(store, PUBLIC, origin=ORIGIN)
    took = time.perf_counter() - began
    began = time.perf_counter()
    problem = chain.chain.problem()
    chained = time.perf_counter() - began
    if not report.clean or problem:
        raise RuntimeError(f"an honest ledger is not clean: {report.problems[:3]}, {problem}")
    return BenchResult(
        value=COUNT / took,
        unit="/s",
        peer="hash chain",
        peer_value=COUNT / chained,
        note=f"{COUNT:,} bills hashed again and compared with {report.heads:,} signed heads in {took:.1f} s; the chain has one "
        "head, signed by nobody: whoever rewrites it to its end is not seen",
    )


def _proof(context: BenchContext) -> BenchResult:
    from ledger_case import ORIGIN, PUBLIC, opened, store_at
    from pymerkle import InmemoryTree, verify_inclusion

    from serving.settlement.receipt_codes import pack
    from serving.settlement.receipts import Receipt

    entries, ledger = bills(COUNT), opened(store_at(str(context.scratch / "ledger.sqlite")))
    rate(ledger.append, entries, BATCH)
    tree = InmemoryTree("sha256")
    tree.append_entries([entry.content() for entry in entries])
    asked = np.random.default_rng(9).integers(COUNT, size=PROOFS)
    made, checked, peer, receipts = [], [], [], []
    for number in asked:
        began = time.perf_counter()
        receipts.append(ledger.receipt(entries[number].entry_id))
        made.append(time.perf_counter() - began)
        text, proof = receipts[-1].to_json(), tree.prove_inclusion(int(number) + 1)
        leaf = tree.get_leaf(int(number) + 1)
        checked.append(least(lambda text=text: Receipt.from_json(text).check(PUBLIC, ORIGIN)))
        peer.append(least(lambda leaf=leaf, proof=proof: verify_inclusion(leaf, tree.get_root(), proof)))
    p99_ms = float(np.quantile(checked, 0.99)) * 1e3
    bytes_json = float(np.median([len(receipt.to_json().encode()) for receipt in receipts]))
    letters = float(np.median([len(pack(receipt)) for receipt in receipts[:100]]))
    return BenchResult(
        value=p99_ms,
        unit="ms",
        peer="pymerkle, no signature and no text",
        peer_value=float(np.quantile(peer, 0.99)) * 1e3,
        bound=f"p99 <= {PROOF_MS:g} ms",
        met=p99_ms <= PROOF_MS,
        note=f"{PROOFS:,} receipts, from their JSON to signature and path, each the least of three; p50 {p50(checked):.2f} ms; made "
        f"in p50 {p50(made):.2f}, p99 {float(np.quantile(made, 0.99)) * 1e3:.2f} ms; {bytes_json:,.0f} bytes of JSON, "
        f"{letters:,.0f} characters of a QR code, which holds 4,296",
    )


def p50(seconds: Sequence[float]) -> float:
    """Median in milliseconds."""
    return float(np.median(seconds)) * 1e3


ROWS = [
    BenchRow("ledger-append", "ledger", "entries appended a second", _append, rooms=("serving", "models")),
    BenchRow("ledger-audit", "ledger", "entries audited a second", _audit, rooms=("serving", "models")),
    BenchRow("ledger-proof", "ledger", "verification of a receipt", _proof, rooms=("serving", "models")),
]
