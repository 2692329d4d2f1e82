"""What a command prints for a person."""

import pytest

from edge.console import show


def test_parts_of_parts_are_set_in_and_numbers_stay_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "frames": 3,
        "problems": [],
        "note": "",
        "former": None,
        "cameras": {"door": {"read": 2, "live": False}},
        "onnx": [{"file": "a.onnx", "nodes": 1}, {"file": "b.onnx", "nodes": 0}],
        "mean": [1.5, 2.5],
    }
    show(told, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "frames    3",
        "problems  none",
        "note",
        "former    none",
        "cameras",
        "  door",
        "    read  2",
        "    live  False",
        "onnx",
        "  - file   a.onnx",
        "    nodes  1",
        "  - file   b.onnx",
        "    nodes  0",
        "mean      [1.5, 2.5]",
    ]
    show({"frames": 3, "at": pytest}, as_json=True)
    assert capsys.readouterr().out.startswith('{"frames": 3, "at": "<module')
