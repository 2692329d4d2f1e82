"""Crops as training sees them: turned, scaled, lit, blurred and partly hidden anew each time."""

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels
from models.detector.embedder_config import AugmentConfig

_BLUR_SIDE = 64.0


def augmented(crops: Pixels, side: int, cfg: AugmentConfig, rng: np.random.Generator) -> Pixels:
    """Crops (B, S, S, 3) as (B, side, side, 3), changed by `rng` alone."""
    return np.stack([_one(crop, side, cfg, rng) for crop in crops])


def resized(crops: Pixels, side: int) -> Pixels:
    """Crops (B, S, S, 3) as (B, side, side, 3), averaged where they shrink."""
    import cv2

    if crops.shape[1] == side:
        return crops
    way = cv2.INTER_AREA if crops.shape[1] > side else cv2.INTER_LINEAR
    return np.stack([cv2.resize(crop, (side, side), interpolation=way) for crop in crops])


def _one(crop: Pixels, side: int, cfg: AugmentConfig, rng: np.random.Generator) -> Pixels:
    import cv2

    if cfg.closer_share and rng.random() < cfg.closer_share:
        crop = _part(crop, cfg.closer, rng)
    small = resized(crop[None], side)[0]
    if cfg.mirror_share and rng.random() < cfg.mirror_share:
        small = small[:, ::-1].copy()
    turn, zoom = np.radians(cfg.degrees * rng.normal()), np.exp(cfg.zoom * rng.normal())
    wide, high = (zoom * np.exp(sign * cfg.stretch / 2 * rng.normal()) for sign in (1, -1))
    cosine, sine, middle = np.cos(turn), np.sin(turn), (side - 1) / 2
    matrix = np.array([[wide * cosine, -high * sine], [wide * sine, high * cosine]])
    offset = middle - matrix @ [middle, middle] + cfg.shift * side * rng.normal(size=2)
    moved = cv2.warpAffine(
        small,
        np.column_stack([matrix, offset]),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if rng.random() < cfg.blur_share:
        moved = cv2.GaussianBlur(moved, (0, 0), 0.1 + cfg.blur_px * side / _BLUR_SIDE * rng.random())
    lit = _lit(moved.astype(np.float32), cfg, rng)
    if rng.random() < cfg.erase_share:
        _hide(lit, cfg.erase_area, rng)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _part(crop: Pixels, closer: float, rng: np.random.Generator) -> Pixels:
    """A square somewhere in a crop, up to so many times smaller."""
    side = len(crop)
    kept = round(side / rng.uniform(1, closer))
    top, left = rng.integers(side - kept + 1, size=2)
    return crop[top : top + kept, left : left + kept]


def _lit(crop: npt.NDArray[np.float32], cfg: AugmentConfig, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    gain = np.exp(cfg.brightness * rng.normal() + cfg.tint * rng.normal(size=3)).astype(np.float32)
    contrast = np.float32(np.exp(cfg.contrast * rng.normal()))
    lit = crop * gain
    mean = lit.mean(dtype=np.float32)
    lit = (lit - mean) * contrast + mean
    deviation = np.float32(cfg.noise * rng.random())
    noisy: npt.NDArray[np.float32] = lit + deviation * rng.standard_normal(crop.shape, dtype=np.float32)
    return noisy


def _hide(crop: npt.NDArray[np.float32], most: float, rng: np.random.Generator) -> None:
    """One rectangle, of one colour with some grain, in place."""
    side = len(crop)
    area, ratio = most * rng.random() * side * side, np.exp(rng.uniform(-1, 1))
    high, wide = (int(np.clip(round(np.sqrt(area * of)), 1, side)) for of in (ratio, 1 / ratio))
    top, left = int(rng.integers(side - high + 1)), int(rng.integers(side - wide + 1))
    colour = rng.uniform(0, 255, 3) + rng.normal(0, 12, (high, wide, 1))
    crop[top : top + high, left : left + wide] = colour
