"""Verdicts of the rows of a box with cameras, on made-up measurements."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def rows() -> ModuleType:
    sys.path.insert(0, str(HERE))
    try:
        spec = importlib.util.spec_from_file_location("eyes_edge_rows", HERE / "eyes_edge_rows.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HERE))
    return module


def took(rows: ModuleType, torch_ms: list[float], int8_ms: list[float]) -> dict[tuple[str, str], list[float]]:
    sides = {"PyTorch fp32": torch_ms, "ONNX fp32": torch_ms, "int8": int8_ms}
    return {(side, part): values for side, values in sides.items() for part in rows.PARTS}


SIZES = {"detector fp32": 10.4, "embedder fp32": 95.0, "detector int8": 3.2, "embedder int8": 24.3}


def test_a_ratio_is_that_of_one_round_and_sizes_are_held_against_their_bounds(rows: ModuleType) -> None:
    """Rounds of 100, 200 and 400 ms against 50, 140 and 200: ratios 0.5, 0.7, 0.5, while the medians alone would say 0.7."""
    told = rows.int8_verdict(took(rows, [100, 200, 400], [50, 140, 200]), SIZES)
    assert told.met and (told.value, told.peer_value) == (140, 200) and "rounds 0.50" in told.note
    assert not rows.int8_verdict(took(rows, [100, 200, 400], [70, 110, 280]), SIZES).met
    for name, size in (("detector fp32", 12.1), ("embedder int8", 26.1)):
        assert not rows.int8_verdict(took(rows, [100], [50]), SIZES | {name: size}).met


def test_a_box_must_be_small_quick_and_flat(rows: ModuleType) -> None:
    good = rows.Ran(
        frames=10_000, failed=0, events=700, start_s=2.0, start_cpu_s=0.8, peak_mb=240.0, settled_mb=235.0, last_mb=236.0,
        frame_ms=5.0,
    )  # fmt: skip
    full = replace(good, frames=300, events=40, peak_mb=260.0)
    late = replace(good, start_s=9.0)
    told = rows.box_verdict(330.0, 335.0, [late, good, late], good, full)
    assert told.met and told.value == 260.0 and "2.00 s the quickest of 3, median 9.00 s" in told.note
    assert "+1.0 MB" in told.note
    for changed in (
        (351.0, 356.0, [good], good, full),
        (330.0, 335.0, [late], good, full),
        (330.0, 335.0, [good], replace(good, last_mb=241.0), full),
        (330.0, 335.0, [good], good, replace(full, peak_mb=401.0)),
        (330.0, 335.0, [good], replace(good, frames=9_999), full),
        (330.0, 335.0, [good], replace(good, events=0), full),
        (330.0, 335.0, [good], good, replace(full, failed=1)),
    ):
        assert not rows.box_verdict(*changed).met
