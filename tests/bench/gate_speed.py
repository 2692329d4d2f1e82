"""Speed of the gate on the full transaction contract, dirty rows and Great Expectations' verdict included."""

import time

import ibis
import numpy as np
import pyarrow as pa

from data_checks.contracts import load_contract
from data_checks.decisions import Decisions

STORES, PRODUCTS, CUSTOMERS = 10, 60, 5_000
CLASSES = np.array(["row", "duplicate", "matched_cancellation", "non_merchandise"])


def tables(rows: int, *, dirt: float = 0.005, seed: int = 0) -> dict[str, pa.Table]:
    """Tagged transaction lines in which each kind of dirt takes about `dirt` of the rows, and what they refer to."""
    rng = np.random.default_rng(seed)
    list_price = np.round(rng.uniform(1, 50, PRODUCTS), 2)
    product = rng.integers(0, PRODUCTS, rows)
    sold_at = np.datetime64("2025-01-01T08:00:00", "us") + rng.integers(0, 180 * 86_400, rows).astype("timedelta64[s]")
    receipt = np.arange(rows) // 3
    is_return = rng.random(rows) < 0.02  # those that found no sale; cleaning has set the others aside
    original = np.maximum(np.arange(rows) - rng.integers(1, 1000, rows), 0)
    units = rng.integers(1, 6, rows)

    def hit() -> np.ndarray:
        return rng.random(rows) < dirt

    def texts(prefix: str, numbers: np.ndarray, mask: np.ndarray) -> pa.Array:
        return pa.array(np.char.add(prefix, numbers.astype(str)), mask=mask)

    bad_type = {name: hit() for name in ("units", "unit_price", "sold_at")}
    typed = pa.array([""] * rows)
    for name, mask in bad_type.items():
        added = pa.compute.binary_join_element_wise(typed, f"{name}=?", "; ", null_handling="skip")
        typed = pa.compute.if_else(pa.array(mask), added, typed)
    errors = pa.compute.if_else(pa.compute.equal(typed, ""), None, pa.compute.utf8_ltrim(typed, "; "))
    late = rng.integers(0, 3600, rows).astype("timedelta64[s]")
    late = np.where(hit(), np.timedelta64(9, "D"), np.where(hit(), np.timedelta64(-60, "s"), late))
    text = np.where(hit(), "CafÃ© crÃ¨me", np.where(hit(), "Gr\ufffdn", "Café crème"))
    classes = CLASSES[np.where(hit(), 1, np.where(hit(), 2, np.where(hit(), 3, 0)))]
    receipt = np.where(hit(), np.maximum(receipt - 1, 0), receipt)  # same receipt and line as another row
    lines = pa.table(
        {
            "transaction_id": texts("T", receipt, hit()),
            "line_no": pa.array(np.arange(rows) % 3, mask=hit()),
            "store_id": texts("S", np.where(hit(), 99, rng.integers(0, STORES, rows)), hit()),
            "product_id": texts("P", np.where(hit(), 999, product), hit()),
            "customer_id": texts("C", rng.integers(0, CUSTOMERS, rows), rng.random(rows) < 0.3),
            "sold_at": pa.array(sold_at, mask=bad_type["sold_at"]),
            "recorded_at": pa.array(sold_at + late, mask=hit()),
            "kind": pa.array(np.where(hit(), "gift", np.where(is_return, "return", "sale"))),
            "units": pa.array(np.where(hit(), 0, np.where(hit(), 200_000, units)), mask=bad_type["units"]),
            "unit_price": pa.array(
                np.where(hit(), 0.0, np.where(hit(), 8.0, 1.0) * list_price[product]), mask=bad_type["unit_price"]
            ),
            "receipt_text": pa.array(text, mask=rng.random(rows) < 0.1),
            "original_transaction_id": texts("T", original // 3, ~(is_return | hit())),
            "original_line_no": pa.array(original % 3, mask=~is_return),
            "cancelled_units": pa.array(np.where(hit(), 9, 0)),
            "cancelled_same_day_units": pa.array(np.where(hit(), 1, 0)),
            "sold_on": pa.array(sold_at.astype("datetime64[D]") + hit().astype("timedelta64[D]")),
            "_row_key": texts("r", np.arange(rows), np.zeros(rows, bool)),
            "_class": pa.array(classes),
            "_repaired": pa.array(np.full(rows, "receipt_text: encoding"), mask=~hit()),
            "_type_errors": errors,
        }
    )
    stores = pa.table({"store_id": [f"S{i}" for i in range(STORES)]})
    products = pa.table({"product_id": [f"P{i}" for i in range(PRODUCTS)], "list_price": list_price})
    return {"transactions": lines, "stores": stores, "products": products}


def measure(rows: int) -> dict[str, float]:
    """Seconds and rows a second of `judge` on `rows` lines that lie in the engine, and of importing what it needs."""
    started = time.perf_counter()
    from data_checks.gate import judge
    from data_checks.suites import suite_on_facts

    contract = load_contract("transactions")
    suite_on_facts(contract)  # imports Great Expectations
    imported = time.perf_counter()
    con = ibis.duckdb.connect()
    made = {name: con.create_table(name, ibis.memtable(table)) for name, table in tables(rows).items()}
    references = {name: made[name] for name in ("stores", "products")}
    ready = time.perf_counter()
    result = judge(made["transactions"], contract, references=references, decisions=Decisions(), con=con)
    seconds = time.perf_counter() - ready
    return {
        "rows": rows,
        "rules": len(result.facts),
        "quarantined": result.counts["quarantined"],
        "import_s": imported - started,
        "gate_s": seconds,
        "rows_per_s": rows / seconds,
    }
