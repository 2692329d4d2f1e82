"""The row of fresh goods says yes only where waste, margin, promise, wrong elasticity and band all hold."""

import sys
from pathlib import Path

import pytest

from models.common.report import MetricRow, Report

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from pricing_fresh_rows import verdict

from models.pricing.fresh_rules import LIST
from orchestration.fresh_judging import CHAMPION, HINDSIGHT, WRONG, wrong_name

SAVED, MARGIN = f"{CHAMPION}|less waste than {HINDSIGHT}", f"{CHAMPION}|gross margin over {HINDSIGHT}"
MYOPIC = f"{CHAMPION}|gross margin over myopic elasticity"
PROMISED, FORESEEN = (f"{CHAMPION}|realised over {what} takings" for what in ("promised", "foreseen"))
SOUND = {
    SAVED: 0.65,
    MARGIN: 0.01,
    MYOPIC: 0.02,
    PROMISED: -0.04,
    FORESEEN: 0.04,
    f"{LIST}|waste": 0.12,
    **{f"{wrong_name(factor)}|gross margin over {LIST}": 0.1 for factor in WRONG},
}


def report(**changed: float) -> Report:
    told = {**SOUND, **changed}
    for name in (CHAMPION, LIST, HINDSIGHT):
        for metric in ("waste", "gross margin", "margin before waste", "mean price"):
            told.setdefault(f"{name}|{metric}", 0.02)
    rows = [
        MetricRow(model, f"{metric}{end}", value + away, "")
        for (model, metric), value in ((name.split("|"), value) for name, value in told.items())
        for end, away in (("", 0.0), (", low", -0.01), (", high", 0.01))
    ]
    return Report(CHAMPION, tuple(rows), notes=("Worlds 1, 2.",))


def test_a_sound_report_is_met() -> None:
    found = verdict(report())
    assert found.met is True and found.peer == HINDSIGHT and "Worlds 1, 2." in found.note


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (SAVED, 0.599),
        (MARGIN, -0.001),
        (MYOPIC, 0.009),  # its interval holds 0
        (PROMISED, -0.051),
        (FORESEEN, 0.051),
        (f"{wrong_name(WRONG[0])}|gross margin over {LIST}", 0.009),
        (f"{wrong_name(WRONG[-1])}|gross margin over {LIST}", -0.1),
        (f"{LIST}|waste", 0.001),  # a twin that hardly wastes shows nothing
        (f"{LIST}|waste", 0.6),
    ],
)
def test_one_line_that_does_not_hold_is_enough(name: str, value: float) -> None:
    assert verdict(report(**{name: value})).met is False
