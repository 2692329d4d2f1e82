"""Charts of the validation site: well-formed SVG that stays in its frame and never hides a failure."""

import xml.etree.ElementTree as ET

import pytest

from data_checks.charts import TrendPoint, percent, sparkline, tolerance_bar, trend


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0 %"), (1e-9, "< 0.001 %"), (0.00042, "0.042 %"), (0.0123456, "1.23 %"), (0.5, "50 %"), (1, "100 %")],
)
def test_percent(fraction, text):
    assert percent(fraction) == text


def test_the_bar_is_half_full_at_its_tolerance_and_never_invisible():
    def filled(failing: float, tolerated: float) -> float:
        rectangles = ET.fromstring(str(tolerance_bar(failing, tolerated))).findall("rect")
        return float(rectangles[1].get("width")) / float(rectangles[0].get("width"))

    assert filled(0.02, 0.02) == 0.5
    assert filled(0.01, 0.02) == 0.25
    assert filled(0.5, 0.02) == 1
    assert filled(0, 0) == 0
    assert filled(1e-6, 0) == 1
    assert 0 < filled(1e-6, 0.5) < 0.02


@pytest.mark.parametrize("runs", [1, 2, 61, 500])
def test_charts_are_well_formed_and_stay_in_their_frame(runs):
    points = [TrendPoint('<run> & "co"', (n % 7) / 7, n % 5 > 0) for n in range(runs)]
    for chart in (sparkline(points), trend(points)):
        svg = ET.fromstring(str(chart))
        width, height = (float(part) for part in svg.get("viewBox").split()[2:])
        for x, y in (pair.split(",") for pair in svg.find("polyline").get("points").split()):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
        assert len(svg.find("polyline").get("points").split()) == min(runs, 60)
