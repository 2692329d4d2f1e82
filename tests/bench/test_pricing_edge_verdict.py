"""The verdict on prices of a box: one label that differs from the cloud's is one too many."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    spec = importlib.util.spec_from_file_location("pricing_edge_rows", HERE / "pricing_edge_rows.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FOUND = {
    "prices": 140_000, "differ": 0, "worst": 9e-5, "answered": 28_000, "outside": 15_000, "otherwise": 0,
    "market": {"quote": [0.5, 2.0], "inside": [0.3, 1.0], "numpy": [0.25, 1.0], "labels": [250.0, 300.0]},
    "fresh": {"quote": [0.9, 3.0], "inside": [0.6, 1.0], "numpy": [0.5, 1.0], "labels": [450.0, 500.0]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "met"),
    [
        ({}, True),
        ({"differ": 1}, False),
        ({"otherwise": 1}, False),
        ({"outside": 0}, False),
        ({"worst": 1.1e-4}, False),
        ({"worst": float("nan")}, False),
    ],
)
def test_equal_prices_decide(rows: ModuleType, changed: dict[str, Any], met: bool) -> None:
    result = rows.verdict(FOUND | changed, 0.93, "9 graphs")
    assert (result.met, result.value, result.peer_value) == (met, 0.3, 0.25)
    assert f"{changed.get('differ', 0)} of 140,000 prices of networks differ" in result.note
    assert f"{changed.get('otherwise', 0)} get another price, rule or source than from the service" in result.note
    assert "bundle 0.93 MB" in result.note and "p99 2.00 ms" in result.note and "1,000 labels 250 ms" in result.note
    assert "p99 3.00 ms" in result.note and "1,000 labels 450 ms" in result.note and "1.20x the cloud's" in result.note
