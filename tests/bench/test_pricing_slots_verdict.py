"""The row of delivery slots says yes only where fee, load, EMSR-b, promise, wrong elasticity and band all hold."""

import sys
from pathlib import Path

import pytest

from models.common.report import MetricRow, Report

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from pricing_slots_rows import RULES, verdict

SOUND = {
    ("DQN", "mean price over fixed fare"): 0.08,
    ("DQN", "load factor over fixed fare"): 0.04,
    ("DQN", "revenue over EMSR-b"): 0.02,
    ("DQN", "revenue over EMSR-b, marginal revenues"): 0.02,
    ("DQN", "revenue over bid price"): -0.01,  # shown, nothing is asked of it
    ("DQN", "realised over promised"): -0.04,
    ("DQN, elasticity x 0.5", "revenue over list price"): 0.1,
    ("DQN, elasticity x 1.5", "revenue over list price"): 0.1,
    ("DQN, elasticity x 0.5", "realised over promised"): -0.3,
    ("DQN, elasticity x 1.5", "realised over promised"): 0.3,
    ("fixed fare", "share of the oracle"): 0.8,
}


def report(**changed: float) -> Report:
    told = {**SOUND, **{tuple(name.split("|")): value for name, value in changed.items()}}
    for name in ("DQN", "fixed fare", *RULES, "dynamic program, fitted demand", "oracle"):
        for metric in ("revenue", "mean price", "load factor", "share of the oracle"):
            told.setdefault((name, metric), 1.0)
    rows = [
        MetricRow(*name, value + away, "", "all") if end == "" else MetricRow(name[0], name[1] + end, value + away, "")
        for name, value in told.items()
        for end, away in (("", 0.0), (", low", -0.01), (", high", 0.01))
    ]
    return Report("DQN", tuple(rows), notes=("Worlds 1, 2.",))


def test_a_sound_report_is_met() -> None:
    found = verdict(report())
    assert found.met is True and found.peer == "fixed fare" and "Worlds 1, 2." in found.note


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DQN|mean price over fixed fare", 0.069),
        ("DQN|load factor over fixed fare", 0.029),
        ("DQN|revenue over EMSR-b", 0.009),  # its interval holds 0
        ("DQN|revenue over EMSR-b, marginal revenues", -0.02),
        ("DQN|realised over promised", -0.051),
        ("DQN|realised over promised", 0.051),
        ("DQN, elasticity x 0.5|revenue over list price", 0.0),
        ("DQN, elasticity x 1.5|revenue over list price", -0.1),
        ("fixed fare|share of the oracle", 0.93),
        ("fixed fare|share of the oracle", 0.74),
    ],
)
def test_each_figure_can_fail_it(name: str, value: float) -> None:
    assert verdict(report(**{name: value})).met is False
