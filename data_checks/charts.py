"""Small charts as inline SVG, drawn here so that a page needs neither a script nor the internet."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_TREND_RUNS = 60


@dataclass(frozen=True)
class TrendPoint:
    """One run on a trend: its label (a moment), its value (a fraction) and whether the gate let it pass."""

    label: str
    fraction: float
    passed: bool


def percent(fraction: float) -> str:
    """A fraction as people read it: `0.25` -> `25 %`; what is there but tiny never reads as zero."""
    value = 100 * fraction
    if value == 0:
        return "0 %"
    if value < 0.001:
        return "< 0.001 %"
    return f"{value:.3g} %" if value < 100 else f"{value:.0f} %"


def sparkline(points: Sequence[TrendPoint]) -> Markup:
    """A line of the last runs in the size of a word; blocked runs are red squares, passed ones are left bare."""
    points = points[-_TREND_RUNS:]
    width, height = 120, 28
    top = max((point.fraction for point in points), default=0.0) or 1.0
    places = [
        (4 + (width - 8) * position / max(len(points) - 1, 1), height - 4 - (height - 8) * point.fraction / top)
        for position, point in enumerate(points)
    ]
    blocked = sum(not point.passed for point in points)
    spoken = f"Held back over {len(points)} runs: last {percent(points[-1].fraction)}, {blocked} runs blocked"
    marks = [
        Markup('<rect class="blocked" x="{}" y="{}" width="5" height="5"/>').format(f"{x - 2.5:.1f}", f"{y - 2.5:.1f}")
        for (x, y), point in zip(places, points, strict=True)
        if not point.passed
    ]
    x, y = places[-1]
    end = Markup('<circle class="end" cx="{}" cy="{}" r="2.5"/>').format(f"{x:.1f}", f"{y:.1f}")
    return Markup(
        '<svg class="sparkline" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}{}{}</svg>'
    ).format(
        width, height, width, height, spoken, _line(places), end if points[-1].passed else "", Markup().join(marks)
    )


def trend(points: Sequence[TrendPoint]) -> Markup:
    """Share of rows held back, run by run, with axes; each run names itself when pointed at."""
    points = points[-_TREND_RUNS:]
    width, height, left, right, top, bottom = 720, 220, 64, 16, 14, 34
    highest = _ceiling(max(point.fraction for point in points))
    span = max(len(points) - 1, 1)
    places = [
        (
            left + (width - left - right) * (position / span if len(points) > 1 else 0.5),
            height - bottom - (height - top - bottom) * point.fraction / highest,
        )
        for position, point in enumerate(points)
    ]
    grid = Markup().join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" class="right">{}</text>'
        ).format(left, width - right, f"{y:.1f}", f"{y:.1f}", left - 8, f"{y + 4:.1f}", percent(highest * part))
        for part in (0, 0.5, 1)
        for y in [height - bottom - (height - top - bottom) * part]
    )
    marks = Markup().join(
        _mark(x, y, point).format(f"{point.label}: {percent(point.fraction)} held back, {_word(point)}")
        for (x, y), point in zip(places, points, strict=True)
    )
    first = Markup('<text x="{}" y="{}">{}</text>').format(
        left, height - 10, points[0].label if len(points) > 1 else ""
    )
    last = Markup('<text x="{}" y="{}" class="right">{}</text>').format(width - right, height - 10, points[-1].label)
    blocked = sum(not point.passed for point in points)
    spoken = f"Share of rows held back over {len(points)} runs, from {points[0].label} to {points[-1].label}"
    spoken += f"; highest {percent(max(point.fraction for point in points))}; {blocked} runs blocked"
    return Markup('<svg class="trend" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}{}</svg>').format(
        width, height, spoken, grid, _line(places), marks, first, last
    )


def tolerance_bar(failing: float, tolerated: float) -> Markup:
    """How far a failing fraction fills its tolerance: the bar's middle is the tolerance, beyond it the bar is red."""
    width, height = 160, 12
    share = (failing / tolerated if tolerated else float(failing > 0) * 2) / 2
    filled = min(share, 1.0) * width
    if 0 < filled < 2:
        filled = 2.0
    kind = "over" if failing > tolerated else "within"
    spoken = f"{percent(failing)} failing, {percent(tolerated)} tolerated"
    return Markup(
        '<svg class="bar" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<rect class="track" width="{}" height="{}"/><rect class="{}" width="{}" height="{}"/>'
        '<line class="limit" x1="{}" x2="{}" y1="0" y2="{}"/></svg>'
    ).format(
        width, height, width, height, spoken, width, height, kind, f"{filled:.1f}", height, width / 2, width / 2, height
    )


def _line(places: Sequence[tuple[float, float]]) -> Markup:
    return Markup('<polyline class="line" points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in places))


def _mark(x: float, y: float, point: TrendPoint) -> Markup:
    if point.passed:
        shape = Markup('<circle class="passed" cx="{}" cy="{}" r="4">').format(f"{x:.1f}", f"{y:.1f}")
        return shape + Markup("<title>{}</title></circle>")
    shape = Markup('<rect class="blocked" x="{}" y="{}" width="9" height="9">').format(
        f"{x - 4.5:.1f}", f"{y - 4.5:.1f}"
    )
    return shape + Markup("<title>{}</title></rect>")


def _word(point: TrendPoint) -> str:
    return "passed" if point.passed else "blocked"


def _ceiling(value: float) -> float:
    """The next round number (1, 2 or 5 times a power of ten) at or above a fraction; 1 % for nothing at all."""
    if value <= 0:
        return 0.01
    power = 1.0
    while power >= value:
        power /= 10
    return min(next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)), 1.0)
