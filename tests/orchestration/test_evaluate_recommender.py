"""`storeloop evaluate recommender` on folders it never saw: events in order, receipts alone, no customers at all."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PARAMS = """recommender:
  {threads: 1, width: 16, epochs: 3, steps_min: 30, batch: 64, negatives: 50, ranker_epochs: 2, min_judged: 20}
"""
KINDS, OF_A_KIND = 8, 12


def walks(customers: int = 150) -> list[tuple[str, str, int]]:
    """Customers who mostly go on to the next item of a kind: (customer, item, place)."""
    rng = np.random.default_rng(3)
    rows = []
    for customer in range(customers):
        kind, at = int(rng.integers(KINDS)), int(rng.integers(OF_A_KIND))
        for place in range(int(rng.integers(4, 10))):
            rows.append((f"c{customer}", f"k{kind}i{at}", place))
            at = (at + 1) % OF_A_KIND
    return rows


def evaluate(home: Path, source: str, *more: str) -> subprocess.CompletedProcess[str]:
    params = home / "params.yaml"
    home.mkdir(exist_ok=True)
    params.write_text(PARAMS, encoding="utf-8")
    return subprocess.run(
        [*(sys.executable, "-m", "orchestration.cli", "evaluate", "recommender", "--source", source), *more],
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "STORELOOP_HOME": str(home),
            "STORELOOP_PARAMS": str(params),
            "STORELOOP_THREADS": "1",
        },
        cwd=Path(__file__).parents[2],
    )


def figures(report: dict[str, Any], metric: str) -> dict[str, float]:
    return {row["model"]: row["value"] for row in report["rows"] if row["metric"] == metric and row["segment"] == "all"}


def test_events_in_order_are_evaluated_beside_tuned_peers(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    lines = ["customer_id,item_id,ordinal", *(f"{who},{item},{place}" for who, item, place in walks())]
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "report.json"
    done = evaluate(tmp_path / "home", f"folder:{folder}", "--json", str(out), "--trials", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(out.read_text())
    hits = figures(report, "hr@10")
    assert {"champion", "popularity", "item-kNN (implicit)", "EASE", "ALS (implicit)", "BPR (implicit)"} <= set(hits)
    # The next item of the kind is all there is to know: popularity finds 10 of 96 items, the champion nearly all.
    assert hits["champion"] > 0.9 > 0.4 > hits["popularity"]
    assert set(report["plots"]) == {"models", "depth", "segments"}
    assert "150 customers with three items or more, 96 items" in report["notes"][0]


def test_receipts_of_known_customers_are_enough(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    began = datetime(2026, 1, 5, 9)
    head = (
        "transaction_id,line_no,store_id,product_id,customer_id,sold_at,recorded_at,kind,units,unit_price,receipt_text"
    )
    lines = [head]
    for number, (who, item, place) in enumerate(walks()):
        when = began + timedelta(days=place)
        lines.append(f"t{number},1,s1,{item},{who},{when},{when},sale,1,2.50,{item}")
    (folder / "transactions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = evaluate(tmp_path / "home", f"folder:{folder}", "--json", "-", "--trials", "1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert figures(json.loads(done.stdout), "hr@10")["champion"] > 0.9


@pytest.mark.parametrize("rows", [0, 3])
def test_a_source_without_enough_customers_says_so(tmp_path: Path, rows: int) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    if rows:
        (folder / "events.csv").write_text("customer_id,item_id,ordinal\n1,a,0\n1,b,1\n1,c,2\n", encoding="utf-8")
    else:
        (folder / "sales.csv").write_text(
            "shop,period_start,value,unit\na,2026-01-05,3,units\na,2026-01-06,4,units\na,2026-01-07,4,units\n",
            encoding="utf-8",
        )
    done = evaluate(tmp_path / "home", f"folder:{folder}")
    assert done.returncode == 1
    wanted = (
        "1 of 1 customers took 3 different items or more, at least 20 are needed" if rows else "nothing to evaluate"
    )
    assert wanted in done.stderr + done.stdout
