"""The what-if curve as inline SVG, drawn here so that a page needs neither a script nor a plotting library."""

from collections.abc import Sequence
from html import escape
from typing import Any

from models.pricing.what_if import Curve

WIDTH, HEIGHT, LEFT, RIGHT, TOP, PANEL, GAP = 720, 450, 70, 20, 34, 160, 46
GOOD, BAD, CHOSEN, INK, LINE = "#14508c", "#9aa5b1", "#0b6e4f", "#4a5665", "#d5dbe3"


def curve_svg(curve: Curve) -> str:
    """Worth above, units now below, by price; hollow: not allowed, with the rule; green: what is served."""
    low, high = float(curve.prices[0]), float(curve.prices[-1])

    def x(price: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (price - low) / max(high - low, 1e-9)

    allowed, rules = curve.allowed.tolist(), curve.rule.tolist()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="12" aria-label="Worth and units by price; {curve.price:.2f} is served">'
    ]
    for top, title, values in (
        (TOP, "money expected from now on", curve.worth.tolist()),
        (TOP + PANEL + GAP, "units expected now", curve.units.tolist()),
    ):
        least, most = min(values), max(values)
        span = max(most - least, 1e-9)

        def y(value: float, top: int = top, least: float = least, span: float = span) -> float:
            return top + PANEL - PANEL * (value - least) / span

        parts.append(f'<text x="{LEFT}" y="{top - 10}" fill="{INK}" font-weight="600">{title}</text>')
        parts += [_level(y(value), value) for value in (least, least + span / 2, most)]
        parts.append(_path([(x(price), y(value)) for price, value in zip(curve.prices.tolist(), values, strict=True)]))
        parts += [
            f'<circle cx="{x(price):.1f}" cy="{y(value):.1f}" r="5" fill="{GOOD if fine else "#ffffff"}" '
            f'stroke="{GOOD if fine else BAD}" stroke-width="2"><title>{price:.2f}: {value:.2f}'
            f"{'' if fine else f', not allowed: {escape(rule)}'}</title></circle>"
            for price, value, fine, rule in zip(curve.prices.tolist(), values, allowed, rules, strict=True)
        ]
        at = x(min(max(curve.price, low), high))
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{top + PANEL}" stroke="{CHOSEN}" stroke-width="2" '
            'stroke-dasharray="5 3"/>'
        )
    base = TOP + 2 * PANEL + GAP
    parts += [
        f'<text x="{x(price):.1f}" y="{base + 18}" fill="{INK}" text-anchor="middle">{price:g}</text>'
        for price in curve.prices.tolist()[:: max(1, len(allowed) // 12)]
    ]
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{base + 36}" fill="{INK}" text-anchor="end">price; green: {curve.price:.2f} is served'
        f"{f' ({escape(curve.served_rule)})' if curve.served_rule else ''}; hollow: a rule forbids it</text></svg>"
    )
    return "".join(parts)


def _level(y: float, value: float) -> str:
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" fill="{INK}" text-anchor="end">{value:,.2f}</text>'
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    line = " L ".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return f'<path d="M {line}" fill="none" stroke="{GOOD}" stroke-width="1.75"/>'


def picture_of(curve: Curve) -> dict[str, Any]:
    """What the page shows: the picture, the rows of its table, the price served and the rule that moved it."""
    from markupsafe import Markup

    columns = (curve.prices, curve.units, curve.worth, curve.allowed, curve.rule)
    return {
        "svg": Markup(curve_svg(curve)),  # noqa: S704 (drawn here, from numbers and names of rules)
        "rows": list(zip(*(each.tolist() for each in columns), strict=True)),
        "price": curve.price,
        "rule": curve.served_rule,
    }
