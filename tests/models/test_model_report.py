"""A report survives JSON, reads as Markdown, and names what it holds when asked for what it does not."""

import json

import pytest

from models.common.report import MetricRow, Report, ReportError
from models.common.telemetry import TELEMETRY_OFF, switch_off

REPORT = Report(
    "champion",
    (
        MetricRow("champion", "rmse", 1.23456, "units"),
        MetricRow("champion", "seconds", 3.0, "s"),
        MetricRow("naive", "rmse", float("nan"), "units"),
        MetricRow("champion", "rmse", 9.0, "units", "smooth"),
    ),
    {"picture": b"\x89PNG\r\n\x00\xff"},
    ("a note",),
)


def test_json_round_trip_keeps_pictures_and_undefined_values() -> None:
    text = REPORT.to_json()
    assert "NaN" not in text
    back = Report.from_json(text)
    assert back.plots == REPORT.plots
    assert back.notes == REPORT.notes
    assert back.value("champion", "rmse", "smooth") == 9.0
    assert back.to_json() == text


def test_markdown_shows_models_beside_each_other() -> None:
    lines = REPORT.to_markdown(("all", "smooth")).splitlines()
    assert lines[0] == "### all"
    assert lines[2] == "| model | rmse (units) | seconds (s) |"
    assert lines[4] == "| **champion** | 1.235 | 3 |"
    assert lines[5] == "| naive | n/a |  |"
    assert "| **champion** | 9 |" in lines
    assert lines[-1] == "- a note"


def test_manifest_rows_leave_out_seconds_and_undefined_values() -> None:
    rows = REPORT.metric_dicts()
    assert [(row["model"], row["metric"], row["segment"]) for row in rows] == [
        ("champion", "rmse", "all"),
        ("champion", "rmse", "smooth"),
    ]
    json.dumps(rows, allow_nan=False)
    assert any(row["unit"] == "s" for row in REPORT.metric_dicts(timings=True))


def test_asking_for_a_figure_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ReportError, match=r"\['champion', 'naive'\].*\['rmse', 'seconds'\]"):
        REPORT.value("champion", "mape")
    assert REPORT.segments() == ["all", "smooth"]


def test_telemetry_is_switched_off_in_the_mapping_it_is_given() -> None:
    environ = {"DO_NOT_TRACK": "0", "PATH": "/bin"}
    switch_off(environ)
    assert environ == {**TELEMETRY_OFF, "PATH": "/bin"}
    assert environ["DO_NOT_TRACK"] == "1"
    assert environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
