"""From a package's canvas to the picture the line's camera takes: place, light, reflection, blur and noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sources.twin.arrays import Floats
from sources.twin.belt.art import Pixels

_REFERENCE_SIDE = 128  # blur is told in pixels of such a picture


@dataclass(frozen=True)
class Shot:
    """One picture's conditions: `place` (2,) in fractions of the side, `turn` in degrees, `gain` (3,) of the channels, `slope`
    (2,) fall of light across the picture, `reflection` (x, y, length, width, angle, levels), `blur` in pixels of 128, `noise` a
    field (side, side, 3) in levels."""

    place: Floats
    turn: float
    gain: Floats
    slope: Floats
    reflection: Floats | None
    blur: float
    noise: npt.NDArray[np.float32]


def shoot(canvas: Pixels, background: Pixels, shot: Shot) -> Pixels:
    """The picture (side, side, 3) of a canvas (2 side, 2 side, 4) on a background (side, side, 3)."""
    import cv2

    drawn, side = canvas.shape[0], background.shape[0]
    turned = cv2.getRotationMatrix2D((drawn / 2, drawn / 2), shot.turn, 1.0)
    turn = turned + np.outer(shot.place * drawn, (0.0, 0.0, 1.0))
    moved = cv2.warpAffine(canvas, turn, (drawn, drawn), flags=cv2.INTER_LINEAR)
    small = cv2.resize(moved, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    opaque = small[..., 3:] / 255
    # Colours of the canvas are black where it is empty, so they come weighted already.
    lit = small[..., :3] + background * (1 - opaque)
    rows, columns = np.ogrid[:side, :side]
    fall = 1 + shot.slope[0] * (columns / side - 0.5) + shot.slope[1] * (rows / side - 0.5)
    lit *= fall.astype(np.float32)[..., None] * shot.gain.astype(np.float32)
    if shot.reflection is not None:
        x, y, length, width, angle, levels = shot.reflection
        across, down = columns / side - x, rows / side - y
        along, aside = (
            (across * np.cos(angle) + down * np.sin(angle)) / length,
            (down * np.cos(angle) - across * np.sin(angle)) / width,
        )
        glare = levels * np.exp(-0.5 * (along**2 + aside**2)).astype(np.float32)
        lit += glare[..., None] * opaque
    if shot.blur * side / _REFERENCE_SIDE > 0.2:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), shot.blur * side / _REFERENCE_SIDE), lit.dtype)
    return np.asarray(np.clip(lit + shot.noise, 0, 255), np.uint8)
