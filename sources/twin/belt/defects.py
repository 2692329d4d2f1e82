"""How a defect looks: each function paints on a package's canvas (side, side, 4), in place, from its severity and uniforms `u`.

Severity 0 would leave the package as it was; sizes and contrasts grow with it. All `u` are of (0, 1), one a free choice.
"""

from datetime import date, timedelta

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.belt.art import DATE, LABEL, PACKAGE, Look, Pixels, box, date_field, date_text, label, paste


def dent(canvas: Pixels, severity: float, u: Floats) -> None:
    """A pit in the film, lit from the upper left: dark where it falls away from the lamp, bright where it faces it."""
    side = canvas.shape[0]
    x, y, width, height = box(PACKAGE, side)
    radius = (0.045 + 0.05 * severity + 0.02 * u[0]) * side
    across, down = x + (0.15 + 0.7 * u[1]) * width, y + (0.12 + 0.76 * u[2]) * height
    reach = int(2.5 * radius)
    top, left = max(0, int(down) - reach), max(0, int(across) - reach)
    here = canvas[top : int(down) + reach, left : int(across) + reach]
    rows, columns = np.ogrid[top : top + here.shape[0], left : left + here.shape[1]]
    turn = 0.25 * np.pi + 0.6 * (u[3] - 0.5)
    off_x, off_y = (columns - across) / radius, (rows - down) / (radius * (0.7 + 0.6 * u[4]))
    # The slope of a Gaussian pit along the light's direction; its peak is 0.61.
    slope = (off_x * np.cos(turn) + off_y * np.sin(turn)) * np.exp(-0.5 * (off_x**2 + off_y**2)) / 0.61
    here[..., :3] = np.clip(here[..., :3] * (1.0 + (0.08 + 0.42 * severity) * slope[..., None]), 0, 255)


def tear(canvas: Pixels, severity: float, u: Floats) -> None:
    """A ragged cut through the film: the dark inside shows, its lip catches light."""
    import cv2

    side = canvas.shape[0]
    x, y, width, height = box(PACKAGE, side)
    length, wide = (0.05 + 0.27 * severity) * side, (0.005 + 0.019 * severity) * side
    start = np.array([x + (0.15 + 0.7 * u[0]) * width, y + (0.12 + 0.76 * u[1]) * height])
    turn = 2 * np.pi * u[2]
    along = np.array([np.cos(turn), np.sin(turn)])
    if np.any(np.abs(start + along * length - side / 2) > 0.4 * side):
        along = -along  # towards the middle
    aside = np.array([-along[1], along[0]])
    steps = np.linspace(0, 1, 7)[:, None]
    ragged = 0.06 * length * (np.append(u[3:9], 0.5) - 0.5)[:, None]
    middle = start + along * steps * length + aside * ragged
    gape = wide * np.sin(np.pi * (0.1 + 0.85 * steps))
    outline = np.concatenate([middle + aside * gape, (middle - aside * gape)[::-1]])
    colour, lip = tuple(int(each) for each in canvas[side // 2, x + width // 40, :3]), (235, 235, 235, 255)
    inside = (*(each // 4 for each in colour), 255)
    exact = np.round(outline * 16).astype(np.int32)
    cv2.polylines(canvas, [exact + np.int32(8)], True, lip, max(1, side // 128), cv2.LINE_AA, 4)
    cv2.fillPoly(canvas, [exact], inside, cv2.LINE_AA, 4)


def label_patch(kind: str, severity: float, u: Floats, printed: Pixels, other: Look, same: Look) -> Pixels:
    """The label (h, w, 4) that is on the package: the printed one, or what a defect of kind `kind` made of it."""
    import cv2

    height, width = printed.shape[:2]
    side = round(width / LABEL[2])
    if kind == "label_wrong":
        if severity < 0.4:  # another variety: the same label, its art in another colour
            return label(same, side, turned_hue=(0.18 + severity) * (1 if u[0] < 0.5 else -1))
        return label(other, side)
    if kind == "label_missing":
        if severity > 0.7:
            return np.zeros_like(printed)
        # A corner is torn off, a ragged line from edge to edge.
        left = printed.copy()
        share = 0.12 + 0.88 * severity
        places = np.linspace(0, 1, 8)
        edge = (share * 1.6 * (1 - places) + 0.08 * (u[1:9] - 0.5)) * height
        corner = np.stack([places * width * min(1.0, share * 1.6), np.clip(edge, 0, None)], 1)
        off = np.zeros((height, width), np.uint8)
        cv2.fillPoly(off, [np.concatenate([[[0, 0]], corner[::-1]]).astype(np.int32)], 255, cv2.LINE_AA)
        off = off[:, ::-1] if u[9] < 0.5 else off
        off = off[::-1] if u[10] < 0.5 else off
        left[..., 3] = np.minimum(left[..., 3], 255 - off)
        return left
    return printed


def label_turn(kind: str, severity: float, u: Floats) -> float:
    """Degrees by which the label is turned: a little on every package, more where it is skewed."""
    usual = 1.2 * (u[0] - 0.5)
    return float(usual if kind != "label_skewed" else (2.5 + 15.0 * severity) * (1 if u[1] < 0.5 else -1))


def paste_turned(canvas: Pixels, patch: Pixels, degrees: float) -> None:
    """Lay the label on its place, turned about its middle."""
    import cv2

    side = canvas.shape[0]
    x, y, _, _ = box(LABEL, side)
    height, width = patch.shape[:2]
    margin = round(0.1 * side)
    padded = cv2.copyMakeBorder(patch, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    turn = cv2.getRotationMatrix2D((margin + width / 2, margin + height / 2), degrees, 1.0)
    turned = cv2.warpAffine(padded, turn, (width + 2 * margin, height + 2 * margin), flags=cv2.INTER_LINEAR)
    paste(canvas, np.asarray(turned, np.uint8), ((x - margin) / side, (y - margin) / side, 0.0, 0.0))


def date_patch(kind: str, severity: float, u: Floats, printed: Pixels, right: date) -> Pixels:
    """The date field (h, w, 4): as printed, of another date, or smeared."""
    import cv2

    if kind == "date_wrong":
        return date_field(date_text(wrong_date(right, severity, u)), round(printed.shape[1] / DATE[2]))
    if kind == "date_blurred":
        drag = max(3, round((0.025 + 0.125 * severity) * printed.shape[1])) | 1
        smeared = cv2.blur(printed, (drag, max(1, drag // 3)))
        faded = smeared[..., :3].astype(np.float64)
        smeared[..., :3] = faded + 0.5 * severity * (236 - faded)
        return np.asarray(smeared, np.uint8)
    return printed


def wrong_date(right: date, severity: float, u: Floats) -> date:
    """Another date: days away at most where the defect is weak, years where it is gross."""
    away = 1 + int(u[0] * (8 + 1_500 * severity**2))
    return right + timedelta(days=away if u[1] < 0.5 else -away)
