"""Cleaning of UCI Online Retail, the real thing: every line accounted for, whatever is wrong with it."""

from pathlib import Path
from typing import Any

import ibis
import pytest

from data_checks.contracts import load_contract
from features.cleaning import CLASSES
from features.cleaning_transactions import TransactionRules, tag_transactions
from features.engine import connect
from sources.adapters.online_retail import OnlineRetailSource


@pytest.mark.realdata
def test_every_invoice_line_is_in_one_class(real_data: Path) -> None:
    source = OnlineRetailSource(real_data / "online_retail")
    con: Any = connect()
    raw = source.read("transactions").read_all()
    rules = TransactionRules(**source.transaction_rules)
    tagged = con.create_table(
        "tagged", tag_transactions(ibis.memtable(raw), load_contract("transactions"), rules=rules)
    )
    by_class = tagged.group_by("_class", "kind").agg(
        lines=tagged.count(), units=tagged.units.sum(), cancelled=tagged.cancelled_units.sum()
    )
    counts = {(row["_class"], row["kind"]): row for row in con.to_pyarrow(by_class).to_pylist()}
    assert {name for name, _ in counts} == set(CLASSES)
    assert sum(row["lines"] for row in counts.values()) == raw.num_rows == 541_909
    assert con.to_pyarrow(tagged["_row_key"].nunique()).as_py() == raw.num_rows
    duplicates = sum(row["lines"] for (name, _), row in counts.items() if name == "duplicate")
    assert duplicates == 541_909 - 536_641  # distinct lines of the published file
    matched = counts["matched_cancellation", "return"]
    assert matched["units"] == counts["row", "sale"]["cancelled"]
    assert ("matched_cancellation", "sale") not in counts
    assert (
        con.to_pyarrow(
            (tagged.cancelled_units > tagged.units.fill_null(0)).sum(where=tagged.cancelled_units > 0)
        ).as_py()
        == 0
    )
    unmatched = counts["row", "return"]["lines"]
    assert matched["lines"] / (matched["lines"] + unmatched) > 0.8
