"""Rows for a quarantine and what became of them. Imported by the tests beside it, not a test."""

import json

import pyarrow as pa

from data_checks.quarantine import Quarantine


def held_back(rules_by_key: dict[str, list[str]], **columns: list[str]) -> pa.Table:
    keys = list(rules_by_key)
    return pa.table(
        {
            "_row_key": keys,
            "rules": pa.array(list(rules_by_key.values()), pa.list_(pa.string())),
            "raw": [json.dumps({"id": key}) for key in keys],
            "held": [True] * len(keys),
            **columns,
        }
    )


def status(quarantine: Quarantine, table: str = "sales") -> dict[str, str]:
    rows = quarantine.rows(table)
    return dict(zip(rows["_row_key"].to_pylist(), rows["status"].to_pylist(), strict=True))
